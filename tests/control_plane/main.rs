//! The emulator's control plane as the real AWS SDK sees it: every operation of the registry, identities, policies and
//! connections, its pages, and each refusal with AWS's name and status.
#![cfg(feature = "emulator")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod audit;
