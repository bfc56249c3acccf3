//! The members CreateJob, CreateJobTemplate and UpdateJob share, checked beyond what AWS's model of them says. The texts
//! are AWS's; the order is too: the timeout first, then criterion by criterion.

use std::collections::BTreeSet;

use super::model::{Abort, Retry, Rollout, Settings};
use crate::api::ApiError;

/// Minutes the in-progress timer may have: seven days.
const MOST_MINUTES: u64 = 10_080;
/// Retries of one execution, of all failure types together.
const MOST_RETRIES: u32 = 10;

/// Checks what a request says.
pub(super) fn check(settings: &Settings) -> Result<(), ApiError> {
    if let Some(timeout) = &settings.timeout_config {
        let given = timeout.in_progress_timeout_in_minutes;
        if !given.is_some_and(|minutes| (1..=MOST_MINUTES).contains(&minutes)) {
            let given = given.map_or_else(|| "null".to_owned(), |minutes| minutes.to_string());
            return Err(ApiError::invalid(format!(
                "Provide valid timeout value, inProgressTimeoutInMinutes cannot be {given}."
            )));
        }
    }
    settings.job_executions_rollout_config.as_ref().map_or(Ok(()), rollout)?;
    settings.abort_config.as_ref().map_or(Ok(()), abort)?;
    settings.job_executions_retry_config.as_ref().map_or(Ok(()), retry)?;
    let role = settings.presigned_url_config.as_ref().and_then(|c| c.get("roleArn")).and_then(|r| r.as_str());
    match role {
        Some(role) if !is_role(role) => Err(ApiError::invalid(format!("Given role {role} is invalid."))),
        _ => Ok(()),
    }
}

fn is_role(arn: &str) -> bool {
    let mut parts = arn.splitn(6, ':');
    parts.next() == Some("arn")
        && parts.nth(1) == Some("iam")
        && parts.nth(2).is_some_and(|name| name.len() > 5 && name.starts_with("role/"))
}

fn rollout(rollout: &Rollout) -> Result<(), ApiError> {
    let Some(exponential) = &rollout.exponential_rate else {
        return match rollout.maximum_per_minute {
            Some(_) => Ok(()),
            None => Err(ApiError::invalid(
                "Provide MaximumPerMinute value or provide ExponentialRate and MaximumPerMinute",
            )),
        };
    };
    if rollout.maximum_per_minute.is_some_and(|most| exponential.base_rate_per_minute >= most) {
        return Err(ApiError::invalid(
            "Exponential rollout baseRatePerMinute should be less than maximumPerMinute.",
        ));
    }
    let criteria = &exponential.rate_increase_criteria;
    match (criteria.number_of_notified_things, criteria.number_of_succeeded_things) {
        (Some(_), None) | (None, Some(_)) => Ok(()),
        (None, None) => Err(ApiError::invalid(
            "Provide either NumberOfNotifiedThings or NumberOfSucceededThings when RateIncreaseCriteria is defined",
        )),
        (Some(_), Some(_)) => Err(ApiError::invalid(
            "Provide only one of NumberOfNotifiedThings or NumberOfSucceededThings when RateIncreaseCriteria is defined",
        )),
    }
}

fn abort(abort: &Abort) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    for criterion in &abort.criteria_list {
        if !seen.insert(criterion.failure_type.as_str()) {
            return Err(ApiError::invalid("Multiple AbortCriteria cannot have the same failure type"));
        }
        let threshold = criterion.threshold_percentage;
        if threshold <= 0.0 {
            return Err(ApiError::invalid(format!(
                "ThresholdPercentage value {threshold:?} for AbortCriteria must have value greater than 0"
            )));
        }
        let hundredths = threshold * 100.0;
        if (hundredths - hundredths.round()).abs() > 1e-6 {
            return Err(ApiError::invalid("Abort thresholdPercentage must have two or less decimal digits"));
        }
    }
    Ok(())
}

fn retry(retry: &Retry) -> Result<(), ApiError> {
    let types: BTreeSet<&str> = retry.criteria_list.iter().map(|c| c.failure_type.as_str()).collect();
    if types.contains("ALL") && retry.criteria_list.len() > 1 {
        return Err(ApiError::invalid("A retryCriteria with failure type ALL must be used by itself."));
    }
    if types.len() < retry.criteria_list.len() {
        return Err(ApiError::invalid("Only one retry criterion is allowed for each failure type"));
    }
    let total: u32 = retry.criteria_list.iter().map(|c| c.number_of_retries).sum();
    if total > MOST_RETRIES {
        return Err(ApiError::invalid(format!(
            "The number of retries of all criteria together cannot be more than {MOST_RETRIES}"
        )));
    }
    Ok(())
}

