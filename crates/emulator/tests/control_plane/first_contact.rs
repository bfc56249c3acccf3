//! What people meet first: their own keys, their own region, no limits, a service that is not there, and a way to begin anew.

use aws_config::Region;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_iot::config::retry::RetryConfig;
use quell_emulator::start::Options;
use quell_emulator_tests::tunnel;

use crate::live::device;
use crate::wire::raw;
use crate::{ACCOUNT, World, is, refusal};

const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;

/// Somebody with a key, in a region.
#[derive(Clone, Copy)]
struct Caller {
    key: &'static str,
    secret: &'static str,
    region: &'static str,
}

const OWNER: Caller = Caller { key: "test", secret: "test", region: "us-east-1" };

impl Caller {
    fn config(self, world: &World) -> aws_config::SdkConfig {
        let keys = Credentials::from_keys(self.key, self.secret, None);
        quell_emulator_tests::sdk::config(&world.endpoint)
            .into_builder()
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .region(Region::new(self.region))
            .retry_config(RetryConfig::disabled())
            .build()
    }

    fn iot(self, world: &World) -> aws_sdk_iot::Client {
        aws_sdk_iot::Client::new(&self.config(world))
    }

    /// The whole response to a request signed for `service`.
    async fn ask(
        self,
        world: &World,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> String {
        use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
        let identity = Credentials::from_keys(self.key, self.secret, None).into();
        let params = aws_sigv4::sign::v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(service)
            .time(std::time::SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .unwrap()
            .into();
        let host = world.endpoint.trim_start_matches("http://");
        let all = [headers, &[("host", host)]].concat();
        let url = format!("{}{path}", world.endpoint);
        let signable = SignableBody::Bytes(body.as_bytes());
        let request = SignableRequest::new(method, &url, all.iter().copied(), signable).unwrap();
        let (instructions, _) = sign(request, &params).unwrap().into_parts();
        let mut text = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\n");
        for (name, value) in all.iter().copied().chain(instructions.headers()) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
        raw(world, &text).await
    }

    async fn reset(self, world: &World) -> String {
        self.ask(world, "iot", "POST", "/_quell/reset", &[], "").await
    }
}

/// Service, path, headers, body; the status of the answer and what it has in it.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str, u16, &'a str);

fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

async fn any_key() -> World {
    World::with(Options { any_key: true, devices: Some(0), ..Options::on_free_ports() }).await
}

async fn names(iot: &aws_sdk_iot::Client) -> Vec<String> {
    let listed = iot.list_things().send().await.unwrap();
    listed.things().iter().filter_map(|t| t.thing_name.clone()).collect()
}

#[tokio::test]
async fn each_partition_has_its_name_in_every_arn() {
    let world = World::start().await;
    for (region, partition) in
        [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("eu-central-1", "aws")]
    {
        let caller = Caller { region, ..OWNER };
        let config = caller.config(&world);
        let (iot, sts) = (aws_sdk_iot::Client::new(&config), aws_sdk_sts::Client::new(&config));
        let thing = iot.create_thing().thing_name("T").send().await.unwrap();
        assert_eq!(thing.thing_arn(), Some(&*format!("arn:{partition}:iot:{region}:{ACCOUNT}:thing/T")));
        let keys = iot.create_keys_and_certificate().set_as_active(true).send().await.unwrap();
        let certificate = keys.certificate_arn().unwrap();
        assert!(certificate.starts_with(&format!("arn:{partition}:iot:{region}:{ACCOUNT}:cert/")));
        iot.create_policy().policy_name("P").policy_document(ALLOW).send().await.unwrap();
        iot.attach_policy().policy_name("P").target(certificate).send().await.unwrap();
        let attached = iot.list_attached_policies().target(certificate).send().await.unwrap();
        assert_eq!(
            attached.policies()[0].policy_arn(),
            Some(&*format!("arn:{partition}:iot:{region}:{ACCOUNT}:policy/P"))
        );
        let who = sts.get_caller_identity().send().await.unwrap();
        assert_eq!(who.arn(), Some(&*format!("arn:{partition}:iam::{ACCOUNT}:user/operator")));
        let role = format!("arn:{partition}:iam::{ACCOUNT}:role/R");
        let assumed = sts.assume_role().role_arn(role).role_session_name("me").send().await.unwrap();
        let user = assumed.assumed_role_user().unwrap().arn();
        assert_eq!(user, format!("arn:{partition}:sts::{ACCOUNT}:assumed-role/R/me"));
        let form = "Action=CreateTopic&Version=2010-03-31&Name=Alerts";
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let topic = caller.ask(&world, "sns", "POST", "/", &headers, form).await;
        let arn = format!("arn:{partition}:sns:{region}:{ACCOUNT}:Alerts");
        assert!(topic.contains(&arn), "{topic}");
        let profile = iot
            .create_security_profile()
            .security_profile_name("S")
            .alert_targets(
                aws_sdk_iot::types::AlertTargetType::Sns,
                aws_sdk_iot::types::AlertTarget::builder()
                    .alert_target_arn(&arn)
                    .role_arn(format!("arn:{partition}:iam::{ACCOUNT}:role/R"))
                    .build()
                    .unwrap(),
            )
            .send()
            .await
            .unwrap();
        assert!(profile.security_profile_arn().unwrap().starts_with(&format!("arn:{partition}:iot:")));
    }
}

#[tokio::test]
async fn a_region_has_a_state_and_arns_of_its_own() {
    let world = World::start().await;
    let europe = Caller { region: "eu-west-1", ..OWNER }.iot(&world);
    let made = europe.create_thing().thing_name("pump").send().await.unwrap();
    assert_eq!(made.thing_arn.unwrap(), format!("arn:aws:iot:eu-west-1:{ACCOUNT}:thing/pump"));
    assert_eq!(names(&world.iot).await, [""; 0]);
    world.thing("pump").await;
    europe.delete_thing().thing_name("pump").send().await.unwrap();
    assert_eq!(names(&world.iot).await, ["pump"]);
    assert_eq!(names(&europe).await, [""; 0]);
    let nowhere = Caller { region: "atlantis", ..OWNER }.iot(&world).list_things().send().await;
    assert_eq!(refusal(nowhere), is(403, "InvalidSignatureException"));
    // Whoever asks for another account is nobody here.
    let stranger = Caller { key: "222222222222", ..OWNER }.iot(&world).list_things().send().await;
    assert_eq!(refusal(stranger), is(403, "UnrecognizedClientException"));
}

#[tokio::test]
async fn with_any_key_a_number_is_an_account_and_everybody_else_a_person_of_the_default_one() {
    let world = any_key().await;
    let who = async |caller: Caller| {
        let said =
            aws_sdk_sts::Client::new(&caller.config(&world)).get_caller_identity().send().await.unwrap();
        (said.account.unwrap(), said.arn.unwrap())
    };
    let ana = Caller { key: "AKIAANA", secret: "whatever", region: "us-east-1" };
    let other = Caller { key: "222222222222", secret: "x", region: "us-east-1" };
    assert_eq!(who(ana).await, (ACCOUNT.to_owned(), format!("arn:aws:iam::{ACCOUNT}:user/AKIAANA")));
    assert_eq!(
        who(other).await,
        ("222222222222".to_owned(), "arn:aws:iam::222222222222:user/operator".to_owned())
    );
    assert_eq!(who(Caller { secret: "wrong", ..OWNER }).await.0, ACCOUNT);
    ana.iot(&world).create_thing().thing_name("pump").send().await.unwrap();
    let made = other.iot(&world).create_thing().thing_name("valve").send().await.unwrap();
    assert_eq!(made.thing_arn.unwrap(), "arn:aws:iot:us-east-1:222222222222:thing/valve");
    assert_eq!(names(&world.iot).await, ["pump"]);
    // A session is one of the account it was begun in.
    let sts = aws_sdk_sts::Client::new(&other.config(&world));
    let role = "arn:aws:iam::222222222222:role/responder";
    let keys = sts.assume_role().role_arn(role).role_session_name("walk").send().await.unwrap();
    let id = keys.assumed_role_user.unwrap().assumed_role_id;
    let keys = keys.credentials.unwrap();
    let keys = Credentials::from_keys(keys.access_key_id, keys.secret_access_key, Some(keys.session_token));
    let config = other.config(&world).into_builder();
    let config = config.credentials_provider(SharedCredentialsProvider::new(keys)).build();
    let said = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await.unwrap();
    assert_eq!(said.user_id, Some(id), "the role's id and the session's name");
    assert_eq!(names(&aws_sdk_iot::Client::new(&config)).await, ["valve"]);
}

#[tokio::test]
async fn a_certificate_is_offered_to_another_account_which_takes_it_or_does_not() {
    let world = any_key().await;
    let other = Caller { key: "222222222222", secret: "x", region: "us-east-1" }.iot(&world);
    let third = Caller { key: "333333333333", secret: "x", region: "us-east-1" }.iot(&world);
    let made = world.iot.create_keys_and_certificate().send().await.unwrap();
    let (id, arn) = (made.certificate_id().unwrap(), made.certificate_arn().unwrap());
    let offer = async || {
        let transfer = world.iot.transfer_certificate().certificate_id(id).transfer_message("yours");
        let arn = transfer.target_aws_account("222222222222").send().await.unwrap();
        assert_eq!(
            arn.transferred_certificate_arn(),
            Some(&*format!("arn:aws:iot:us-east-1:222222222222:cert/{id}"))
        );
    };
    let described = async |iot: &aws_sdk_iot::Client| {
        let held = iot.describe_certificate().certificate_id(id).send().await?;
        Ok::<_, aws_sdk_iot::error::SdkError<_>>(held.certificate_description.unwrap())
    };
    let accept = async |iot: &aws_sdk_iot::Client| {
        iot.accept_certificate_transfer().certificate_id(id).set_as_active(true).send().await
    };
    assert_eq!(refusal(accept(&other).await), is(404, "ResourceNotFoundException"));
    offer().await;
    // It is among those of whom it is offered to, and nobody else's.
    let listed = other.list_certificates().send().await.unwrap();
    let listed: Vec<_> = listed
        .certificates()
        .iter()
        .map(|c| (c.certificate_id().unwrap(), c.status().unwrap().as_str()))
        .collect();
    assert_eq!(listed, [(id, "PENDING_TRANSFER")]);
    let offered = described(&other).await.unwrap();
    assert_eq!((offered.owned_by(), offered.previous_owned_by()), (Some(ACCOUNT), None));
    assert_eq!(refusal(described(&third).await), is(404, "ResourceNotFoundException"));
    assert_eq!(refusal(accept(&third).await), is(404, "ResourceNotFoundException"));
    // Rejected: it is where it was, and the reason is told there.
    other.reject_certificate_transfer().certificate_id(id).reject_reason("not mine").send().await.unwrap();
    let back = described(&world.iot).await.unwrap();
    let told = back.transfer_data().unwrap();
    assert_eq!((back.status().unwrap().as_str(), told.reject_reason()), ("INACTIVE", Some("not mine")));
    assert!(told.reject_date().is_some() && told.transfer_message() == Some("yours"));
    assert_eq!(refusal(described(&other).await), is(404, "ResourceNotFoundException"));
    let cancelled = world.iot.cancel_certificate_transfer().certificate_id(id).send().await;
    assert_eq!(refusal(cancelled), is(410, "TransferAlreadyCompletedException"));
    // Accepted: it is the other's, with the keys it had, and is gone here.
    offer().await;
    accept(&other).await.unwrap();
    let taken = described(&other).await.unwrap();
    assert_eq!(
        (taken.status().unwrap().as_str(), taken.owned_by(), taken.previous_owned_by()),
        ("ACTIVE", Some("222222222222"), Some(ACCOUNT))
    );
    assert_eq!(taken.certificate_pem(), made.certificate_pem());
    assert!(taken.transfer_data().unwrap().accept_date().is_some());
    assert_eq!(refusal(described(&world.iot).await), is(404, "ResourceNotFoundException"));
    assert_eq!(refusal(accept(&other).await), is(410, "TransferAlreadyCompletedException"));
    assert!(world.iot.list_outgoing_certificates().send().await.unwrap().outgoing_certificates().is_empty());
    // Its connections are of the account that has it now.
    other.create_policy().policy_name("P").policy_document(ALLOW).send().await.unwrap();
    other.attach_policy().policy_name("P").target(arn.replace(ACCOUNT, "222222222222")).send().await.unwrap();
}

#[tokio::test]
async fn with_any_key_the_users_of_the_account_are_still_judged() {
    let world = any_key().await;
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:ListThings","Resource":"*"}]}"#;
    let users = format!(
        r#"{{"Users":[{{"UserName":"ana","AccessKeyId":"AKIAANA","SecretAccessKey":"ana","Policies":[{policy}]}}]}}"#
    );
    world.running.account().set_identities(&users).unwrap();
    let ana = Caller { key: "AKIAANA", secret: "ana", region: "us-east-1" };
    assert_eq!(names(&ana.iot(&world)).await, [""; 0]);
    let refused = ana.iot(&world).create_thing().thing_name("pump").send().await;
    assert_eq!(refusal(refused), is(403, "AccessDeniedException"));
    let forged = Caller { secret: "guessed", ..ana }.iot(&world).list_things().send().await;
    assert_eq!(refusal(forged), is(403, "InvalidSignatureException"));
    assert_eq!(status(&ana.reset(&world).await), 403);
}

#[tokio::test]
async fn a_device_is_of_the_account_that_registered_its_certificate() {
    let world = any_key().await;
    let abroad = Caller { key: "222222222222", secret: "x", region: "eu-west-1" };
    let iot = abroad.iot(&world);
    let made = iot.create_keys_and_certificate().set_as_active(true).send().await.unwrap();
    iot.create_policy().policy_name("All").policy_document(ALLOW).send().await.unwrap();
    let arn = made.certificate_arn.unwrap();
    iot.attach_policy().policy_name("All").target(arn).send().await.unwrap();
    let ca = std::fs::read_to_string(world.running.credentials().join("root-CA.pem")).unwrap();
    let (pem, key) = (made.certificate_pem.unwrap(), made.key_pair.unwrap().private_key.unwrap());
    let port = tunnel::tunnel(world.running.mqtts, tunnel::tls(&ca, Some((&pem, &key)), &[])).await;
    let mut pump = device(port, "pump");
    assert!(pump.connected().await);
    let data = aws_sdk_iotdataplane::Client::new(&abroad.config(&world));
    assert!(data.get_connection().client_id("pump").send().await.unwrap().connected());
    let at_home = world.data.get_connection().client_id("pump").send().await;
    assert_eq!(refusal(at_home), is(404, "ResourceNotFoundException"));
    // Emptying the account ends it.
    assert_eq!(status(&abroad.reset(&world).await), 200);
    pump.ended().await;
    assert!(!device(port, "pump").connected().await);
}

#[tokio::test]
async fn a_reset_empties_the_account_it_is_signed_for_and_no_other() {
    let state = tempfile::tempdir().unwrap();
    let options =
        || Options { state: Some(state.path().to_owned()), devices: Some(0), ..Options::on_free_ports() };
    let world = World::with(options()).await;
    let europe = Caller { region: "eu-west-1", ..OWNER };
    world.thing("here").await;
    europe.iot(&world).create_thing().thing_name("there").send().await.unwrap();
    let answer = OWNER.reset(&world).await;
    assert!(
        status(&answer) == 200 && answer.ends_with(r#"{"account":"123456789012","region":"us-east-1"}"#),
        "{answer}"
    );
    assert_eq!(names(&world.iot).await, [""; 0]);
    assert_eq!(names(&europe.iot(&world)).await, ["there"]);
    world.thing("again").await;
    assert_eq!(status(&OWNER.ask(&world, "iot", "GET", "/_quell/reset", &[], "").await), 405);
    let unsigned = raw(
        &world,
        "POST /_quell/reset HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    );
    assert_eq!(status(&unsigned.await), 403);
    // What was kept is what is there after a restart.
    world.running.shutdown().await;
    let world = World::with(options()).await;
    assert_eq!(names(&world.iot).await, ["again"]);
    assert_eq!(names(&europe.iot(&world)).await, ["there"]);
    assert_eq!(status(&europe.reset(&world).await), 200);
    assert_eq!(names(&europe.iot(&world)).await, [""; 0]);
    world.running.shutdown().await;
    let world = World::with(options()).await;
    assert_eq!(names(&world.iot).await, ["again"]);
    assert_eq!(names(&europe.iot(&world)).await, [""; 0]);
}

#[tokio::test]
async fn a_service_that_is_not_there_answers_in_its_clients_protocol() {
    let world = World::start().await;
    let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    let target = ("x-amz-target", "DynamoDB_20120810.ListTables");
    let json = |version: &'static str| [target, ("content-type", version)];
    let cbor = [("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")];
    let cases: [Case<'_>; 8] = [
        (
            "autoscaling",
            "/",
            &[form],
            "Action=DescribeTags&Version=1",
            400,
            "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction<",
        ),
        (
            "ec2",
            "/",
            &[form],
            "Action=DescribeVpcs&Version=1",
            400,
            "<Response><Errors><Error><Code>InvalidAction<",
        ),
        (
            "dynamodb",
            "/",
            &json("application/x-amz-json-1.0"),
            "{}",
            400,
            r#"{"__type":"com.amazon.coral.service#UnknownOperationException""#,
        ),
        (
            "kinesis",
            "/",
            &json("application/x-amz-json-1.1"),
            "{}",
            400,
            r#"{"__type":"com.amazon.coral.service#UnknownOperationException""#,
        ),
        (
            "arcregionswitch",
            "/service/X/operation/ListPlans",
            &cbor,
            "\u{0}",
            400,
            "UnknownOperationException",
        ),
        ("lambda", "/2015-03-31/functions/f", &[], "{}", 404, "x-amzn-errortype: UnknownOperationException"),
        (
            "route53",
            "/2013-04-01/hostedzone",
            &[],
            "",
            501,
            "<ErrorResponse><Error><Type>Receiver</Type><Code>NotImplemented<",
        ),
        ("s3express", "/bucket/key", &[], "", 501, "<Error><Code>NotImplemented<"),
    ];
    for (service, path, headers, body, expected, form) in cases {
        let answer = OWNER.ask(&world, service, "POST", path, headers, body).await;
        assert!(status(&answer) == expected && answer.contains(form), "{service}: {answer}");
        assert!(answer.contains(&format!("'{service}'")), "{answer}");
        let forged = Caller { secret: "guessed", ..OWNER };
        let refused = forged.ask(&world, service, "POST", path, headers, body).await;
        assert!(status(&refused) == 403 && !refused.contains(form), "{service}: {refused}");
    }
    let again = OWNER.ask(&world, "kinesis", "POST", "/", &json("application/x-amz-json-1.1"), "{}").await;
    assert!(again.contains("content-type: application/x-amz-json-1.1\r\n"), "{again}");
    // A region is made by what it can hold: asking for something else in very many leaves room for one that is used.
    for n in 1..=100 {
        let there = Caller { region: format!("eu-west-{n}").leak(), ..OWNER };
        let answer =
            there.ask(&world, "dynamodb", "POST", "/", &json("application/x-amz-json-1.0"), "{}").await;
        assert_eq!(status(&answer), 400, "{answer}");
    }
    let used = Caller { region: "ap-south-1", ..OWNER }.iot(&world);
    used.list_things().send().await.unwrap();
}

#[tokio::test]
async fn the_index_is_on_and_the_rates_are_off_when_asked_for() {
    let options = Options { index: true, throttle: false, devices: Some(0), ..Options::on_free_ports() };
    let world = World::with(options).await;
    let iot = OWNER.iot(&world);
    for n in 0..40 {
        // AWS lets ten through a second.
        iot.list_things().send().await.unwrap();
        let name = format!("pump-{n}");
        iot.create_thing().thing_name(name).send().await.unwrap();
    }
    let found = iot.search_index().query_string("thingName:pump-3*").send().await.unwrap();
    assert_eq!(found.things().len(), 11);
    OWNER.reset(&world).await;
    assert_eq!(iot.search_index().query_string("*").send().await.unwrap().things().len(), 0);
}

#[tokio::test]
async fn the_endpoint_that_is_described_speaks_https() {
    let world = World::start().await;
    for kind in ["iot:Data-ATS", "iot:Data", "iot:CredentialProvider", "iot:Jobs"] {
        let said = world.iot.describe_endpoint().endpoint_type(kind).send().await.unwrap();
        assert_eq!(said.endpoint_address().unwrap(), world.running.mqtts.to_string(), "{kind}");
    }
    let ca = std::fs::read_to_string(world.running.credentials().join("root-CA.pem")).unwrap();
    // Signed requests over TLS, whatever the client says by ALPN.
    for alpn in [&["http/1.1"][..], &[]] {
        let port = tunnel::tunnel(world.running.mqtts, tunnel::tls(&ca, None, alpn)).await;
        let config = OWNER.config(&world).into_builder();
        let config = config.endpoint_url(format!("http://127.0.0.1:{port}")).build();
        let data = aws_sdk_iotdataplane::Client::new(&config);
        data.publish().topic("dt/x").send().await.unwrap();
    }
}
