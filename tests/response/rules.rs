//! Topic rules that hand on what they select: written, amended without losing what else they do, and taken back.

use aws_sdk_iot::types::{MessageFormat, TopicRule};

use crate::world::World;

const ROLE: &str = "arn:aws:iam::123456789012:role/Rules";
const SQL: &str = "SELECT * FROM 'dt/+/data' WHERE t > 50";

async fn rule(world: &World) -> TopicRule {
    world.iot.get_topic_rule().rule_name("Hot").send().await.unwrap().rule.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_hands_on_and_keeps_what_else_it_does() {
    let world = World::start().await;
    let write = ["rules", "write", "Hot", "--sql", SQL, "--role", ROLE, "--yes", "--json"];
    let again = [&write[..], &["--republish", "alarms/${topic(2)}", "--qos", "1"]].concat();
    let made = world.run(&again).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let found = rule(&world).await;
    let republish = found.actions()[0].republish().unwrap();
    assert_eq!((republish.topic(), republish.qos()), ("alarms/${topic(2)}", Some(1)));

    // A metric besides: the republishing stays.
    let metric = [&write[..], &["--value", "${t}", "--unit", "None"]].concat();
    assert_eq!(world.run(&metric).await.code, Some(0));
    let found = rule(&world).await;
    assert!(found.actions().len() == 2 && found.actions()[0].republish().is_some(), "{found:?}");
    assert_eq!(found.actions()[1].cloudwatch_metric().unwrap().metric_value(), "${t}");

    // SNS in place of the topic, and back.
    let sns =
        [&write[..], &["--sns", "arn:aws:sns:us-east-1:123456789012:Hot", "--sns-format", "JSON"]].concat();
    assert_eq!(world.run(&sns).await.code, Some(0));
    let found = rule(&world).await;
    assert_eq!(found.actions()[0].sns().unwrap().message_format(), Some(&MessageFormat::Json));
    assert_eq!(found.actions().len(), 2);
    assert_eq!(world.run(&["undo", "--yes"]).await.code, Some(0));
    assert!(rule(&world).await.actions()[0].republish().is_some());

    // A function takes no role; deleting is undone whole.
    let lambda = "arn:aws:lambda:us-east-1:123456789012:function:isolate";
    let call = ["rules", "write", "Hot", "--sql", SQL, "--lambda", lambda, "--yes"];
    let ran = world.run(&call).await;
    assert!(ran.code == Some(0) && ran.err.contains("must let iot.amazonaws.com invoke it"), "{ran:?}");
    let before = rule(&world).await;
    assert_eq!(before.actions()[0].lambda().unwrap().function_arn(), lambda);
    let gone = world.run(&["rules", "delete", "Hot", "--yes", "--json"]).await;
    assert_eq!(gone.code, Some(0), "{gone:?}");
    let plan = gone.json()["plan"]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.run(&["undo", &plan, "--yes"]).await.code, Some(0));
    let kinds = |r: &TopicRule| {
        let mut kinds: Vec<_> =
            r.actions().iter().map(|a| (a.lambda().is_some(), a.cloudwatch_metric().is_some())).collect();
        kinds.sort_unstable();
        kinds
    };
    assert_eq!(kinds(&rule(&world).await), kinds(&before));

    for (wrong, code) in [
        (&["--role", ROLE][..], 2),
        (&["--republish", "a/+", "--role", ROLE], 4),
        (&["--sns", "Hot", "--role", ROLE], 4),
        (&["--lambda", "isolate"], 4),
        (&["--republish", "a"], 2),
    ] {
        let line = [&["rules", "write", "Other", "--sql", SQL, "--yes"][..], wrong].concat();
        let refused = world.run(&line).await;
        assert_eq!(refused.code, Some(code), "{wrong:?}: {refused:?}");
    }
}