/// What UpdateJob may do to the retries of a job: take all of them away, for the same failure types.
pub(super) fn check_update(id: &str, new: &Settings, held: Option<&Settings>) -> Result<(), ApiError> {
    if *new == Settings::default() {
        return Err(ApiError::invalid(format!("Update Job request for job {id} cannot be empty.")));
    }
    let (Some(new), Some(held)) = (&new.job_executions_retry_config, held) else { return Ok(()) };
    if new.criteria_list.iter().any(|c| c.number_of_retries > 0) {
        return Err(ApiError::invalid("The number of retries cannot be updated to any number other than 0."));
    }
    let types = |retry: &Retry| -> BTreeSet<String> {
        retry.criteria_list.iter().map(|c| c.failure_type.clone()).collect()
    };
    match &held.job_executions_retry_config {
        None => Err(ApiError::invalid(
            "RetryConfig cannot be updated if the job has no RetryConfig defined during creation.",
        )),
        Some(held) if types(held) != types(new) => {
            Err(ApiError::invalid("FailureTypes must match existing FailureTypes defined in RetryConfig."))
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn said(value: Value) -> String {
        let settings: Settings = serde_json::from_value(value).unwrap();
        check(&settings).map_or_else(|e| e.message, |()| String::new())
    }

    fn criterion(kind: &str, threshold: f64) -> Value {
        json!({ "failureType": kind, "action": "CANCEL", "thresholdPercentage": threshold,
                "minNumberOfExecutedThings": 1 })
    }

    #[test]
    fn what_the_model_lets_pass_is_refused_in_the_words_of_aws() {
        let timeout = |minutes: Value| json!({ "timeoutConfig": { "inProgressTimeoutInMinutes": minutes } });
        let cannot = "Provide valid timeout value, inProgressTimeoutInMinutes cannot be ";
        for (minutes, shown) in [(json!(0), "0."), (json!(10_081), "10081."), (Value::Null, "null.")] {
            assert_eq!(said(timeout(minutes)), format!("{cannot}{shown}"));
        }
        assert_eq!(said(timeout(json!(10_080))), "");
        let aborts = |list: Value| said(json!({ "abortConfig": { "criteriaList": list } }));
        assert_eq!(
            aborts(json!([criterion("ALL", 0.0)])),
            "ThresholdPercentage value 0.0 for AbortCriteria must have value greater than 0"
        );
        assert_eq!(
            aborts(json!([criterion("ALL", 10.999)])),
            "Abort thresholdPercentage must have two or less decimal digits"
        );
        assert_eq!(
            aborts(json!([criterion("ALL", 10.99), criterion("ALL", 0.0)])),
            "Multiple AbortCriteria cannot have the same failure type"
        );
        assert_eq!(aborts(json!([criterion("ALL", 10.99), criterion("FAILED", 33.33)])), "");
        assert_eq!(
            said(json!({ "presignedUrlConfig": { "roleArn": "short" } })),
            "Given role short is invalid."
        );
        assert_eq!(
            said(
                json!({ "presignedUrlConfig": { "roleArn": "arn:aws:iam::123456789012:role/path/presign" } })
            ),
            ""
        );
    }

    #[test]
    fn an_update_can_only_take_retries_away() {
        let retries = |list: &[(&str, u32)]| -> Settings {
            let list: Vec<_> =
                list.iter().map(|(kind, n)| json!({ "failureType": kind, "numberOfRetries": n })).collect();
            serde_json::from_value(json!({ "jobExecutionsRetryConfig": { "criteriaList": list } })).unwrap()
        };
        let held = retries(&[("FAILED", 2), ("TIMED_OUT", 3)]);
        let update = |new: &Settings, held: &Settings| {
            check_update("j", new, Some(held)).map_or_else(|e| e.message, |()| String::new())
        };
        assert_eq!(update(&retries(&[("TIMED_OUT", 0), ("FAILED", 0)]), &held), "");
        assert!(update(&retries(&[("FAILED", 0)]), &held).starts_with("FailureTypes must match"));
        assert!(update(&retries(&[("FAILED", 1)]), &held).starts_with("The number of retries cannot"));
        assert!(update(&retries(&[("FAILED", 0)]), &Settings::default()).starts_with("RetryConfig cannot"));
        assert_eq!(update(&Settings::default(), &held), "Update Job request for job j cannot be empty.");
    }
}
