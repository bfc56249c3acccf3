//! A URL that carries its signature: whoever holds it may GET one S3 object for a while.

use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{percent_encode, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

use super::{ALGORITHM, PATH, STRICT};

/// What a URL is made for and with.
pub struct Presign<'a> {
    /// Host and port as the client will name them.
    pub host: &'a str,
    /// `/BUCKET/KEY`, not encoded.
    pub path: &'a str,
    /// The region of the credential scope.
    pub region: &'a str,
    /// Whose.
    pub access_key: &'a str,
    /// The secret of it.
    pub secret_key: &'a str,
    /// Seconds since the epoch.
    pub now: i64,
    /// Seconds the URL is good for.
    pub seconds: u64,
}

impl Presign<'_> {
    /// The path and the signed query of a GET.
    pub fn path_and_query(&self) -> String {
        let date =
            jiff::Timestamp::from_second(self.now).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string();
        let day = date.split('T').next().unwrap_or_default();
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let credential = format!("{}/{scope}", self.access_key);
        let path = percent_encode(self.path.as_bytes(), PATH).to_string();
        let query = format!(
            "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={date}&X-Amz-Expires={}&X-Amz-SignedHeaders=host",
            utf8_percent_encode(&credential, STRICT),
            self.seconds
        );
        let canonical = format!("GET\n{path}\n{query}\nhost:{}\n\nhost\nUNSIGNED-PAYLOAD", self.host);
        let to_sign =
            format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical.as_bytes())));
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in [day, self.region, "s3", "aws4_request", to_sign.as_str()] {
            key = sign(&key, part.as_bytes());
        }
        format!("{path}?{query}&X-Amz-Signature={}", hex::encode(key))
    }
}

fn sign(key: &[u8], data: &[u8]) -> Vec<u8> {
    // An HMAC takes a key of any length.
    Hmac::<Sha256>::new_from_slice(key).map_or_else(
        |_| Vec::new(),
        |mut mac| {
            mac.update(data);
            mac.finalize().into_bytes().to_vec()
        },
    )
}
