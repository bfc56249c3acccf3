//! Operations AWS has and the emulator has not: known by name, so that the log can say which one a client asked for.

use super::routes::{Route, routes};
use super::{ApiError, Req, Resp};

/// What AWS answers where it knows no such operation.
pub(super) fn not_here(_: &Req) -> Result<Resp, ApiError> {
    Err(ApiError::new(
        404,
        "UnknownOperationException",
        "The requested operation is not recognized by the service.",
    ))
}

/// Operation, method, path; nothing of it is throttled.
pub(super) static ROUTES: &[Route] = routes! {
    Iot {
        AssociateSbomWithPackageVersion     PUT    "/packages/{packageName}/versions/{versionName}/sbom"                    0 not_here,
        ConfirmTopicRuleDestination         GET    "/confirmdestination/{confirmationToken+}"                               0 not_here,
        CreateCertificateProvider           POST   "/certificate-providers/{certificateProviderName}"                       0 not_here,
        CreateCommand                       PUT    "/commands/{commandId}"                                                  0 not_here,
        CreateOTAUpdate                     POST   "/otaUpdates/{otaUpdateId}"                                              0 not_here,
        CreatePackage                       PUT    "/packages/{packageName}"                                                0 not_here,
        CreatePackageVersion                PUT    "/packages/{packageName}/versions/{versionName}"                         0 not_here,
        CreateStream                        POST   "/streams/{streamId}"                                                    0 not_here,
        CreateTopicRuleDestination          POST   "/destinations"                                                          0 not_here,
        DeleteCertificateProvider           DELETE "/certificate-providers/{certificateProviderName}"                       0 not_here,
        DeleteCommand                       DELETE "/commands/{commandId}"                                                  0 not_here,
        DeleteCommandExecution              DELETE "/command-executions/{executionId}"                                      0 not_here,
        DeleteOTAUpdate                     DELETE "/otaUpdates/{otaUpdateId}"                                              0 not_here,
        DeletePackage                       DELETE "/packages/{packageName}"                                                0 not_here,
        DeletePackageVersion                DELETE "/packages/{packageName}/versions/{versionName}"                         0 not_here,
        DeleteStream                        DELETE "/streams/{streamId}"                                                    0 not_here,
        DeleteTopicRuleDestination          DELETE "/destinations/{arn+}"                                                   0 not_here,
        DescribeCertificateProvider         GET    "/certificate-providers/{certificateProviderName}"                       0 not_here,
        DescribeEncryptionConfiguration     GET    "/encryption-configuration"                                              0 not_here,
        DescribeManagedJobTemplate          GET    "/managed-job-templates/{templateName}"                                  0 not_here,
        DescribeStream                      GET    "/streams/{streamId}"                                                    0 not_here,
        DisassociateSbomFromPackageVersion  DELETE "/packages/{packageName}/versions/{versionName}/sbom"                    0 not_here,
        GetCommand                          GET    "/commands/{commandId}"                                                  0 not_here,
        GetCommandExecution                 GET    "/command-executions/{executionId}"                                      0 not_here,
        GetOTAUpdate                        GET    "/otaUpdates/{otaUpdateId}"                                              0 not_here,
        GetPackage                          GET    "/packages/{packageName}"                                                0 not_here,
        GetPackageConfiguration             GET    "/package-configuration"                                                 0 not_here,
        GetPackageVersion                   GET    "/packages/{packageName}/versions/{versionName}"                         0 not_here,
        GetTopicRuleDestination             GET    "/destinations/{arn+}"                                                   0 not_here,
        ListCertificateProviders            GET    "/certificate-providers/"                                                0 not_here,
        ListCommandExecutions               POST   "/command-executions"                                                    0 not_here,
        ListCommands                        GET    "/commands"                                                              0 not_here,
        ListManagedJobTemplates             GET    "/managed-job-templates"                                                 0 not_here,
        ListOTAUpdates                      GET    "/otaUpdates"                                                            0 not_here,
        ListPackageVersions                 GET    "/packages/{packageName}/versions"                                       0 not_here,
        ListPackages                        GET    "/packages"                                                              0 not_here,
        ListSbomValidationResults           GET    "/packages/{packageName}/versions/{versionName}/sbom-validation-results" 0 not_here,
        ListStreams                         GET    "/streams"                                                               0 not_here,
        ListTopicRuleDestinations           GET    "/destinations"                                                          0 not_here,
        TestInvokeAuthorizer                POST   "/authorizer/{authorizerName}/test"                                      0 not_here,
        UpdateCertificateProvider           PUT    "/certificate-providers/{certificateProviderName}"                       0 not_here,
        UpdateCommand                       PATCH  "/commands/{commandId}"                                                  0 not_here,
        UpdateEncryptionConfiguration       PATCH  "/encryption-configuration"                                              0 not_here,
        UpdatePackage                       PATCH  "/packages/{packageName}"                                                0 not_here,
        UpdatePackageConfiguration          PATCH  "/package-configuration"                                                 0 not_here,
        UpdatePackageVersion                PATCH  "/packages/{packageName}/versions/{versionName}"                         0 not_here,
        UpdateStream                        PUT    "/streams/{streamId}"                                                    0 not_here,
        UpdateTopicRuleDestination          PATCH  "/destinations"                                                          0 not_here,
    }
    JobsData {
        StartCommandExecution POST "/command-executions" 0 not_here,
    }
};
