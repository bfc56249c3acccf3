//! `quell rules` and `quell audit`: one read of what an account is set up to do, and of what an audit found wrong with it.

use serde_json::json;

use crate::cloud::{read_account, read_audit};
use crate::text::SafeText;

use super::Common;
use super::output::{iso, seconds, table};
use super::reads::{ReadArgs, one};

/// `quell rules`.
pub(super) fn rules(args: &ReadArgs, common: &Common) -> color_eyre::Result<u8> {
    one(common, args.json, |clients| async move {
        let list = read_account::rules(&clients).await?;
        let json: Vec<_> = list
            .iter()
            .map(|rule| {
                json!({
                    "ruleName": rule.name.raw(),
                    "ruleDisabled": rule.disabled,
                    "sql": rule.sql,
                    "awsIotSqlVersion": rule.sql_version,
                    "description": rule.description,
                    "actions": rule.actions,
                    "errorAction": rule.error_action,
                    "createdAt": rule.created.map(seconds),
                })
            })
            .collect();
        let rows: Vec<_> = list
            .iter()
            .map(|rule| {
                let actions: Vec<&str> = rule.actions.iter().map(SafeText::as_str).collect();
                vec![
                    rule.name.shown().clone(),
                    SafeText::new(if rule.disabled { "disabled" } else { "enabled" }),
                    rule.sql.clone(),
                    SafeText::new(&actions.join(", ")),
                ]
            })
            .collect();
        Ok(Some((json!({ "rules": json }), table(&["RULE", "STATE", "SQL", "ACTIONS"], &rows))))
    })
}

/// `quell audit`: the findings, the worst first.
pub(super) fn audit(args: &ReadArgs, common: &Common) -> color_eyre::Result<u8> {
    one(common, args.json, |clients| async move {
        let mut list = read_audit::findings(&clients).await?;
        list.sort_by_key(|finding| (rank(finding.severity.as_str()), std::cmp::Reverse(finding.at)));
        let json: Vec<_> = list
            .iter()
            .map(|finding| {
                json!({
                    "findingId": finding.id,
                    "checkName": finding.check,
                    "severity": finding.severity,
                    "nonCompliantResource": finding.resource,
                    "relatedResources": finding.related,
                    "reasonForNonCompliance": finding.reason,
                    "isSuppressed": finding.suppressed,
                    "findingTime": seconds(finding.at),
                })
            })
            .collect();
        let rows: Vec<_> = list
            .iter()
            .map(|finding| {
                vec![
                    finding.severity.clone(),
                    finding.check.clone(),
                    finding.resource.clone(),
                    finding.reason.clone(),
                    SafeText::new(&iso(finding.at)),
                ]
            })
            .collect();
        let head = ["SEVERITY", "CHECK", "RESOURCE", "REASON", "FOUND"];
        Ok(Some((json!({ "findings": json }), table(&head, &rows))))
    })
}

/// The worst first; what is not known goes last.
fn rank(severity: &str) -> u8 {
    match severity {
        "CRITICAL" => 0,
        "HIGH" => 1,
        "MEDIUM" => 2,
        "LOW" => 3,
        _ => 4,
    }
}
