//! Provisioning templates and their versions, as a registry.
//!
//! * `body.rs`: what a template's body must have.
//! * `templates.rs`, `versions.rs`: the operations on templates.
//!
//! Devices do not provision themselves here over MQTT (see the deviation register); a template can be kept, versioned and
//! read, as infrastructure code wants it.

mod body;
pub mod templates;
mod versions;

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
    }
};
