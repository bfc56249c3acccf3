//! Operations on jobs: the control plane's and the devices'.

use super::{control, data, executions, templates};
use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    Iot {
        CreateJob                 PUT    "/jobs/{jobId}"                                                      10 control::create,
        DescribeJob               GET    "/jobs/{jobId}"                                                      10 control::describe,
        ListJobs                  GET    "/jobs"                                                              10 control::list,
        GetJobDocument            GET    "/jobs/{jobId}/job-document"                                         10 control::document,
        CancelJob                 PUT    "/jobs/{jobId}/cancel"                                               10 control::cancel,
        DeleteJob                 DELETE "/jobs/{jobId}"                                                      10 control::delete,
        UpdateJob                 PATCH  "/jobs/{jobId}"                                                      10 control::update,
        AssociateTargetsWithJob   POST   "/jobs/{jobId}/targets"                                              10 control::associate,
        ListJobExecutionsForJob   GET    "/jobs/{jobId}/things"                                               10 executions::for_job,
        ListJobExecutionsForThing GET    "/things/{thingName}/jobs"                                           10 executions::for_thing,
        DescribeJobExecution      GET    "/things/{thingName}/jobs/{jobId}"                                   10 executions::describe,
        CancelJobExecution        PUT    "/things/{thingName}/jobs/{jobId}/cancel"                            10 executions::cancel,
        DeleteJobExecution        DELETE "/things/{thingName}/jobs/{jobId}/executionNumber/{executionNumber}" 10 executions::delete,
        CreateJobTemplate         PUT    "/job-templates/{jobTemplateId}"                                     10 templates::create,
        DescribeJobTemplate       GET    "/job-templates/{jobTemplateId}"                                     10 templates::describe,
        ListJobTemplates          GET    "/job-templates"                                                     10 templates::list,
        DeleteJobTemplate         DELETE "/job-templates/{jobTemplateId}"                                     10 templates::delete,
    }
    JobsData {
        GetPendingJobExecutions      GET  "/things/{thingName}/jobs"         200 data::pending,
        StartNextPendingJobExecution PUT  "/things/{thingName}/jobs/$next"   200 data::start_next,
        DescribeJobExecution         GET  "/things/{thingName}/jobs/{jobId}" 200 data::describe,
        UpdateJobExecution           POST "/things/{thingName}/jobs/{jobId}" 200 data::update,
    }
};
