//! Policies, versions, attachments, effective policies and TestAuthorization.

use aws_sdk_iot::types::{ActionType, AuthDecision, AuthInfo};

use crate::{ACCOUNT, World, is, refusal};

const ALLOW: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"iot:*","Resource":"*"}]}"#;
const DENY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iot:*","Resource":"*"}]}"#;

#[tokio::test]
async fn a_policy_has_versions_one_of_which_is_in_force() {
    let world = World::start().await;
    let iot = &world.iot;
    world.policy("p", ALLOW).await;
    let again = iot.create_policy().policy_name("p").policy_document(ALLOW).send().await;
    assert_eq!(refusal(again), is(409, "ResourceAlreadyExistsException"));
    for document in ["{", "{}"] {
        let malformed = iot.create_policy().policy_name("q").policy_document(document).send().await;
        assert_eq!(refusal(malformed), is(400, "MalformedPolicyException"), "{document}");
    }
    let version = || iot.create_policy_version().policy_name("p").policy_document(DENY);
    let made = version().set_as_default(true).send().await.unwrap();
    assert_eq!((made.policy_version_id(), made.is_default_version()), (Some("2"), true));
    let held = iot.get_policy().policy_name("p").send().await.unwrap();
    assert_eq!((held.default_version_id(), held.policy_document()), (Some("2"), Some(DENY)));
    iot.set_default_policy_version().policy_name("p").policy_version_id("1").send().await.unwrap();
    for _ in 3..=5 {
        version().send().await.unwrap();
    }
    assert_eq!(refusal(version().send().await), is(409, "VersionsLimitExceededException"));
    let versions = iot.list_policy_versions().policy_name("p").send().await.unwrap();
    assert_eq!(versions.policy_versions().len(), 5);
    let in_force = iot.delete_policy_version().policy_name("p").policy_version_id("1").send().await;
    assert_eq!(refusal(in_force), is(409, "DeleteConflictException"));
    for number in 2..=5 {
        let delete = iot.delete_policy_version().policy_name("p").policy_version_id(number.to_string());
        delete.send().await.unwrap();
    }
    let absent = iot.get_policy_version().policy_name("p").policy_version_id("2").send().await;
    assert_eq!(refusal(absent), is(404, "ResourceNotFoundException"));
    iot.delete_policy().policy_name("p").send().await.unwrap();
    assert_eq!(refusal(iot.get_policy().policy_name("p").send().await), is(404, "ResourceNotFoundException"));
}

#[tokio::test]
async fn policies_attach_to_certificates_and_static_groups() {
    let world = World::start().await;
    let iot = &world.iot;
    world.policy("DenyAll", DENY).await;
    let group = world.group("IsolatedDevices").await;
    let (_, certificate) = world.certificate(true).await;
    let attach = |policy: &str, target: &str| iot.attach_policy().policy_name(policy).target(target).send();
    attach("DenyAll", &group).await.unwrap();
    attach("DenyAll", &group).await.unwrap();
    attach("DenyAll", &certificate).await.unwrap();
    let targets = iot.list_targets_for_policy().policy_name("DenyAll").send().await.unwrap();
    assert_eq!(targets.targets().len(), 2);
    let attached = iot.list_attached_policies().target(&group).send().await.unwrap();
    assert_eq!(attached.policies()[0].policy_name(), Some("DenyAll"));
    let child = iot.create_thing_group().thing_group_name("child").parent_group_name("IsolatedDevices");
    let child = child.send().await.unwrap().thing_group_arn.unwrap();
    let list = || iot.list_attached_policies().target(&child);
    assert!(list().send().await.unwrap().policies().is_empty());
    assert_eq!(list().recursive(true).send().await.unwrap().policies().len(), 1);

    assert_eq!(refusal(attach("none", &group).await), is(404, "ResourceNotFoundException"));
    let no_group = format!("arn:aws:iot:us-east-1:{ACCOUNT}:thinggroup/none");
    assert_eq!(refusal(attach("DenyAll", &no_group).await), is(404, "ResourceNotFoundException"));
    assert_eq!(refusal(attach("DenyAll", "nonsense").await), is(400, "InvalidRequestException"));
    world.index(&world.things_only()).await;
    let dynamic = iot.create_dynamic_thing_group().thing_group_name("d").query_string("thingName:a*");
    let dynamic = dynamic.send().await.unwrap().thing_group_arn.unwrap();
    assert_eq!(refusal(attach("DenyAll", &dynamic).await), is(400, "InvalidRequestException"));
    world.policy("a", ALLOW).await;
    world.policy("b", ALLOW).await;
    attach("a", &group).await.unwrap();
    let third = attach("b", &group).await.unwrap_err().into_service_error();
    assert!(third.is_limit_exceeded_exception());
    let in_use = iot.delete_policy().policy_name("DenyAll").send().await;
    assert_eq!(refusal(in_use), is(409, "DeleteConflictException"));
    iot.detach_policy().policy_name("DenyAll").target(&certificate).send().await.unwrap();
    iot.detach_policy().policy_name("DenyAll").target(&group).send().await.unwrap();
    iot.delete_policy().policy_name("DenyAll").send().await.unwrap();
}

