//! Custom metrics and dimensions, and the profiles that use them.

use aws_sdk_iot::types::{
    CustomMetricType, DimensionType, DimensionValueOperator, MetricDimension, MetricToRetain,
};

use crate::{World, is, refusal};

#[tokio::test]
async fn a_metric_that_is_only_retained_is_in_use_and_found() {
    let world = World::start().await;
    let iot = &world.iot;
    let metric = iot.create_custom_metric().metric_name("battery").client_request_token("t");
    metric.metric_type(CustomMetricType::Number).send().await.unwrap();
    let dimension = iot.create_dimension().name("telemetry").client_request_token("t");
    dimension.r#type(DimensionType::TopicFilter).string_values("sensors/#").send().await.unwrap();
    let within =
        MetricDimension::builder().dimension_name("telemetry").operator(DimensionValueOperator::In).build();
    let retain = |name: &str| MetricToRetain::builder().metric(name);
    iot.create_security_profile()
        .security_profile_name("keeper")
        .additional_metrics_to_retain_v2(retain("battery").build().unwrap())
        .additional_metrics_to_retain_v2(
            retain("aws:num-messages-sent").metric_dimension(within.unwrap()).build().unwrap(),
        )
        .send()
        .await
        .unwrap();

    let by_metric = |name: &'static str| iot.list_security_profiles().metric_name(name).send();
    assert_eq!(by_metric("battery").await.unwrap().security_profile_identifiers().len(), 1);
    assert_eq!(by_metric("aws:num-disconnects").await.unwrap().security_profile_identifiers().len(), 0);
    let by_dimension = iot.list_security_profiles().dimension_name("telemetry").send().await.unwrap();
    assert_eq!(by_dimension.security_profile_identifiers().len(), 1);

    let delete = || iot.delete_custom_metric().metric_name("battery").send();
    assert_eq!(refusal(delete().await), is(400, "InvalidRequestException"));
    iot.update_security_profile()
        .security_profile_name("keeper")
        .delete_additional_metrics_to_retain(true)
        .send()
        .await
        .unwrap();
    delete().await.unwrap();
}
