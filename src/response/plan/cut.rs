//! Cutting one session of an identity that several use, where the rest shall go on.

use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_fleet::{ClonedIdentity, Sharing};

use super::draft::{Draft, listed};
use super::facts::{Facts, ThingFacts};
use super::request::{Proof, Request, Work, stays_away};
use super::{Intent, Level};

/// Says of a device whose identity two devices use what is known of the two, and offers to cut one of them.
pub(super) fn offer(draft: &mut Draft<'_>, thing: &ThingFacts, alone: bool) {
    let name = thing.target.thing.raw();
    if let Some(cloned) = &thing.target.cloned {
        draft.note(Level::Danger, format!("{name}: {}", cloned.sentence()));
        draft.note(Level::Info, "isolating holds both: a policy knows the identity, not the device");
    }
    let Some(client) = one_to_cut(thing).filter(|_| alone) else { return };
    let which = thing.target.cloned.as_ref().and_then(|cloned| holder(cloned, &client));
    let which = which.map_or_else(String::new, |which| format!(" (now the one {which})"));
    draft
        .note(Level::Info, format!("or cut only the session of {}{which}, and leave the rest", client.raw()));
    draft.cut = Some(Intent::Cut { things: vec![thing.target.clone()], client });
}

/// The session one would cut: of two client ids that are connected the one that came later, or that is not the thing's name.
fn one_to_cut(thing: &ThingFacts) -> Option<Name> {
    if let Some(cloned) = &thing.target.cloned {
        return cloned.clients().last().map(|client| (*client).clone());
    }
    let connected: Vec<_> = thing.seen().filter(|client| client.connected == Ok(Some(true))).collect();
    let other = connected.iter().find(|client| client.id != thing.target.thing);
    other.filter(|_| connected.len() > 1).map(|client| client.id.clone())
}

/// Which of the two devices a session is of, as far as is known.
fn holder(cloned: &ClonedIdentity, client: &Name) -> Option<String> {
    match cloned.sharing {
        Sharing::InTurn { holds, .. } => holds.map(|voice| cloned.which(voice)),
        Sharing::AtOnce { .. } => {
            let of_it = cloned.voices.iter().position(|voice| voice.client.as_ref() == Some(client));
            of_it.map(|voice| cloned.which(voice))
        }
    }
    .filter(|which| !which.is_empty())
}

/// The plan that cuts one session.
pub(super) fn cut(draft: &mut Draft<'_>, facts: &Facts, client: &Name) {
    for thing in facts.things.iter().filter(|thing| thing.registered) {
        let name = thing.target.thing.raw();
        let Some(known) = thing.seen().find(|known| known.id == *client) else {
            draft.refuse(format!(
                "{} was not seen to connect with a principal of {name}: quell cuts no client by a guess",
                client.raw()
            ));
            continue;
        };
        if matches!(known.connected, Ok(Some(false) | None)) {
            draft.nothing = Some(SafeText::new(&format!("{} is not connected", client.raw())));
        }
        let others: Vec<Name> = thing.seen().map(|c| c.id.clone()).filter(|id| id != client).collect();
        let silence = draft.rules.silence(thing.target.cadence);
        if let Some(cloned) = &thing.target.cloned {
            draft.note(Level::Warn, format!("{name}: {}", cloned.sentence()));
            if let Some(which) = holder(cloned, client) {
                draft.note(Level::Info, format!("the session of {} is now of the one {which}", client.raw()));
            }
        }
        if others.is_empty() {
            draft.note(
                Level::Warn,
                "under one client id the cut ends whichever session is there at that moment, and both may come back: \
                 only isolating holds them",
            );
        } else {
            let names: Vec<&Name> = others.iter().collect();
            draft.note(Level::Info, format!("left as they are: {}", listed(&names)));
            draft.note(Level::Warn, "nothing keeps it from coming back: if it does, isolate or deactivate");
        }
        draft.prove(stays_away(client, silence, others.is_empty()));
        draft.prove("one session or none is left, by GetConnection");
        let clients = std::iter::once(client.clone()).chain(others).collect();
        let cut = Request::Cut { client: client.clone() };
        let proof = Proof::OneLeft { cut: client.clone(), silence };
        draft.work.push(Work { clients, ..thing.work(vec![cut], proof) });
    }
}