#[tokio::test]
async fn isolation_shows_in_the_effective_policies_only_under_the_things_own_client_id() {
    let world = World::start().await;
    let iot = &world.iot;
    world.policy("AllowAll", ALLOW).await;
    world.policy("DenyAll", DENY).await;
    world.thing("Thing02").await;
    let group = world.group("IsolatedDevices").await;
    let (_, certificate) = world.certificate(true).await;
    iot.attach_policy().policy_name("AllowAll").target(&certificate).send().await.unwrap();
    iot.attach_policy().policy_name("DenyAll").target(&group).send().await.unwrap();
    iot.attach_thing_principal().thing_name("Thing02").principal(&certificate).send().await.unwrap();

    let topic = format!("arn:aws:iot:us-east-1:{ACCOUNT}:topic/temperature-device-02");
    let ask = |client_id: &str| {
        let info = AuthInfo::builder().action_type(ActionType::Publish).resources(&topic).build().unwrap();
        iot.test_authorization().principal(&certificate).client_id(client_id).auth_infos(info)
    };
    let decision = async |client_id: &str| {
        ask(client_id).send().await.unwrap().auth_results()[0].auth_decision().unwrap().clone()
    };
    assert_eq!(decision("Thing02").await, AuthDecision::Allowed);
    let add = iot.add_thing_to_thing_group().thing_name("Thing02").thing_group_name("IsolatedDevices");
    add.send().await.unwrap();
    assert_eq!(decision("Thing02").await, AuthDecision::ExplicitDeny);
    assert_eq!(decision("SensorDevice02").await, AuthDecision::Allowed);
    let skipped = ask("Thing02").policy_names_to_skip("DenyAll").policy_names_to_skip("AllowAll");
    let skipped = skipped.send().await.unwrap();
    assert_eq!(skipped.auth_results()[0].auth_decision(), Some(&AuthDecision::ImplicitDeny));
    let result = ask("Thing02").send().await.unwrap();
    let denied = result.auth_results()[0].denied().unwrap().explicit_deny().unwrap();
    assert_eq!(denied.policies()[0].policy_name(), Some("DenyAll"));

    let effective = iot.get_effective_policies().principal(&certificate).thing_name("Thing02");
    let effective = effective.send().await.unwrap();
    let names: Vec<_> = effective.effective_policies().iter().filter_map(|p| p.policy_name()).collect();
    assert_eq!(names, ["AllowAll", "DenyAll"]);
    assert_eq!(effective.effective_policies()[1].policy_document(), Some(DENY));
    let nobody = iot
        .test_authorization()
        .auth_infos(AuthInfo::builder().action_type(ActionType::Connect).resources("*").build().unwrap());
    assert_eq!(refusal(nobody.send().await), is(400, "InvalidRequestException"));
}

#[tokio::test]
async fn unresolved_variables_are_named() {
    let world = World::start().await;
    let own = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"iot:Connect","Resource":"arn:aws:iot:us-east-1:{ACCOUNT}:client/${{iot:ClientId}}"}}]}}"#
    );
    world.policy("own", &own).await;
    let (_, certificate) = world.certificate(true).await;
    world.iot.attach_policy().policy_name("own").target(&certificate).send().await.unwrap();
    let info = AuthInfo::builder()
        .action_type(ActionType::Connect)
        .resources(format!("arn:aws:iot:us-east-1:{ACCOUNT}:client/a"))
        .build()
        .unwrap();
    let ask = world.iot.test_authorization().principal(&certificate).auth_infos(info);
    let without = ask.clone().send().await.unwrap();
    assert_eq!(without.auth_results()[0].missing_context_values(), ["iot:ClientId"]);
    assert_eq!(without.auth_results()[0].auth_decision(), Some(&AuthDecision::ImplicitDeny));
    let with = ask.client_id("a").send().await.unwrap();
    assert_eq!(with.auth_results()[0].auth_decision(), Some(&AuthDecision::Allowed));
}
