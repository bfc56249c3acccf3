//! Operations on certificates, policies and what they are attached to.

use super::{http_attachments, http_certificates, http_policies, transfer};
use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    Iot {
        CreateKeysAndCertificate     POST   "/keys-and-certificate"                             10 http_certificates::create_keys_and_certificate,
        CreateCertificateFromCsr     POST   "/certificates"                                     15 http_certificates::create_from_csr,
        RegisterCertificate          POST   "/certificate/register"                             10 http_certificates::register,
        RegisterCertificateWithoutCA POST   "/certificate/register-no-ca"                       10 http_certificates::register_without_ca,
        DescribeCertificate          GET    "/certificates/{certificateId}"                     10 http_certificates::describe,
        ListCertificates             GET    "/certificates"                                     10 http_certificates::list,
        UpdateCertificate            PUT    "/certificates/{certificateId}"                     10 http_certificates::update,
        DeleteCertificate            DELETE "/certificates/{certificateId}"                     10 http_certificates::delete,
        AttachThingPrincipal         PUT    "/things/{thingName}/principals"                   100 http_attachments::attach_thing,
        DetachThingPrincipal         DELETE "/things/{thingName}/principals"                   100 http_attachments::detach_thing,
        ListThingPrincipals          GET    "/things/{thingName}/principals"                    20 http_attachments::list_principals,
        ListThingPrincipalsV2        GET    "/things/{thingName}/principals-v2"                 20 http_attachments::list_principals_v2,
        ListPrincipalThings          GET    "/principals/things"                                10 http_attachments::list_things,
        ListPrincipalThingsV2        GET    "/principals/things-v2"                             10 http_attachments::list_things_v2,
        CreatePolicy                 POST   "/policies/{policyName}"                            10 http_policies::create,
        GetPolicy                    GET    "/policies/{policyName}"                            10 http_policies::get,
        ListPolicies                 GET    "/policies"                                         10 http_policies::list,
        DeletePolicy                 DELETE "/policies/{policyName}"                            10 http_policies::delete,
        CreatePolicyVersion          POST   "/policies/{policyName}/version"                    10 http_policies::create_version,
        GetPolicyVersion             GET    "/policies/{policyName}/version/{policyVersionId}"  15 http_policies::get_version,
        ListPolicyVersions           GET    "/policies/{policyName}/version"                    10 http_policies::list_versions,
        DeletePolicyVersion          DELETE "/policies/{policyName}/version/{policyVersionId}"  10 http_policies::delete_version,
        SetDefaultPolicyVersion      PATCH  "/policies/{policyName}/version/{policyVersionId}"  10 http_policies::set_default_version,
        AttachPolicy                 PUT    "/target-policies/{policyName}"                     15 http_attachments::attach_policy,
        DetachPolicy                 POST   "/target-policies/{policyName}"                     15 http_attachments::detach_policy,
        ListAttachedPolicies         POST   "/attached-policies/{target+}"                      15 http_attachments::list_attached,
        ListTargetsForPolicy         POST   "/policy-targets/{policyName}"                      10 http_attachments::list_targets,
        AttachPrincipalPolicy        PUT    "/principal-policies/{policyName}"                  15 http_attachments::attach_principal_policy,
        DetachPrincipalPolicy        DELETE "/principal-policies/{policyName}"                  15 http_attachments::detach_principal_policy,
        ListPrincipalPolicies        GET    "/principal-policies"                               15 http_attachments::list_principal_policies,
        ListPolicyPrincipals         GET    "/policy-principals"                                10 http_attachments::list_policy_principals,
        TransferCertificate          PATCH  "/transfer-certificate/{certificateId}"             10 transfer::begin,
        AcceptCertificateTransfer    PATCH  "/accept-certificate-transfer/{certificateId}"      10 transfer::accept,
        RejectCertificateTransfer    PATCH  "/reject-certificate-transfer/{certificateId}"      10 transfer::reject,
        CancelCertificateTransfer    PATCH  "/cancel-certificate-transfer/{certificateId}"      10 transfer::cancel,
        ListOutgoingCertificates     GET    "/certificates-out-going"                           10 transfer::list,
        GetEffectivePolicies         POST   "/effective-policies"                                5 http_policies::effective,
        TestAuthorization            POST   "/test-authorization"                               10 http_policies::test_authorization,
    }
};
