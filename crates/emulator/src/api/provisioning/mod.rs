//! Fleet provisioning: templates and their versions, and devices that register themselves by one (docs/aws-iot.md#3.11).
//!
//! * `body.rs`: what a template's body must have.
//! * `bulk.rs`: many devices by one template and a file.
//! * `templates.rs`, `versions.rs`: the operations on templates.
//! * `claim.rs`: certificates for a few minutes, which a trusted user gives to a device.
//! * `mqtt.rs`: what a device asks over MQTT. `register.rs`: what it gets, and RegisterThing. `template.rs`: what a body comes to for it.

mod body;
pub mod bulk;
mod claim;
mod mqtt;
mod register;
mod template;
pub mod templates;
mod versions;

pub use mqtt::{is_request, on_publish};

use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    Iot {
        CreateProvisioningTemplate          POST   "/provisioning-templates"                                     10 templates::create,
        DescribeProvisioningTemplate        GET    "/provisioning-templates/{templateName}"                      10 templates::describe,
        UpdateProvisioningTemplate          PATCH  "/provisioning-templates/{templateName}"                      10 templates::update,
        DeleteProvisioningTemplate          DELETE "/provisioning-templates/{templateName}"                      10 templates::delete,
        ListProvisioningTemplates           GET    "/provisioning-templates"                                     10 templates::list,
        CreateProvisioningTemplateVersion   POST   "/provisioning-templates/{templateName}/versions"             10 versions::create,
        DescribeProvisioningTemplateVersion GET    "/provisioning-templates/{templateName}/versions/{versionId}" 10 versions::describe,
        DeleteProvisioningTemplateVersion   DELETE "/provisioning-templates/{templateName}/versions/{versionId}" 10 versions::delete,
        ListProvisioningTemplateVersions    GET    "/provisioning-templates/{templateName}/versions"             10 versions::list,
        CreateProvisioningClaim             POST   "/provisioning-templates/{templateName}/provisioning-claim"   10 claim::create,
        RegisterThing                       POST   "/things"                                                     10 register::register_thing,
        StartThingRegistrationTask          POST   "/thing-registration-tasks"                                   10 bulk::start,
        DescribeThingRegistrationTask       GET    "/thing-registration-tasks/{taskId}"                          10 bulk::describe,
        ListThingRegistrationTasks          GET    "/thing-registration-tasks"                                   10 bulk::list,
        StopThingRegistrationTask           PUT    "/thing-registration-tasks/{taskId}/cancel"                   10 bulk::stop,
        ListThingRegistrationTaskReports    GET    "/thing-registration-tasks/{taskId}/reports"                  10 bulk::reports,
    }
};
