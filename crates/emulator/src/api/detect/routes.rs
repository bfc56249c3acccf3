//! Operations of Detect: profiles and their targets, violations, dimensions, custom metrics.

use super::{definitions, profiles, targets, violations};
use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    Iot {
        ListActiveViolations              GET    "/active-violations"                               10 violations::list_active,
        ListViolationEvents               GET    "/violation-events"                                10 violations::list_events,
        PutVerificationStateOnViolation   POST   "/violations/verification-state/{violationId}"     10 violations::verify,
        ListMetricValues                  GET    "/metric-values"                                   15 violations::metric_values,
        GetBehaviorModelTrainingSummaries GET    "/behavior-model-training/summaries"                0 violations::training_summaries,
        ValidateSecurityProfileBehaviors  POST   "/security-profile-behaviors/validate"             10 profiles::validate_behaviors,
        CreateSecurityProfile             POST   "/security-profiles/{securityProfileName}"         10 profiles::create,
        UpdateSecurityProfile             PATCH  "/security-profiles/{securityProfileName}"         10 profiles::update,
        DescribeSecurityProfile           GET    "/security-profiles/{securityProfileName}"         25 profiles::describe,
        DeleteSecurityProfile             DELETE "/security-profiles/{securityProfileName}"         10 profiles::delete,
        ListSecurityProfiles              GET    "/security-profiles"                               10 profiles::list,
        AttachSecurityProfile             PUT    "/security-profiles/{securityProfileName}/targets" 10 targets::attach,
        DetachSecurityProfile             DELETE "/security-profiles/{securityProfileName}/targets" 10 targets::detach,
        ListTargetsForSecurityProfile     GET    "/security-profiles/{securityProfileName}/targets" 10 targets::list,
        ListSecurityProfilesForTarget     GET    "/security-profiles-for-target"                    10 targets::profiles_for,
        CreateDimension                   POST   "/dimensions/{name}"                               10 definitions::create_dimension,
        UpdateDimension                   PATCH  "/dimensions/{name}"                               10 definitions::update_dimension,
        DescribeDimension                 GET    "/dimensions/{name}"                               25 definitions::describe_dimension,
        DeleteDimension                   DELETE "/dimensions/{name}"                               10 definitions::delete_dimension,
        ListDimensions                    GET    "/dimensions"                                      10 definitions::list_dimensions,
        CreateCustomMetric                POST   "/custom-metric/{metricName}"                      10 definitions::create_metric,
        UpdateCustomMetric                PATCH  "/custom-metric/{metricName}"                      10 definitions::update_metric,
        DescribeCustomMetric              GET    "/custom-metric/{metricName}"                      25 definitions::describe_metric,
        DeleteCustomMetric                DELETE "/custom-metric/{metricName}"                      10 definitions::delete_metric,
        ListCustomMetrics                 GET    "/custom-metrics"                                  10 definitions::list_metrics,
    }
};
