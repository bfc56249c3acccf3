//! What the emulator's tests have in common. They are a package of their own, so that the emulator itself is built, and
//! depended upon, without any AWS SDK.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

#[path = "common/http.rs"]
pub mod http;
#[path = "common/sdk.rs"]
pub mod sdk;
#[path = "common/tunnel.rs"]
pub mod tunnel;
