//! URLs with which an object can be had for a while: they lead to the emulator's own objects and are signed with the account's
//! own key, since roles are not assumed here.

use crate::account::Account;
use crate::sigv4;

/// What URLs are signed with, as of one moment.
pub struct Signer<'a> {
    base: String,
    region: &'a str,
    /// Access key id and secret.
    key: (String, String),
    now_ms: i64,
}

impl<'a> Signer<'a> {
    /// The account's own.
    pub fn of(account: &'a Account) -> Self {
        Self {
            base: account.sns.base(&account.region),
            region: &account.region,
            key: account.iam.own_key(&account.id),
            now_ms: account.clock.now_ms(),
        }
    }

    /// The URL of a GET of `key` in `bucket`, good for `seconds`.
    pub fn url(&self, bucket: &str, key: &str, seconds: u64) -> String {
        let host = self.base.split_once("://").map_or(self.base.as_str(), |(_, host)| host);
        let request = sigv4::Presign {
            host,
            path: &format!("/{bucket}/{key}"),
            region: self.region,
            access_key: &self.key.0,
            secret_key: &self.key.1,
            now: self.now_ms / 1000,
            seconds,
        };
        format!("{}{}", self.base, request.path_and_query())
    }
}
