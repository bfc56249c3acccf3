//! CloudWatch metrics: what a rule's `cloudwatchMetric` action puts and what AWS IoT counts itself (docs/aws-iot.md#2.7, #4.6).
//!
//! `store.rs` keeps the datapoints by the minute, `ops.rs` is the four operations on plain documents, `wire.rs` the three
//! protocols SDKs speak to CloudWatch. Alarms, dashboards and metric math are not here.

mod ops;
pub mod routes;
mod store;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use ops::UNITS;
pub use store::{Metrics, Series};

use super::{ApiError, Req, Resp};
use crate::account::Account;

/// Counts `value` of a metric AWS itself publishes (namespace `AWS/…`), now. Cheap: it is made durable with its minute.
pub fn count(account: &Account, namespace: &str, name: &str, dimensions: &[(&str, &str)], value: f64) {
    let now = account.clock.now_ms();
    account.metrics.collect(&Series::new(namespace, name, dimensions), value, "Count", now, now);
}

/// Puts one datapoint for a rule, at `at_ms` (epoch milliseconds); durable with its minute. Refused are values that are not
/// finite and units CloudWatch does not know.
pub fn put_metric(
    account: &Account,
    series: &Series,
    value: f64,
    unit: &str,
    at_ms: i64,
) -> Result<(), ApiError> {
    ops::check_unit(unit)?;
    if !value.is_finite() {
        return Err(ops::invalid("The value of a metric must be a finite number."));
    }
    account.metrics.collect(series, value, unit, at_ms, account.clock.now_ms());
    Ok(())
}

/// A refusal in one of the newer protocols: CBOR, or AWS JSON.
pub(super) fn refuse(error: ApiError, cbor: bool) -> Result<Resp, ApiError> {
    wire::refuse(error, cbor)
}

/// `PutMetricData`.
pub fn put_metric_data(req: &Req) -> Result<Resp, ApiError> {
    wire::answer(req, "PutMetricData", ops::put_metric_data)
}

/// `GetMetricData`.
pub fn get_metric_data(req: &Req) -> Result<Resp, ApiError> {
    wire::answer(req, "GetMetricData", ops::get_metric_data)
}

/// `GetMetricStatistics`.
pub fn get_metric_statistics(req: &Req) -> Result<Resp, ApiError> {
    wire::answer(req, "GetMetricStatistics", ops::get_metric_statistics)
}

/// `ListMetrics`.
pub fn list_metrics(req: &Req) -> Result<Resp, ApiError> {
    wire::answer(req, "ListMetrics", ops::list_metrics)
}
