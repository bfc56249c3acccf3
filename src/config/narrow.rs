//! The filters of single things in place of those of all: what a large account is streamed by. A filter can be narrowed
//! where a rule of `thing-from` says which level names the thing, or where it is one topic and a rule says whose.

use super::{Settings, ThingFrom, shares};

impl Settings {
    /// Why the telemetry filters cannot be narrowed to single things; `None` when they can.
    pub fn cannot_narrow(&self) -> Option<String> {
        if !self.narrow {
            return Some("fleet.stream is \"all\"".to_owned());
        }
        let wide = self.topics.iter().find(|filter| is_wide(filter))?;
        let rule = self.thing_from.iter().find(|rule| rule.level().is_none());
        match rule {
            Some(rule) => Some(format!(
                "the rule {:?} does not say which level of {wide} names the thing: write it with {{thing}}",
                rule.written()
            )),
            None if self.thing_from.is_empty() => {
                Some(format!("no rule of thing-from says which level of {wide} names the thing"))
            }
            None => None,
        }
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
            let narrowed: Vec<String> = if is_wide(filter) {
                let levels = self.thing_from.iter().filter_map(ThingFrom::level);
                levels.filter_map(|rule| shares::meet(filter, &rule.replace("{thing}", thing))).collect()
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
        self.topics.iter().filter(|filter| !is_wide(filter) && self.thing_of(filter).is_none())
    }

    fn thing_of(&self, topic: &str) -> Option<String> {
        self.thing_from.iter().find_map(|rule| rule.thing(topic))
    }
}

fn is_wide(filter: &str) -> bool {
    filter.split('/').any(|level| level == "+" || level == "#")
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
        assert!(Settings { narrow: false, ..Settings::default() }.cannot_narrow().is_some());
    }
}
