//! Constraints of the service model, refused in the words AWS uses.

use std::collections::BTreeMap;

use super::ApiError;

fn violation(value: &str, field: &str, constraint: &str) -> ApiError {
    ApiError::invalid(format!(
        "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"
    ))
}

fn pattern(
    field: &str,
    value: &str,
    highest: usize,
    regex: &str,
    ok: fn(char) -> bool,
) -> Result<(), ApiError> {
    if value.is_empty() {
        return Err(violation(value, field, "Member must have length greater than or equal to 1"));
    }
    if value.chars().count() > highest {
        return Err(violation(
            value,
            field,
            &format!("Member must have length less than or equal to {highest}"),
        ));
    }
    if !value.chars().all(ok) {
        return Err(violation(
            value,
            field,
            &format!("Member must satisfy regular expression pattern: {regex}"),
        ));
    }
    Ok(())
}

/// Names of things, types, groups, profiles: `[a-zA-Z0-9:_-]{1,128}`.
pub fn name(field: &str, value: &str) -> Result<(), ApiError> {
    pattern(field, value, 128, "[a-zA-Z0-9:_-]+", |c| c.is_ascii_alphanumeric() || ":_-".contains(c))
}

/// Policy names: `[\w+=,.@-]{1,128}`.
pub fn policy_name(value: &str) -> Result<(), ApiError> {
    pattern("policyName", value, 128, "[\\w+=,.@-]+", |c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
}

/// Names of role aliases and authorizers: `[\w=,@-]{1,128}`.
pub fn loose_name(field: &str, value: &str) -> Result<(), ApiError> {
    pattern(field, value, 128, "[\\w=,@-]+", |c| c.is_ascii_alphanumeric() || "_=,@-".contains(c))
}

/// Names of provisioning templates: `[0-9A-Za-z_-]{1,36}`.
pub fn template_name(value: &str) -> Result<(), ApiError> {
    pattern("templateName", value, 36, "^[0-9A-Za-z_-]+$", |c| c.is_ascii_alphanumeric() || "_-".contains(c))
}

/// Certificate ids: 64 hexadecimal digits.
pub fn certificate_id(value: &str) -> Result<(), ApiError> {
    if value.len() < 64 {
        return Err(violation(value, "certificateId", "Member must have length greater than or equal to 64"));
    }
    pattern("certificateId", value, 64, "(0x)?[a-fA-F0-9]+", |c| c.is_ascii_hexdigit())
}

/// A value of an enumeration.
pub fn one_of(field: &str, value: &str, allowed: &[&str]) -> Result<(), ApiError> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let set = allowed.join(", ");
    Err(violation(value, field, &format!("Member must satisfy enum value set: [{set}]")))
}

/// Thing and group attributes: at most `highest`, keys ≤ 128 of `[a-zA-Z0-9_.,@/:#-]`, values ≤ 800 of the same and
/// `=[]`. An empty value is allowed only where it means removal.
pub fn attributes(attributes: &BTreeMap<String, String>, highest: usize) -> Result<(), ApiError> {
    if attributes.len() > highest {
        return Err(ApiError::invalid(format!(
            "Too many attributes: {} given, at most {highest} are allowed",
            attributes.len()
        )));
    }
    for (key, value) in attributes {
        pattern("attributePayload.attributes", key, 128, "[a-zA-Z0-9_.,@/:#-]+", |c| {
            c.is_ascii_alphanumeric() || "_.,@/:#-".contains(c)
        })?;
        if !value.is_empty() {
            pattern("attributePayload.attributes", value, 800, "[a-zA-Z0-9_.,@/:#=\\[\\]-]*", |c| {
                c.is_ascii_alphanumeric() || "_.,@/:#=[]-".contains(c)
            })?;
        }
    }
    Ok(())
}

/// Free descriptions: at most 2028 printable ASCII characters.
pub fn description(field: &str, value: &str) -> Result<(), ApiError> {
    if value.is_empty() {
        return Ok(());
    }
    pattern(field, value, 2028, "[\\p{Graph}\\x20]*", |c| !c.is_control())
}
