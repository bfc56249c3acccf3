//! Operations on topic rules.

use super::{
    create_topic_rule, delete_topic_rule, disable_topic_rule, enable_topic_rule, get_topic_rule,
    list_topic_rules, replace_topic_rule,
};
use crate::api::routes::{Route, routes};

/// Operation, method, path, requests a second, handler.
pub static ROUTES: &[Route] = routes! {
    Iot {
        CreateTopicRule  POST   "/rules/{ruleName}"           5 create_topic_rule,
        ReplaceTopicRule PATCH  "/rules/{ruleName}"           5 replace_topic_rule,
        DeleteTopicRule  DELETE "/rules/{ruleName}"           5 delete_topic_rule,
        GetTopicRule     GET    "/rules/{ruleName}"         200 get_topic_rule,
        ListTopicRules   GET    "/rules"                      2 list_topic_rules,
        EnableTopicRule  POST   "/rules/{ruleName}/enable"    5 enable_topic_rule,
        DisableTopicRule POST   "/rules/{ruleName}/disable"   5 disable_topic_rule,
    }
};
