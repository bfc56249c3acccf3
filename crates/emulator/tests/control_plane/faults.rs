//! Faults on order, as the SDK sees them.

use std::time::{Duration, Instant};

use aws_sdk_iot::config::retry::RetryConfig;

use crate::{World, is, refusal};

impl World {
    fn fault(&self, text: &str) {
        self.running.account().faults().add(text.parse().unwrap());
    }

    /// A client that gives up at the first refusal.
    fn impatient(&self) -> aws_sdk_iot::Client {
        let config = self.iot.config().to_builder().retry_config(RetryConfig::disabled()).build();
        aws_sdk_iot::Client::from_conf(config)
    }
}

#[tokio::test]
async fn a_fault_ends_the_operations_it_names_in_the_services_form() {
    let world = World::start().await;
    let iot = world.impatient();
    world.fault("ListThings=throttle");
    world.fault("Describe*=error:503");
    world.fault("GetThingShadow=throttle");
    assert_eq!(refusal(iot.list_things().send().await), is(400, "ThrottlingException"));
    let described = iot.describe_thing().thing_name("x").send().await;
    assert_eq!(refusal(described), is(503, "ServiceUnavailableException"));
    let shadow = world.data.get_thing_shadow().thing_name("x").send().await;
    assert_eq!(refusal(shadow), is(429, "ThrottlingException"));
    iot.list_policies().send().await.unwrap();
    world.running.account().faults().clear();
    iot.list_things().send().await.unwrap();
}

#[tokio::test]
async fn a_retry_outlives_a_fault_that_hits_only_some() {
    let world = World::start().await;
    world.fault("ListThings=error@50%");
    for _ in 0..4 {
        world.iot.list_things().send().await.unwrap();
    }
}

#[tokio::test]
async fn detect_refused_as_to_a_new_customer_leaves_the_rest() {
    let world = World::start().await;
    world.fault("detect=refuse");
    let iot = world.impatient();
    for refused in
        [refusal(iot.list_active_violations().send().await), refusal(iot.list_custom_metrics().send().await)]
    {
        assert_eq!(refused, is(403, "AccessDeniedException"));
    }
    iot.list_things().send().await.unwrap();
    iot.list_jobs().send().await.unwrap();
}

#[tokio::test]
async fn a_request_can_be_delayed_or_left_without_an_answer_and_is_then_not_carried_out() {
    let world = World::start().await;
    world.fault("ListThings=latency:300ms");
    world.fault("CreateThing=drop");
    let iot = world.impatient();
    let before = Instant::now();
    iot.list_things().send().await.unwrap();
    assert!(before.elapsed() >= Duration::from_millis(300));
    let lost = iot.create_thing().thing_name("lost").send().await.unwrap_err();
    assert!(lost.raw_response().is_none(), "no answer at all: {lost:?}");
    assert!(iot.list_things().send().await.unwrap().things().is_empty());
}
