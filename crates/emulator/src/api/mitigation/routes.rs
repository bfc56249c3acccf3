//! Operations on mitigation actions and the tasks that apply them.

use super::{actions, audit_tasks, detect_tasks};
use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    Iot {
        CreateMitigationAction                POST   "/mitigationactions/actions/{actionName}"          10 actions::create,
        UpdateMitigationAction                PATCH  "/mitigationactions/actions/{actionName}"          10 actions::update,
        DescribeMitigationAction              GET    "/mitigationactions/actions/{actionName}"          25 actions::describe,
        DeleteMitigationAction                DELETE "/mitigationactions/actions/{actionName}"          10 actions::delete,
        ListMitigationActions                 GET    "/mitigationactions/actions"                       10 actions::list,
        StartAuditMitigationActionsTask       POST   "/audit/mitigationactions/tasks/{taskId}"          10 audit_tasks::start,
        DescribeAuditMitigationActionsTask    GET    "/audit/mitigationactions/tasks/{taskId}"          10 audit_tasks::describe,
        CancelAuditMitigationActionsTask      PUT    "/audit/mitigationactions/tasks/{taskId}/cancel"   10 audit_tasks::cancel,
        ListAuditMitigationActionsTasks       GET    "/audit/mitigationactions/tasks"                   10 audit_tasks::list,
        ListAuditMitigationActionsExecutions  GET    "/audit/mitigationactions/executions"              10 audit_tasks::executions,
        StartDetectMitigationActionsTask      PUT    "/detect/mitigationactions/tasks/{taskId}"         10 detect_tasks::start,
        DescribeDetectMitigationActionsTask   GET    "/detect/mitigationactions/tasks/{taskId}"         10 detect_tasks::describe,
        CancelDetectMitigationActionsTask     PUT    "/detect/mitigationactions/tasks/{taskId}/cancel"  10 detect_tasks::cancel,
        ListDetectMitigationActionsTasks      GET    "/detect/mitigationactions/tasks"                  10 detect_tasks::list,
        ListDetectMitigationActionsExecutions GET    "/detect/mitigationactions/executions"             10 detect_tasks::executions,
    }
};
