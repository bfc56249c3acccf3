//! The body of a provisioning template: JSON with exactly one certificate resource. The texts are AWS's.

use serde_json::Value;

use crate::api::ApiError;

/// Characters of a body.
const LONGEST: usize = 10_240;

fn refuse(why: &str) -> ApiError {
    ApiError::invalid(format!("The template body is invalid: {why}"))
}

/// Refuses a body AWS would refuse.
pub(super) fn check(text: &str) -> Result<(), ApiError> {
    if text.chars().count() > LONGEST {
        return Err(ApiError::invalid(format!("The template body is longer than {LONGEST} characters")));
    }
    let Ok(Value::Object(body)) = serde_json::from_str(text) else {
        return Err(ApiError::invalid("The template body is invalid"));
    };
    let mut certificates = 0;
    for resource in body.get("Resources").and_then(Value::as_object).into_iter().flat_map(|r| r.values()) {
        let Some(properties) = resource.get("Properties").filter(|p| !p.is_null()) else {
            return Err(refuse("Properties of a resource cannot be null."));
        };
        if resource.get("Type").and_then(Value::as_str) != Some("AWS::IoT::Certificate") {
            continue;
        }
        certificates += 1;
        if certificates > 1 {
            return Err(refuse("Only one certificate resource can be defined"));
        }
        let reference = properties.pointer("/CertificateId/Ref").and_then(Value::as_str);
        if reference != Some("AWS::IoT::Certificate::Id") {
            return Err(refuse("CertificateId must contain a reference to AWS::IoT::Certificate::Id"));
        }
        let status = properties.get("Status").and_then(Value::as_str).unwrap_or_default();
        if !["active", "inactive"].contains(&status.to_ascii_lowercase().as_str()) {
            return Err(refuse(
                "A certificate resource must specify a Status of either \"Active\" or \"Inactive\"",
            ));
        }
    }
    if certificates == 0 {
        return Err(refuse("Template must have certificate resource."));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(resources: &str) -> String {
        check(&format!(r#"{{"Resources":{resources}}}"#)).err().map_or(String::new(), |e| e.message)
    }

    #[test]
    fn one_certificate_with_its_reference_and_a_status_it_is() {
        let certificate = |status: &str| {
            format!(
                r#"{{"Type":"AWS::IoT::Certificate","Properties":{{"CertificateId":{{"Ref":"AWS::IoT::Certificate::Id"}},"Status":"{status}"}}}}"#
            )
        };
        assert_eq!(verdict(&format!(r#"{{"c":{}}}"#, certificate("AcTiVe"))), "");
        assert!(verdict(&format!(r#"{{"c":{}}}"#, certificate("GONE"))).contains("must specify a Status"));
        let two = format!(r#"{{"a":{0},"b":{0}}}"#, certificate("ACTIVE"));
        assert!(verdict(&two).contains("Only one certificate"));
        assert!(
            verdict(r#"{"t":{"Type":"AWS::IoT::Thing","Properties":{}}}"#).contains("must have certificate")
        );
        assert!(verdict(r#"{"t":{"Type":"AWS::IoT::Thing"}}"#).contains("cannot be null"));
        assert_eq!(check("no JSON").unwrap_err().message, "The template body is invalid");
    }
}
