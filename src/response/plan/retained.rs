//! Clearing retained messages: an empty one on each topic takes the one that is kept away (docs/aws-iot.md#3.3).

use quell_fleet::format::seconds;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::Level;
use super::draft::Draft;
use super::facts::Facts;
use super::request::{Proof, Request, Work};

pub(super) fn clear(draft: &mut Draft<'_>, facts: &Facts, topics: &[String]) {
    for (thing, found) in &facts.retained {
        let topic = SafeText::new(&found.topic);
        let age = seconds((draft.now - found.at).max(0));
        draft.note(Level::Info, format!("{topic}: {} B, published {age} ago", found.bytes));
        let name = thing.clone().unwrap_or_else(|| Name::new(&found.topic));
        let request = Request::ClearRetained { topic: found.topic.clone() };
        match draft.work.iter_mut().find(|work| work.name == name) {
            Some(work) => work.requests.push(request),
            None => draft.work.push(Work::of(name, vec![request], Proof::Shown)),
        }
    }
    for thing in facts.things.iter().filter(|thing| thing.registered) {
        let name = &thing.target.thing;
        if thing.target.topics.is_empty() {
            draft.note(
                Level::Warn,
                format!("no topic of {} is known: only topics that bear its name are cleared", name.raw()),
            );
        }
    }
    if let Some(trouble) = &facts.unlisted {
        draft.note(
            Level::Warn,
            format!(
                "only topics it was heard on were asked for, others may be retained: {}",
                trouble.message
            ),
        );
    }
    for topic in topics.iter().filter(|topic| !facts.retained.iter().any(|(_, one)| one.topic == **topic)) {
        draft.note(Level::Info, format!("{}: nothing is retained", SafeText::new(topic)));
    }
    if draft.work.is_empty() {
        draft.nothing = Some(SafeText::new("nothing is retained there"));
        return;
    }
    draft.note(
        Level::Warn,
        "an empty message goes to each topic: subscribers receive it, and another console takes it for the device's",
    );
    draft.note(Level::Info, "whoever may publish there can have another retained: contain it first");
    draft.prove("GetRetainedMessage finds none");
}
