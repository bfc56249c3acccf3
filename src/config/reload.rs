//! What of a configuration that changed holds at once, and what only from the next start.

use super::explain::changed;
use super::key::Holds;
use super::{KEYS, Settings, shares};

/// What a changed configuration came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Keys that hold now.
    pub now: Vec<&'static str>,
    /// Keys that hold from the next start.
    pub later: Vec<&'static str>,
}

impl Settings {
    /// Takes over what may change while it runs from `new`, which was loaded as `loaded` was. What else differs is left
    /// as it is, and named.
    pub fn take_live(&mut self, loaded: &Self, new: &Self) -> Reloaded {
        let differ = changed(loaded, new);
        let (mut now, later): (Vec<_>, Vec<_>) = differ
            .into_iter()
            .partition(|name| KEYS.iter().any(|key| key.name == *name && key.holds == Holds::Live));
        if loaded.guardrails != new.guardrails && !now.iter().any(|key| key.starts_with("guardrails")) {
            now.push("guardrails");
        }
        for key in KEYS.iter().filter(|key| key.holds == Holds::Live) {
            (key.keep)(self, new);
        }
        self.look_from.clone_from(&new.look_from);
        self.guardrails.clone_from(&new.guardrails);
        Reloaded { now, later }
    }

    /// How many MQTT connections the filters keep busy, up to `mqtt.connections`. Filters that can be narrowed to single
    /// things keep as many busy as there are.
    pub fn connections(&self) -> usize {
        if self.narrows() {
            return self.mqtt.connections.max(1) as usize;
        }
        shares::count(self.dialect(), &self.topics, self.mqtt.connections as usize)
    }

    /// The telemetry filters of each of so many connections.
    pub fn shares(&self, connections: usize) -> Vec<Vec<String>> {
        shares::split(self.dialect(), &self.topics, connections)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_change_changes_and_the_rest_is_named() {
        let loaded = Settings::default();
        let mut mine = Settings { region: Some("eu-west-1".into()), ..loaded.clone() };
        let new = Settings {
            topics: vec!["dt/+".into()],
            theme: Some("light".into()),
            read_only: true,
            region: Some("us-east-1".into()),
            max_fps: Some(10),
            ..loaded.clone()
        };
        let told = mine.take_live(&loaded, &new);
        assert_eq!(told.now, ["topics", "read-only", "theme"]);
        assert_eq!(told.later, ["region", "max-fps"]);
        assert_eq!((mine.topics.as_slice(), mine.read_only), (&["dt/+".to_owned()][..], true));
        assert_eq!((mine.region.as_deref(), mine.max_fps), (Some("eu-west-1"), None));
    }
}
