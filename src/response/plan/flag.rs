//! Plans that ask devices by their shadow to quarantine themselves, as the workshop's function did. Nothing holds such a device:
//! what is proven is that its shadow asks, and that it reports that it does.

use serde_json::Value;

use quell_fleet::text::SafeText;

use super::Level;
use super::draft::Draft;
use super::facts::Facts;
use super::request::{Proof, Request, Work};

pub(super) fn flag(draft: &mut Draft<'_>, facts: &Facts) {
    for thing in facts.things.iter().filter(|thing| thing.registered) {
        let name = &thing.target.thing;
        if thing.flag == Some(Value::Bool(true)) {
            draft.note(Level::Info, format!("the shadow of {} asks for it already", name.raw()));
            continue;
        }
        let to = Some(Value::Bool(true));
        let ask = Request::Flag { thing: name.clone(), to, was: thing.flag.clone() };
        draft.work.push(Work::of(name.clone(), vec![ask], Proof::Flagged));
    }
    if draft.work.is_empty() && draft.refused.is_none() {
        draft.nothing = Some(SafeText::new("the shadow of every one of them asks for it already"));
    }
    draft.note(Level::Warn, "nothing holds a device that does not do what its shadow asks: isolate does");
    draft.prove("GetThingShadow shows it, and the device reports quarantine: true");
    let count = draft.work.len();
    draft.note(Level::Info, if count == 1 { "1 device".to_owned() } else { format!("{count} devices") });
}
