//! Topic filters beside a slow, obvious definition: a filter is the set of the topics it matches, and every topic of a small
//! world is looked at.

use std::sync::LazyLock;

use proptest::prelude::*;
use quell_rules::topics::{Dialect, Invalid, Tree, is_wild};
use regex_lite::Regex;

/// The levels of topics. `z` stands for all those that no filter here names.
const LEVELS: [&str; 5] = ["", "a", "b", "$x", "z"];
/// One level more than a filter has: enough to tell any two sets apart.
const DEPTH: usize = 5;

/// Every topic, and its levels. The empty one is no topic.
static WORLD: LazyLock<Vec<(String, Vec<&'static str>)>> = LazyLock::new(|| {
    let mut all: Vec<Vec<&str>> = Vec::new();
    let mut last: Vec<Vec<&str>> = vec![Vec::new()];
    for _ in 0..DEPTH {
        last = last
            .iter()
            .flat_map(|topic| LEVELS.map(|level| topic.iter().copied().chain([level]).collect()))
            .collect();
        all.extend(last.iter().cloned());
    }
    all.into_iter().map(|levels| (levels.join("/"), levels)).filter(|(name, _)| !name.is_empty()).collect()
});

/// The definition, level by level, as docs/aws-iot.md#3.3 and MQTT 4.7 have it.
fn brings(dialect: Dialect, filter: &[&str], topic: &[&str]) -> bool {
    fn rest(dialect: Dialect, filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            ([], []) => true,
            (["#"], []) => dialect == Dialect::Mqtt,
            (["#"], [..]) => true,
            ([wanted, filter @ ..], [level, topic @ ..]) => {
                (*wanted == "+" || wanted == level) && rest(dialect, filter, topic)
            }
            _ => false,
        }
    }
    let reserved = topic[0].starts_with('$');
    !(reserved && (filter[0] == "+" || filter[0] == "#")) && rest(dialect, filter, topic)
}

fn filter() -> impl Strategy<Value = Vec<&'static str>> {
    let level = prop::sample::select(vec!["", "a", "b", "$x", "+", "+"]);
    (prop::collection::vec(level, 0..4), any::<bool>()).prop_map(|(mut levels, open)| {
        if open || levels.is_empty() || levels == [""] {
            levels.push("#");
        }
        levels
    })
}

fn dialect() -> impl Strategy<Value = Dialect> {
    prop::sample::select(vec![Dialect::Mqtt, Dialect::Aws])
}

fn config() -> ProptestConfig {
    ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn filters_are_sets_of_topics(d in dialect(), a in filter(), b in filter()) {
        let (of_a, of_b) = (a.join("/"), b.join("/"));
        let (mut within, mut touching) = (true, false);
        let both = d.intersection(&of_a, &of_b);
        for (name, topic) in WORLD.iter() {
            let (in_a, in_b) = (brings(d, &a, topic), brings(d, &b, topic));
            prop_assert_eq!(d.matches(&of_a, name), in_a, "{} {}", of_a, name);
            within &= in_a || !in_b;
            touching |= in_a && in_b;
            let in_both = both.as_deref().is_some_and(|both| d.matches(both, name));
            prop_assert_eq!(in_both, in_a && in_b, "{:?} {}", both, name);
        }
        prop_assert_eq!(d.covers(&of_a, &of_b), within, "does {} cover {}?", of_a, of_b);
        prop_assert_eq!(d.meets(&of_a, &of_b), touching, "does {} meet {}?", of_a, of_b);
        prop_assert!(both.is_none_or(|both| d.valid_filter(&both).is_ok()));
    }

    #[test]
    fn a_tree_finds_what_matches(d in dialect(), filters in prop::collection::vec(filter(), 0..12)) {
        let mut tree = Tree::new(d);
        for (i, filter) in filters.iter().enumerate() {
            tree.insert(&filter.join("/"), i);
        }
        for (name, topic) in WORLD.iter() {
            let mut found: Vec<usize> = tree.matching(name).into_iter().copied().collect();
            found.sort_unstable();
            let wanted: Vec<usize> =
                (0..filters.len()).filter(|i| brings(d, &filters[*i], topic)).collect();
            prop_assert_eq!(found, wanted);
        }
    }

    #[test]
    fn filters_and_topics_have_a_form(d in dialect(), text in "[a+#/$]{0,7}") {
        let form = Regex::new(r"^(?:(?:\+|[^+#/]*)/)*(?:\+|#|[^+#/]*)$").unwrap();
        prop_assert_eq!(d.valid_filter(&text).is_ok(), !text.is_empty() && form.is_match(&text), "{}", text);
        prop_assert_eq!(d.valid_topic(&text).is_ok(), !text.is_empty() && !text.contains(['+', '#']));
        prop_assert_eq!(is_wild(&text), text.split('/').any(|level| level == "+" || level == "#"));
    }

    #[test]
    fn any_text_is_survived(d in dialect(), a in "\\PC{0,40}", b in "[$a/+#\0é]{0,40}") {
        let mut tree = Tree::new(d);
        tree.insert(&a, ());
        tree.insert(&b, ());
        for (x, y) in [(&a, &b), (&b, &a), (&b, &b)] {
            d.matches(x, y);
            d.covers(x, y);
            d.intersection(x, y);
            tree.matching(y);
            let _ = (d.valid_filter(x), d.valid_topic(x));
        }
    }
}

