//! What the emulator's tests have in common. They are a package of their own, so that the emulator itself is built, and
//! depended upon, without any AWS SDK.

#[path = "common/sdk.rs"]
pub mod sdk;
