//! Reads that keep something whole: a thing with its attributes, a certificate as it was issued, a retained message with its
//! payload. Trials of policies and case files need them; no screen does.

use std::collections::BTreeMap;

use quell_fleet::Ms;

use super::call::{Read, one};
use super::{Aws, convert, trouble};

/// A thing as DescribeThing gives it, exact.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThingWhole {
    /// Its type, if it has one.
    pub thing_type: Option<String>,
    /// Its attributes.
    pub attributes: BTreeMap<String, String>,
    /// Counts up with each change.
    pub version: i64,
}

/// DescribeThing; `None` when there is no such thing.
///
/// # Errors
/// When the call fails.
pub async fn thing(aws: &Aws, thing: &str) -> Read<Option<ThingWhole>> {
    match one!(aws, aws.iot.describe_thing().thing_name(thing), "iot:DescribeThing", true) {
        Ok(found) => Ok(Some(ThingWhole {
            thing_type: found.thing_type_name().map(str::to_owned),
            attributes: found.attributes().cloned().unwrap_or_default().into_iter().collect(),
            version: found.version(),
        })),
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:DescribeThing")),
    }
}

/// A certificate as DescribeCertificate gives it. AWS holds no private key of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CertificateWhole {
    /// Its ARN, exact.
    pub arn: String,
    /// `ACTIVE`, `INACTIVE`, `REVOKED`, …
    pub status: String,
    /// The certificate itself, public.
    pub pem: Option<String>,
    /// When it was registered.
    pub created: Option<Ms>,
    /// When its status was last changed.
    pub modified: Option<Ms>,
}

/// DescribeCertificate; `None` when there is no such certificate.
///
/// # Errors
/// When the call fails.
pub async fn certificate(aws: &Aws, id: &str) -> Read<Option<CertificateWhole>> {
    let call = aws.iot.describe_certificate().certificate_id(id);
    let found = match one!(aws, call, "iot:DescribeCertificate", true) {
        Ok(found) => found,
        Err(e) if trouble::is_not_found(&e) => return Ok(None),
        Err(e) => return Err(trouble::of(&e, "iot:DescribeCertificate")),
    };
    Ok(found.certificate_description().map(|found| CertificateWhole {
        arn: found.certificate_arn().unwrap_or_default().to_owned(),
        status: found.status().map_or("unknown", |status| status.as_str()).to_owned(),
        pem: found.certificate_pem().map(str::to_owned),
        created: convert::ms(found.creation_date()),
        modified: convert::ms(found.last_modified_date()),
    }))
}

/// GetRetainedMessage with its payload and quality of service; `None` when the topic has none.
///
/// # Errors
/// When the call fails.
pub async fn retained(aws: &Aws, topic: &str) -> Read<Option<(Vec<u8>, i32, Ms)>> {
    match one!(aws, aws.data.get_retained_message().topic(topic), "iot:GetRetainedMessage", true) {
        Ok(found) => {
            let payload = found.payload().map(|payload| payload.as_ref().to_vec()).unwrap_or_default();
            Ok(Some((payload, found.qos(), found.last_modified_time())))
        }
        Err(e) if trouble::is_not_found(&e) => Ok(None),
        Err(e) => Err(trouble::of(&e, "iot:GetRetainedMessage")),
    }
}
