//! The filters of single things in place of those of all: what a large account is streamed by. A filter can be narrowed
//! where a rule of `thing-from` says which level names the thing, or where it is one topic and a rule says whose.

use quell_rules::topics::{Dialect, is_wild};

use super::{Settings, ThingFrom};

impl Settings {
    /// Why the telemetry filters cannot be narrowed to single things; `None` when they can.
    pub fn cannot_narrow(&self) -> Option<String> {
        if !self.narrow {
            return Some("fleet.stream is \"all\"".to_owned());
        }
        self.topics.iter().filter(|filter| is_wild(filter)).find_map(|wide| {
            let mut rules = self.rules_for(wide).peekable();
            if rules.peek().is_none() {
                return Some(format!("no rule of thing-from says which level of {wide} names the thing"));
            }
            rules.find(|rule| rule.filter_of("").is_err()).map(|rule| {
                format!(
                    "the rule {:?} does not say which level of {wide} names the thing: write it with {{thing}}",
                    rule.written()
                )
            })
        })
    }

    /// The rules that may explain a topic the filter matches.
    fn rules_for<'a>(&'a self, filter: &'a str) -> impl Iterator<Item = &'a ThingFrom> {
        let begins = filter.split(['+', '#']).next().unwrap_or_default();
        self.thing_from.iter().filter(move |rule| {
            let rule = rule.begins();
            rule.starts_with(begins) || begins.starts_with(rule)
        })
    }

    /// True when a large account is streamed by single things.
    pub fn narrows(&self) -> bool {
        self.aws && self.index_above > 0 && self.cannot_narrow().is_none()
    }

    /// The telemetry filters that bring what `thing` sends and nothing of other things; none when there are none for it.
    /// Meaningless where [`Self::cannot_narrow`].
    pub fn topics_of(&self, thing: &str) -> Vec<String> {
        // A name with these in it would be a filter for others.
        if thing.is_empty() || thing.contains(['/', '+', '#']) {
            return Vec::new();
        }
        let mut own: Vec<String> = Vec::new();
        for filter in &self.topics {
            let narrowed: Vec<String> = if is_wild(filter) {
                let own = self.rules_for(filter).filter_map(|rule| rule.filter_of(thing).ok().flatten());
                own.flat_map(|own| self.whole(own))
                    .filter_map(|own| self.dialect().intersection(filter, &own))
                    .collect()
            } else {
                (self.thing_of(filter).as_deref() == Some(thing))
                    .then(|| filter.clone())
                    .into_iter()
                    .collect()
            };
            for filter in narrowed {
                if !own.contains(&filter) {
                    own.push(filter);
                }
            }
        }
        own
    }

    /// Single topics that belong to no thing: they are heard however narrow the rest is.
    pub fn topics_of_none(&self) -> impl Iterator<Item = &String> {
        self.topics.iter().filter(|filter| !is_wild(filter) && self.thing_of(filter).is_none())
    }

    /// A rule's filter, and what the same rule explains beside it: `dt/{thing}/#` names the thing of `dt/T` too, which
    /// `dt/T/#` does not bring on AWS.
    fn whole(&self, own: String) -> impl Iterator<Item = String> + use<> {
        let above = own.strip_suffix("/#").filter(|_| self.dialect() == Dialect::Aws).map(str::to_owned);
        std::iter::once(own).chain(above)
    }

    fn thing_of(&self, topic: &str) -> Option<String> {
        ThingFrom::of(&self.thing_from, topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(topics: &[&str], rules: &[&str]) -> Settings {
        Settings {
            topics: topics.iter().map(|t| (*t).to_owned()).collect(),
            thing_from: rules.iter().map(|r| ThingFrom::parse(r).unwrap()).collect(),
            ..Settings::default()
        }
    }

    #[test]
    fn filters_are_narrowed_where_a_rule_names_the_level() {
        let dt = settings(&["dt/+/+/data", "cmd/#", "plant/alarm"], &["dt/+/{thing}/#", "cmd/{thing}/+"]);
        assert_eq!(dt.cannot_narrow(), None);
        assert_eq!(dt.topics_of("pump-7"), ["dt/+/pump-7/data", "cmd/pump-7/+"]);
        assert_eq!(dt.topics_of_none().collect::<Vec<_>>(), ["plant/alarm"]);
        assert!(dt.topics_of("a/+").is_empty(), "a name must not widen a filter");
        let tree = settings(&["dt/#"], &["dt/{thing}/#"]);
        assert_eq!(
            tree.topics_of("pump-7"),
            ["dt/pump-7/#", "dt/pump-7"],
            "on AWS one does not bring the other"
        );
        let elsewhere = Settings { aws: false, ..tree };
        assert_eq!(elsewhere.topics_of("pump-7"), ["dt/pump-7/#"]);
        let part = settings(&["dev-1/t", "+/t"], &["dev-{thing}/t"]);
        assert_eq!(part.topics_of("1"), ["dev-1/t"]);
    }

    #[test]
    fn single_topics_are_their_things_and_a_pattern_cannot_be_turned_round() {
        let workshop = Settings::default();
        assert_eq!(workshop.cannot_narrow(), None);
        assert_eq!(workshop.topics_of("Thing02"), ["temperature-device-02"]);
        assert!(workshop.topics_of("Thing09").is_empty());
        let pattern = settings(&["dt/+/data"], &[r"dt/(\w+)/data=$1"]);
        let why = pattern.cannot_narrow().unwrap();
        assert!(why.contains("does not say which level of dt/+/data"), "{why}");
        assert!(settings(&["dt/+/data"], &[]).cannot_narrow().is_some());
        // A pattern that cannot explain what the filter brings does not matter, and one topic is no pattern.
        let mixed = settings(
            &["dt/+/data", "temperature-device-01", "plant/+"],
            &[r"temperature-device-(\d+)=Thing$1", "plant/main=Boiler", "dt/{thing}/data"],
        );
        assert_eq!(mixed.cannot_narrow(), None);
        assert_eq!(mixed.topics_of("Thing01"), ["dt/Thing01/data", "temperature-device-01"]);
        assert_eq!(mixed.topics_of("Boiler"), ["dt/Boiler/data", "plant/main"]);
        for pattern in [r"dt?/(\w+)/data=$1", r"a|dt/(\w+)/data=$1", r"(dt)/(\w+)/data=$2", r"d+t/(.*)=$1"] {
            assert!(
                settings(&["dt/+/data"], &[pattern, "dt/{thing}/data"]).cannot_narrow().is_some(),
                "{pattern}"
            );
        }
        assert!(Settings { narrow: false, ..Settings::default() }.cannot_narrow().is_some());
    }
}
