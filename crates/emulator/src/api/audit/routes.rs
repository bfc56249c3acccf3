//! Operations of Device Defender Audit, and the logging options one of its checks looks at.

use super::{configuration, findings, schedules, suppressions, tasks};
use crate::api::logging;
use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    Iot {
        DescribeAccountAuditConfiguration   GET    "/audit/configuration"                        5 configuration::describe,
        UpdateAccountAuditConfiguration     PATCH  "/audit/configuration"                        5 configuration::update,
        DeleteAccountAuditConfiguration     DELETE "/audit/configuration"                        5 configuration::delete,
        StartOnDemandAuditTask              POST   "/audit/tasks"                               10 tasks::start,
        ListAuditTasks                      GET    "/audit/tasks"                               10 tasks::list,
        DescribeAuditTask                   GET    "/audit/tasks/{taskId}"                      25 tasks::describe,
        CancelAuditTask                     PUT    "/audit/tasks/{taskId}/cancel"               10 tasks::cancel,
        ListAuditFindings                   POST   "/audit/findings"                            10 findings::list,
        DescribeAuditFinding                GET    "/audit/findings/{findingId}"                25 findings::describe,
        ListRelatedResourcesForAuditFinding GET    "/audit/relatedResources"                    10 findings::related,
        CreateAuditSuppression              POST   "/audit/suppressions/create"                 10 suppressions::create,
        UpdateAuditSuppression              PATCH  "/audit/suppressions/update"                 10 suppressions::update,
        DescribeAuditSuppression            POST   "/audit/suppressions/describe"               10 suppressions::describe,
        DeleteAuditSuppression              POST   "/audit/suppressions/delete"                 10 suppressions::delete,
        ListAuditSuppressions               POST   "/audit/suppressions/list"                   10 suppressions::list,
        CreateScheduledAudit                POST   "/audit/scheduledaudits/{scheduledAuditName}" 5 schedules::create,
        UpdateScheduledAudit                PATCH  "/audit/scheduledaudits/{scheduledAuditName}" 5 schedules::update,
        DescribeScheduledAudit              GET    "/audit/scheduledaudits/{scheduledAuditName}" 5 schedules::describe,
        DeleteScheduledAudit                DELETE "/audit/scheduledaudits/{scheduledAuditName}" 5 schedules::delete,
        ListScheduledAudits                 GET    "/audit/scheduledaudits"                      5 schedules::list,
        SetV2LoggingOptions                 POST   "/v2LoggingOptions"                           2 logging::set_v2,
        GetV2LoggingOptions                 GET    "/v2LoggingOptions"                           2 logging::get_v2,
        SetV2LoggingLevel                   POST   "/v2LoggingLevel"                             2 logging::set_level,
        ListV2LoggingLevels                 GET    "/v2LoggingLevel"                             2 logging::list_levels,
        DeleteV2LoggingLevel                DELETE "/v2LoggingLevel"                             2 logging::delete_level,
        SetLoggingOptions                   POST   "/loggingOptions"                             2 logging::set_v1,
        GetLoggingOptions                   GET    "/loggingOptions"                             2 logging::get_v1,
    }
};
