//! What a domain configuration may be: security policies, and which authentication goes with which protocol. The texts are
//! AWS's.

use serde_json::Value;

use crate::api::{ApiError, validate};

/// The policy of whoever names none.
pub(super) const DEFAULT_POLICY: &str = "IoTSecurityPolicy_TLS13_1_2_2022_10";
const POLICIES: [&str; 5] = [
    "IoTSecurityPolicy_TLS13_1_3_2022_10",
    DEFAULT_POLICY,
    "IoTSecurityPolicy_TLS12_1_2_2022_10",
    "IoTSecurityPolicy_TLS12_1_0_2016_01",
    "IoTSecurityPolicy_TLS12_1_0_2015_01",
];
/// Regions where AWS does not offer the policy of 2016.
const NO_2016: [&str; 6] =
    ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1", "ap-northeast-1"];
const DOC: &str = "<https://docs.aws.amazon.com/iot/latest/developerguide/protocols.html>";
/// Authentication types and the protocols each combines with.
const COMBINATIONS: [(&str, &[&str]); 5] = [
    ("DEFAULT", &["DEFAULT"]),
    ("AWS_X509", &["SECURE_MQTT", "HTTPS"]),
    ("AWS_SIGV4", &["MQTT_WSS", "HTTPS"]),
    ("CUSTOM_AUTH_X509", &["SECURE_MQTT", "HTTPS"]),
    ("CUSTOM_AUTH", &["SECURE_MQTT", "MQTT_WSS", "HTTPS"]),
];
const ENUMS: [(&str, &[&str]); 4] = [
    ("serviceType", &["DATA", "JOBS", "CREDENTIAL_PROVIDER"]),
    (
        "authenticationType",
        &["DEFAULT", "AWS_X509", "AWS_SIGV4", "CUSTOM_AUTH_X509", "CUSTOM_AUTH", "CUSTOM_AUTH_WITH_X509"],
    ),
    ("applicationProtocol", &["DEFAULT", "HTTPS", "SECURE_MQTT", "MQTT_WSS"]),
    ("domainConfigurationStatus", &["ENABLED", "DISABLED"]),
];

/// AWS says where, and not what, was wrong here.
pub(super) fn constraint(field: &str, constraint: &str) -> ApiError {
    ApiError::invalid(format!(
        "1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must {constraint}"
    ))
}

/// A name: with a colon it is one of AWS IoT's own, which only some operations take.
pub(super) fn name(name: &str, colon: bool) -> Result<(), ApiError> {
    if name.len() > 128 {
        return Err(constraint("domainConfigurationName", "have length less than or equal to 128"));
    }
    let ok = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c) || colon && c == ':';
    if name.is_empty() || !name.chars().all(ok) {
        let pattern = if colon { "[\\w.:-]+" } else { "[\\w.-]+" };
        let text = format!("satisfy regular expression pattern: {pattern}");
        return Err(constraint("domainConfigurationName", &text));
    }
    Ok(())
}

/// What the service model says of a request's members.
pub(super) fn model(body: &Value) -> Result<(), ApiError> {
    for (field, allowed) in ENUMS {
        if let Some(value) = body.get(field).and_then(Value::as_str)
            && !allowed.contains(&value)
        {
            return Err(constraint(field, &format!("satisfy enum value set: [{}]", allowed.join(", "))));
        }
    }
    if let Some(name) = body.pointer("/authorizerConfig/defaultAuthorizerName").and_then(Value::as_str) {
        validate::loose_name("authorizerConfig.defaultAuthorizerName", name)?;
    }
    if body.get("serverCertificateArns").and_then(Value::as_array).is_some_and(|arns| arns.len() > 1) {
        return Err(constraint("serverCertificateArns", "have length less than or equal to 1"));
    }
    Ok(())
}

/// The security policy of a `tlsConfig` in AWS's own spelling; its default where none is named.
pub(super) fn security_policy(tls: Option<&Value>, region: &str) -> Result<String, ApiError> {
    let Some(wanted) = tls.and_then(|tls| tls.get("securityPolicy")).and_then(Value::as_str) else {
        return Ok(DEFAULT_POLICY.to_owned());
    };
    let Some(policy) = POLICIES.iter().find(|policy| policy.eq_ignore_ascii_case(wanted)) else {
        return Err(ApiError::invalid(format!("SecurityPolicy {wanted} not recognized")));
    };
    if policy.ends_with("_2016_01") && NO_2016.contains(&region) {
        return Err(ApiError::invalid(format!(
            "SecurityPolicy {wanted} is not supported in region {region}"
        )));
    }
    Ok((*policy).to_owned())
}

/// Who names one half of the combination on creation must name the other.
pub(super) fn both_halves(body: &Value) -> Result<(), ApiError> {
    let has = |name: &str| body.get(name).is_some_and(Value::is_string);
    let (there, absent) = match (has("authenticationType"), has("applicationProtocol")) {
        (true, false) => ("AuthenticationType", "ApplicationProtocol"),
        (false, true) => ("ApplicationProtocol", "AuthenticationType"),
        _ => return Ok(()),
    };
    let article = if there.starts_with('A') { "an" } else { "a" };
    Err(ApiError::invalid(format!(
        "The domain must configure a supported {absent} when configuring {article} {there}. Please refer to {DOC} for \
         supported combinations and try again."
    )))
}

/// Do the authentication, the protocol and the authorizer go together?
pub(super) fn combination(
    authentication: &str,
    protocol: &str,
    authorizer: Option<&Value>,
) -> Result<(), ApiError> {
    let Some((_, protocols)) = COMBINATIONS.iter().find(|(name, _)| *name == authentication) else {
        return Err(ApiError::invalid(format!(
            "The AuthenticationType provided in the request was not recognized. Please refer to {DOC} for supported \
             Authentication Type values and try again."
        )));
    };
    if !protocols.contains(&protocol) {
        return Err(ApiError::invalid(format!(
            "Unsupported combination of AuthenticationType and ApplicationProtocol provided. AuthenticationType: \
             [{authentication}], ApplicationProtocol: [{protocol}]. Please refer to {DOC} for supported combinations and try \
             again."
        )));
    }
    let named = authorizer.and_then(Value::as_object).is_some_and(|config| !config.is_empty());
    if authentication.starts_with("CUSTOM_AUTH") && !named {
        return Err(ApiError::invalid(format!(
            "The domain configuration must have a valid AuthorizerConfig configured when using {authentication} as the \
             AuthenticationType. Please refer to {DOC} for supported combinations and try again."
        )));
    }
    Ok(())
}
