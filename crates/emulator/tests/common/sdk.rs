//! What every client of the real AWS SDK has in common when it talks to an emulator.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

/// The emulator's default key.
pub fn keys() -> Credentials {
    Credentials::from_keys("test", "test", None)
}

/// For clients of the account behind `endpoint`, signed with that key.
pub fn config(endpoint: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(keys()))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build()
}
