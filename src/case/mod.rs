//! Case files: what an incident leaves, kept before containment destroys it, under a hash-chained custody log, closed into one
//! archive that anybody can check with a public key alone.
//!
//! A case is a folder while it is open: [`folder`] makes and adds to it, [`keep`] reads what containment would change. Closing it
//! writes a plain tar archive ([`archive`]) whose list of SHA-256 sums is signed as minisign signs ([`sign`]); [`verify`] checks
//! one without an account or a network, [`report`] tells it. No private key, credential or token is ever in one: AWS holds none
//! that it gives out, and nothing here reads any.

pub mod archive;
mod custody;
pub mod folder;
pub mod keep;
pub mod report;
pub mod sign;
pub mod verify;

/// The case's own facts.
const ABOUT: &str = "case.json";
/// The custody log, in the journal's format.
const CUSTODY: &str = "custody.jsonl";
/// The sums of all other files, as `sha256sum` writes and checks them.
const SUMS: &str = "SHA256SUMS";
/// The signature of the sums, as minisign writes and checks them.
const SIGNATURE: &str = "SHA256SUMS.minisig";
/// A case is not larger, recordings included: 1 GiB.
pub const MOST: u64 = 1 << 30;
/// Files of a case.
const FILES: usize = 20_000;
