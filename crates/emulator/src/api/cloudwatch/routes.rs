//! The Smithy RPC v2 paths of CloudWatch; its JSON and Query forms are in `query.rs`.

use super::{get_metric_data, get_metric_statistics, list_metrics, put_metric_data};
use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    CloudWatch {
        PutMetricData       POST "/service/GraniteServiceVersion20100801/operation/PutMetricData"       0 put_metric_data,
        GetMetricData       POST "/service/GraniteServiceVersion20100801/operation/GetMetricData"       0 get_metric_data,
        GetMetricStatistics POST "/service/GraniteServiceVersion20100801/operation/GetMetricStatistics" 0 get_metric_statistics,
        ListMetrics         POST "/service/GraniteServiceVersion20100801/operation/ListMetrics"         0 list_metrics,
    }
};
