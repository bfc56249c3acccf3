//! Operations of fleet indexing.

use super::{aggregate, fleet_metrics, search, settings};
use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    Iot {
        GetIndexingConfiguration    GET  "/indexing/config"      20 settings::get_configuration,
        UpdateIndexingConfiguration POST "/indexing/config"       1 settings::update_configuration,
        ListIndices                 GET  "/indices"               5 search::list_indices,
        DescribeIndex               GET  "/indices/{indexName}"  10 search::describe_index,
        SearchIndex                 POST "/indices/search"       15 search::search_index,
        GetStatistics               POST "/indices/statistics"   15 aggregate::get_statistics,
        GetPercentiles              POST "/indices/percentiles"  15 aggregate::get_percentiles,
        GetCardinality              POST "/indices/cardinality"  15 aggregate::get_cardinality,
        GetBucketsAggregation       POST "/indices/buckets"      15 aggregate::get_buckets,
        CreateFleetMetric           PUT    "/fleet-metric/{metricName}" 10 fleet_metrics::create,
        DescribeFleetMetric         GET    "/fleet-metric/{metricName}" 10 fleet_metrics::describe,
        UpdateFleetMetric           PATCH  "/fleet-metric/{metricName}" 10 fleet_metrics::update,
        DeleteFleetMetric           DELETE "/fleet-metric/{metricName}" 10 fleet_metrics::delete,
        ListFleetMetrics            GET    "/fleet-metrics"             10 fleet_metrics::list,
    }
};
