//! The AWS CLI's cache of sessions, in its own form: `~/.aws/cli/cache/SHA1.json`, named by what the role was asked for with.
//! A session begun there needs no code here, and one begun here none there.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::chain::Link;
use super::{LEFT, holds};

/// A file that is larger is none of the CLI's.
const MOST: u64 = 64 * 1024;

fn path(link: &Link) -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
    Some(PathBuf::from(home).join(".aws/cli/cache").join(format!("{}.json", key(link))))
}

/// The CLI's name: the SHA-1 of the request's arguments as Python's `json.dumps(…, sort_keys=True)` writes them, without
/// the code and without a session name it made up itself.
fn key(link: &Link) -> String {
    let text = |value: &str| Value::from(value).to_string();
    let mut parts = Vec::new();
    if let Some(seconds) = link.seconds {
        parts.push(format!("\"DurationSeconds\": {seconds}"));
    }
    if let Some(id) = &link.external_id {
        parts.push(format!("\"ExternalId\": {}", text(id)));
    }
    parts.push(format!("\"RoleArn\": {}", text(&link.role)));
    if let Some(session) = &link.session {
        parts.push(format!("\"RoleSessionName\": {}", text(session)));
    }
    if let Some(serial) = &link.serial {
        parts.push(format!("\"SerialNumber\": {}", text(serial)));
    }
    hex::encode(Sha1::digest(format!("{{{}}}", parts.join(", "))))
}

/// The session the cache has, if it holds for a while.
pub(super) fn read(link: &Link) -> Option<Credentials> {
    let mut text = String::new();
    std::fs::File::open(path(link)?).ok()?.take(MOST).read_to_string(&mut text).ok()?;
    let document: Value = serde_json::from_str(&text).ok()?;
    let member = |name: &str| document.pointer(&format!("/Credentials/{name}"))?.as_str();
    let end: jiff::Timestamp = member("Expiration")?.replace("UTC", "Z").parse().ok()?;
    let found = Credentials::new(
        member("AccessKeyId")?,
        member("SecretAccessKey")?,
        Some(member("SessionToken")?.to_owned()),
        Some(SystemTime::from(end)),
        "aws-cli-cache",
    );
    holds(&found, LEFT).then_some(found)
}

/// Keeps a session for whoever comes after, readable by its owner alone.
pub(super) fn write(link: &Link, session: &Credentials) -> std::io::Result<()> {
    let (Some(path), Some(end)) = (path(link), session.expiry()) else { return Ok(()) };
    let end = jiff::Timestamp::try_from(end).map_err(std::io::Error::other)?;
    let document = json!({
        "Credentials": {
            "AccessKeyId": session.access_key_id(),
            "SecretAccessKey": session.secret_access_key(),
            "SessionToken": session.session_token(),
            "Expiration": end.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string(),
        },
        "ProviderType": "assume-role",
    });
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let beside = path.with_extension(format!("{}.tmp", std::process::id()));
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(document.to_string().as_bytes())?;
    drop(file);
    std::fs::rename(&beside, &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_one_the_cli_gives() {
        let mut link = Link {
            profile: "p".into(),
            role: "arn:aws:iam::123456789012:role/ops".into(),
            serial: Some("arn:aws:iam::123456789012:mfa/ana".into()),
            source: "base".into(),
            session: None,
            external_id: None,
            seconds: None,
        };
        // hashlib.sha1(json.dumps({...}, sort_keys=True).encode()).hexdigest()
        assert_eq!(key(&link), "1e824d9cd303af41f2da1b0a1f7c79085af7f129");
        link.seconds = Some(3600);
        link.session = Some("ana".into());
        link.external_id = Some("x/1".into());
        assert_eq!(key(&link), "042a8da8cdf770d25c2954023127d700d73d545e");
    }
}
