//! What is believed about a device, and by what: four answers with their evidence, one table from them to a word.
//!
//! *Unknown is a state, proof before words.* Nothing here is inferred from a request that was accepted or from a list that a
//! device stands in: a word that says a device is held has a proof behind it, and a word that speaks of now has a listener.

mod containment;
mod facets;
mod hearing;
mod judge;
mod told;
mod words;

pub use containment::Denial;
pub(crate) use containment::Held;
pub use facets::{
    After, Containment, Deaf, Denies, Facets, Health, Hearing, Life, Missing, Proof, Reason, Sign, Signs,
    Voice,
};
pub use hearing::Heed;
pub use judge::Counts;
pub(crate) use judge::Tally;
pub use words::{Entry, Word, as_of, word};
