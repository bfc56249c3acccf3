//! Temporary keys (STS AssumeRole, GetSessionToken), and the account's alias (IAM ListAccountAliases). There are no roles
//! here: whoever may sign may assume any, and the session may do everything.

use super::arn::is_of;
use super::{ApiError, Req, Resp, query};
use crate::account::Account;

const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";
const IAM: &str = "https://iam.amazonaws.com/doc/2010-05-08/";
/// The account's alias: another can be given nowhere.
const ALIAS: &str = "workshop";
/// The id of every role.
pub(super) const ROLE_ID: &str = "AROAQUELLROLE0000000";

/// The keys of a session.
pub(super) struct Keys {
    /// `ASIA…`.
    pub(super) id: String,
    /// The secret.
    pub(super) secret: String,
    /// The session token.
    pub(super) token: String,
}

impl Keys {
    pub(super) fn new() -> Self {
        let hex = |n: u128| format!("{n:032X}");
        Self {
            id: format!("ASIA{}", hex(fastrand::u128(..)).get(..16).unwrap_or_default()),
            secret: hex(fastrand::u128(..)),
            token: format!("{}{}", hex(fastrand::u128(..)), hex(fastrand::u128(..))),
        }
    }
}

/// An MFA device's code: any six digits are good, whatever the device.
fn check_code(req: &Req) -> Result<(), ApiError> {
    match (req.query("SerialNumber"), req.query("TokenCode")) {
        (None, None) => Ok(()),
        (Some(_), Some(code)) if code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
        (Some(_), Some(_)) => Err(ApiError::new(
            403,
            "AccessDenied",
            "MultiFactorAuthentication failed with invalid MFA one time pass code. ",
        )),
        _ => Err(validation("SerialNumber and TokenCode must be given together")),
    }
}

fn validation(message: impl Into<String>) -> ApiError {
    ApiError::new(400, "ValidationError", message)
}

fn seconds(req: &Req, usual: i64, most: i64) -> Result<i64, ApiError> {
    let Some(text) = req.query("DurationSeconds") else { return Ok(usual) };
    let number = text.parse::<i64>().ok().filter(|n| (900..=most).contains(n));
    number.ok_or_else(|| validation(format!("DurationSeconds must be between 900 and {most}: {text}")))
}

/// Keys for `arn`, good for so many seconds, and when they end as text.
pub(super) fn open(account: &Account, arn: String, seconds: i64) -> (Keys, String) {
    let keys = Keys::new();
    let end = account.clock.now_ms() / 1000 + seconds;
    let text = jiff::Timestamp::from_second(end).map(|t| t.to_string()).unwrap_or_default();
    account.iam.begin_session(arn, &keys, end);
    (keys, text)
}

/// Keys for `arn`, and the answer's `Credentials`.
fn begin(req: &Req, arn: String, seconds: i64) -> String {
    let (keys, text) = open(&req.account, arn, seconds);
    format!(
        "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken>\
         <Expiration>{text}</Expiration></Credentials>",
        keys.id, keys.secret, keys.token
    )
}

/// STS AssumeRole.
pub(super) fn assume_role(req: &Req) -> Result<Resp, ApiError> {
    let needed = |name: &str| req.query(name).ok_or_else(|| validation(format!("{name} must not be null")));
    let (role, session) = (needed("RoleArn")?, needed("RoleSessionName")?);
    let account = &req.account.id;
    let name =
        role.splitn(3, ':').nth(2).filter(|_| is_of("iam", role)).and_then(|rest| rest.strip_prefix("iam::"));
    let name = name.and_then(|rest| rest.split_once(":role/"));
    let name = name.filter(|(of, name)| of == account && !name.is_empty()).map(|(_, name)| name);
    let name = name.ok_or_else(|| {
        ApiError::new(
            403,
            "AccessDenied",
            format!("Not authorized to perform: sts:AssumeRole on resource: {role}"),
        )
    })?;
    let sound = |c: char| c.is_ascii_alphanumeric() || "_=,.@-".contains(c);
    if !(2..=64).contains(&session.len()) || !session.chars().all(sound) {
        return Err(validation(format!("RoleSessionName is not valid: {session}")));
    }
    check_code(req)?;
    let seconds = seconds(req, 3600, 43_200)?;
    let role = name.rsplit('/').next().unwrap_or(name);
    let arn = format!("arn:{}:sts::{account}:assumed-role/{role}/{session}", req.account.partition());
    let credentials = begin(req, arn.clone(), seconds);
    let user = format!(
        "<AssumedRoleUser><AssumedRoleId>{ROLE_ID}:{0}</AssumedRoleId><Arn>{1}</Arn></AssumedRoleUser>",
        query::escape(session),
        query::escape(&arn)
    );
    query::answer("AssumeRole", STS, &format!("{credentials}{user}"))
}

/// STS GetSessionToken.
pub(super) fn get_session_token(req: &Req) -> Result<Resp, ApiError> {
    check_code(req)?;
    let seconds = seconds(req, 43_200, 129_600)?;
    let credentials = begin(req, req.account.caller(&req.caller), seconds);
    query::answer("GetSessionToken", STS, &credentials)
}

/// IAM ListAccountAliases: an account has at most one.
pub(super) fn list_account_aliases(_req: &Req) -> Result<Resp, ApiError> {
    let result =
        format!("<IsTruncated>false</IsTruncated><AccountAliases><member>{ALIAS}</member></AccountAliases>");
    query::answer("ListAccountAliases", IAM, &result)
}
