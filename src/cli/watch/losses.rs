//! Stretches in which less was seen than happened, each said once, when it is over: what began them was said when it began, as
//! a link near its limit or a poll that is throttled.

use serde_json::{Value, json};

use crate::cli::output::iso;
use quell_fleet::model::Name;
use quell_fleet::{Loss, LossKind, Losses};

/// What was said already of what is listed.
#[derive(Debug, Default)]
pub(super) struct Said(Vec<Loss>);

impl Said {
    /// What has ended since the last time: when, and the line's own members.
    pub(super) fn ended(&mut self, losses: &Losses) -> Vec<(i64, Value)> {
        // Lost connections and merged messages have lines of their own.
        let ended = losses.iter().filter(|loss| {
            loss.to.is_some() && matches!(loss.kind, LossKind::AtLimit | LossKind::Throttled(_))
        });
        let ended: Vec<Loss> = ended.cloned().collect();
        let lines = ended.iter().filter(|loss| !self.0.contains(loss)).filter_map(line).collect();
        self.0 = ended;
        lines
    }
}

fn line(loss: &Loss) -> Option<(i64, Value)> {
    let to = loss.to?;
    let (since, ms) = (iso(loss.from), to - loss.from);
    let rest = match &loss.kind {
        LossKind::AtLimit => json!({"reason": "at the limit", "since": since, "milliseconds": ms}),
        LossKind::Throttled(source) => {
            let (source, subject) = (source.name(), source.about().map(Name::raw));
            let mut rest =
                json!({"reason": "throttled", "source": source, "since": since, "milliseconds": ms});
            if let (Some(subject), Some(rest)) = (subject, rest.as_object_mut()) {
                rest.insert("subject".to_owned(), subject.into());
            }
            rest
        }
        LossKind::NotConnected(_) | LossKind::Merged(_) => return None,
    };
    Some((to, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use quell_fleet::event::{Batch, Counted, Event, LinkEvent, Poll, Reading, TopicEntry};
    use quell_fleet::known::{Trouble, TroubleKind};
    use quell_fleet::model::Name;
    use quell_fleet::{Fleet, Limits, SourceId};

    const T0: i64 = 1_700_000_000_000;

    fn lines(said: &mut Said, fleet: &Fleet) -> Vec<Value> {
        said.ended(fleet.losses()).into_iter().map(|(_, rest)| rest).collect()
    }

    #[test]
    fn a_stretch_at_the_limit_is_said_once_it_is_over() {
        let mut fleet = Fleet::new(Limits { ceiling: Some((100.0, 524_288.0)), ..Limits::default() });
        let mut said = Said::default();
        let up = LinkEvent::Up { at: T0, client_id: "c".into(), filters: vec!["dt/#".into()] };
        fleet.apply(Event::Link(up), T0);
        let entry = TopicEntry { id: 0, topic: "dt/a".into(), thing: Some(Name::new("a")), telemetry: true };
        fleet.apply(Event::Batch(Batch { topics: vec![entry], ..Batch::default() }), T0);
        for second in 0..10 {
            let at = T0 + second * 1000;
            let counted = Counted { topic: 0, count: 100, bytes: 1000, largest: 10, last: 10, at };
            fleet.apply(Event::Batch(Batch { counted: vec![counted], ..Batch::default() }), at);
            fleet.tick(at + 999);
            assert!(lines(&mut said, &fleet).is_empty(), "it lasts");
        }
        fleet.tick(T0 + 60_000);
        let found = lines(&mut said, &fleet);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0]["reason"], "at the limit");
        assert!(found[0]["milliseconds"].as_i64().unwrap() > 4_000, "{found:?}");
        fleet.tick(T0 + 61_000);
        assert!(lines(&mut said, &fleet).is_empty(), "once");
    }

    #[test]
    fn each_throttled_source_is_its_own_stretch() {
        let mut fleet = Fleet::new(Limits::default());
        let mut said = Said::default();
        let mut generation = 0;
        let mut poll = |fleet: &mut Fleet, source: &SourceId, at, outcome| {
            generation += 1;
            let poll = Poll { source: source.clone(), generation, at, outcome, next_at: None };
            fleet.apply(Event::Poll(poll), at);
        };
        let group = SourceId::Members(Name::new("Quarantine"));
        for source in [&SourceId::Violations, &group] {
            let (kind, message) = (TroubleKind::Throttled, "slower".into());
            let trouble = Trouble { kind, message, missing_action: None, since: T0 };
            poll(&mut fleet, source, T0, Err(trouble));
        }
        assert!(lines(&mut said, &fleet).is_empty());
        poll(&mut fleet, &SourceId::Violations, T0 + 5_000, Ok(Reading::Violations(Vec::new())));
        let found = lines(&mut said, &fleet);
        assert_eq!((found.len(), &found[0]["source"]), (1, &"violations".into()));
        assert_eq!(found[0]["milliseconds"], 5_000);
        poll(&mut fleet, &group, T0 + 7_000, Ok(Reading::Members(Name::new("Quarantine"), None)));
        let found = lines(&mut said, &fleet);
        assert_eq!((found.len(), &found[0]["subject"]), (1, &"Quarantine".into()));
    }
}