#[test]
fn aws_and_mqtt_differ_in_what_a_hash_brings() {
    assert!(Dialect::Mqtt.matches("sensor/#", "sensor") && !Dialect::Aws.matches("sensor/#", "sensor"));
    assert!(Dialect::Mqtt.covers("a/#", "a") && !Dialect::Aws.covers("a/#", "a"));
    assert!(Dialect::Aws.matches("sensor/#", "sensor/") && Dialect::Aws.covers("a/#", "a/+/#"));
    assert_eq!(Dialect::Mqtt.intersection("dt/#", "dt").as_deref(), Some("dt"));
    assert_eq!(Dialect::Aws.intersection("dt/#", "dt"), None);
}

#[test]
fn aws_takes_short_and_shallow_topics() {
    let aws = Dialect::Aws;
    assert_eq!(aws.valid_topic(&"x".repeat(257)), Err(Invalid::TooLong(256)));
    assert_eq!(Dialect::Mqtt.valid_topic(&"x".repeat(257)), Ok(()));
    assert_eq!(Dialect::Mqtt.valid_topic(&"x".repeat(65_536)), Err(Invalid::TooLong(65_535)));
    assert_eq!(aws.valid_filter("a/b/c/d/e/f/g/h/#"), Err(Invalid::TooDeep(7)));
    assert_eq!(aws.valid_filter("$aws/things/+/shadow/name/+/update/delta"), Ok(()));
    // The prefix of Basic Ingest and that of a shared subscription do not count.
    assert_eq!(aws.valid_topic("$aws/rules/rule/a/b/c/d/e/f/g/h"), Ok(()));
    assert_eq!(aws.valid_topic("$aws/rules/rule/a/b/c/d/e/f/g/h/i"), Err(Invalid::TooDeep(7)));
    assert_eq!(aws.valid_filter("$share/g/a/b/c/d/e/f/g/h"), Ok(()));
    assert_eq!(aws.valid_filter("x\0"), Err(Invalid::Null));
}

#[test]
fn a_shared_subscription_brings_a_part() {
    for d in [Dialect::Mqtt, Dialect::Aws] {
        assert!(d.matches("$share/g/a/+", "a/x") && !d.matches("$share/g/+/x", "$aws/x"));
        assert!(d.covers("a/#", "$share/g/a/+") && !d.covers("$share/g/a/#", "a/x"));
        assert!(d.covers("$share/g/a", "$share/g/a") && d.meets("$share/g/a", "+"));
        for bad in ["$share/g", "$share//a", "$share/+/a", "$share/g/"] {
            assert!(d.valid_filter(bad).is_err(), "{bad}");
        }
    }
}
