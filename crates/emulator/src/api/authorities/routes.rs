//! Operations on CA certificates.

use super::operations;
use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    Iot {
        RegisterCACertificate  POST   "/cacertificate"                        10 operations::register,
        DescribeCACertificate  GET    "/cacertificate/{caCertificateId}"      10 operations::describe,
        UpdateCACertificate    PUT    "/cacertificate/{caCertificateId}"      10 operations::update,
        DeleteCACertificate    DELETE "/cacertificate/{caCertificateId}"      10 operations::delete,
        ListCACertificates     GET    "/cacertificates"                       10 operations::list,
        ListCertificatesByCA   GET    "/certificates-by-ca/{caCertificateId}" 10 operations::issued,
        GetRegistrationCode    GET    "/registrationcode"                     10 operations::registration_code,
        DeleteRegistrationCode DELETE "/registrationcode"                     10 operations::delete_registration_code,
    }
};
