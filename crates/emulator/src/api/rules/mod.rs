//! Topic rules: the operations on them and what happens when a message matches one (docs/aws-iot.md#2.7, #4.6).
//!
//! The language is `quell_rules::sql`; here rules are stored (`store.rs`), found by topic ([`Tree`](quell_rules::topics::Tree)), checked (`check.rs`)
//! and carried out (`run.rs`, `actions.rs`). A publish that matches no rule costs one atomic load and a walk of its levels.

mod actions;
mod check;
mod operations;
pub mod routes;
mod run;
mod store;

#[cfg(test)]
mod tests;

pub use operations::{
    create_topic_rule, delete_topic_rule, disable_topic_rule, enable_topic_rule, get_topic_rule,
    list_topic_rules, replace_topic_rule,
};
pub use run::{on_publish, on_publish_by_aws};
pub use store::Rules;
