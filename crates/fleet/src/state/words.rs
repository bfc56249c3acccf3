//! One word for a device: the table. [`word`] is the only function that makes one, and every screen and output uses it.

use std::fmt;

use crate::Ms;

use super::facets::{Containment, Facets, Health, Hearing, Voice};

/// The worst true thing about a device; worst first, and so in every list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Word {
    /// Held, or so it was meant, and yet heard.
    Leaking,
    /// A response failed or was left.
    NotHeld,
    /// AWS has a violation of it.
    Alarm,
    /// quell finds a behaviour not met.
    Finding,
    /// Out of its own ordinary.
    Warning,
    /// A response is in flight.
    Containing,
    /// Isolated as far as asked, and a proof is missing.
    Unproven,
    /// Denied, cut off and silent.
    Contained,
    /// Its certificates are revoked and it is silent.
    Revoked,
    /// No sign of any kind for much longer than usual.
    Silent,
    /// Listened to, never a telemetry message.
    NoData,
    /// Listened to, heard, nothing against it.
    Ok,
    /// None of the above can be said.
    Unknown,
    /// Not a device: a topic that belongs to no known thing.
    Unattributed,
}

/// What the table says of a word.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The word.
    pub word: Word,
    /// As it is written.
    pub text: &'static str,
    /// One letter, for maps of many devices.
    pub letter: &'static str,
    /// True when it speaks of now: without a listener it carries its age.
    pub present: bool,
    /// What it means.
    pub means: &'static str,
    /// What to do.
    pub to_do: &'static str,
}

/// The word for what is known. Read it from the top: the first line that fits counts.
///
/// No line ends in a wildcard over all four answers: a new value of a facet does not compile until it has its place.
pub fn word(facets: &Facets<'_>) -> Word {
    use Containment as C;
    use Health as H;
    use Voice as V;
    match (facets.containment, facets.health, facets.life.voice) {
        // Held, meant to be held, or being held: what was done about a device answers what is against it.
        (C::Leaking { .. }, _, _) => Word::Leaking,
        (C::Failed { .. }, _, _) => Word::NotHeld,
        (C::Asked { .. }, _, _) => Word::Containing,
        (C::Unproven { .. }, _, _) => Word::Unproven,
        (C::Contained(_), _, _) => Word::Contained,
        (C::Revoked(_), _, _) => Word::Revoked,
        // Nobody answered yet. A membership alone is no answer.
        (C::None | C::InGroup { .. }, H::Alarm { .. }, _) => Word::Alarm,
        (C::None | C::InGroup { .. }, H::Finding { .. }, _) => Word::Finding,
        (C::None | C::InGroup { .. }, H::Warning(_), _) => Word::Warning,
        (C::InGroup { .. }, H::Fine | H::Unknown(_), _) => Word::Unproven,
        // Nothing against it, as far as is known.
        (C::None, H::Fine | H::Unknown(_), V::Silent) => Word::Silent,
        (C::None, H::Fine | H::Unknown(_), V::NoData) => Word::NoData,
        (C::None, H::Fine | H::Unknown(_), V::Heard) => Word::Ok,
        (C::None, H::Fine | H::Unknown(_), V::Unknown(_)) => Word::Unknown,
    }
}

/// Since when a word that speaks of now is no longer heard to be true; `None` while it is, or when it does not. `said` is
/// when the word was made: where nobody ever listened, it is as old as what it was made of.
pub fn as_of(word: Word, facets: &Facets<'_>, said: Ms) -> Option<Ms> {
    let at = match facets.hearing {
        Hearing::Listening { .. } => return None,
        Hearing::NotListening { since, .. } => since,
        Hearing::Unknown(_) => match facets.containment {
            Containment::Contained(proof) | Containment::Revoked(proof) => proof.proven(),
            Containment::Leaking { at, .. } => at,
            _ => said,
        },
    };
    word.is_present().then_some(at)
}

impl Word {
    /// All, worst first.
    pub const ALL: [Self; 14] = [
        Self::Leaking,
        Self::NotHeld,
        Self::Alarm,
        Self::Finding,
        Self::Warning,
        Self::Containing,
        Self::Unproven,
        Self::Contained,
        Self::Revoked,
        Self::Silent,
        Self::NoData,
        Self::Ok,
        Self::Unknown,
        Self::Unattributed,
    ];

    /// As it is written everywhere.
    pub fn text(self) -> &'static str {
        self.entry().text
    }

    /// One letter, for maps of many devices; capitals are loud.
    pub fn letter(self) -> &'static str {
        self.entry().letter
    }

    /// True when it speaks of now: without a listener it carries its age.
    pub fn is_present(self) -> bool {
        self.entry().present
    }

    /// True for what somebody has to look at now.
    pub fn is_loud(self) -> bool {
        self <= Self::Finding
    }

    /// Its line of the table.
    pub fn entry(self) -> Entry {
        let entry =
            |text, letter, present, means, to_do| Entry { word: self, text, letter, present, means, to_do };
        match self {
            Self::Leaking => entry(
                "LEAKING",
                "L",
                true,
                "A sign of life came after the proof, or after membership of a group that denies once AWS's delay is over, \
                 or at all where the group denies nothing.",
                "Revoke its certificate (`R`), or deactivate it (`D`): the policy does not hold it. The row says by what it \
                 was heard, and when.",
            ),
            Self::NotHeld => entry(
                "NOT HELD",
                "N",
                false,
                "A response failed or was left. The row says what failed and what is left to do.",
                "Finish what is left (`F`), or release what was done (`u`).",
            ),
            Self::Alarm => entry(
                "ALARM",
                "A",
                false,
                "AWS Device Defender has an active violation of it, and no response has answered it.",
                "Look at the violation, then isolate it (`i`).",
            ),
            Self::Finding => entry(
                "FINDING",
                "F",
                true,
                "By quell's own judgement a behaviour of a security profile is not met, which AWS has not said; or two \
                 devices use its identity, which AWS does not look for.",
                "As for ALARM. AWS's own judgement of a behaviour comes with its next window; of a cloned identity the plan \
                 (`i`) offers to cut one session or to isolate both.",
            ),
            Self::Warning => entry(
                "WARNING",
                "w",
                true,
                "Out of its own ordinary: size, rate, silence, reconnects. No behaviour is broken.",
                "Watch it; the row says what is unusual and by how much.",
            ),
            Self::Containing => entry(
                "CONTAINING",
                "~",
                false,
                "A response is in flight and has not failed. The row says whose, for how long, and what is waited for.",
                "Wait; `A` shows the staircase.",
            ),
            Self::Unproven => entry(
                "UNPROVEN",
                "U",
                false,
                "Isolated as far as was asked, and one of the proofs could not be had, or is not there yet. The row says \
                 which.",
                "Mend what the row names: read rights, a certificate, a policy that denies. Or isolate it again (`i`).",
            ),
            Self::Contained => entry(
                "CONTAINED",
                "C",
                true,
                "A deny is in effect, its connection is gone or refused, and it is silent (or was refused twice): each \
                 with its evidence.",
                "Nothing. It is watched for leaks; `u` lets it go.",
            ),
            Self::Revoked => entry(
                "REVOKED",
                "x",
                true,
                "Its certificates are revoked and it is silent, likewise proven.",
                "Give it a new certificate when it is clean. A revoked one cannot be made active again.",
            ),
            Self::Silent => entry(
                "SILENT",
                "-",
                true,
                "It was listened to all along, and there was no sign of any kind for much longer than usual, or its \
                 disconnect settled.",
                "Ask why it is off: power, network, or somebody else's cut.",
            ),
            Self::NoData => entry(
                "NO DATA",
                "n",
                true,
                "It was listened to, and never sent a telemetry message. What else was seen of it is said (`shadow 1 s \
                 ago`).",
                "If it should speak, check its topic against the filters (`:connection`).",
            ),
            Self::Ok => entry("ok", "o", true, "Listened to, heard, and nothing is against it.", "Nothing."),
            Self::Unknown => entry(
                "UNKNOWN",
                "?",
                false,
                "None of the others can be said. The row says why.",
                "Mend what the row names: the connection, a refused filter, or let it be streamed by opening it.",
            ),
            Self::Unattributed => entry(
                "unattributed",
                "t",
                false,
                "Not a device: a topic that belongs to no known thing.",
                "Say how a topic names its thing (`thing-from`).",
            ),
        }
    }

    /// The table as a page: each word, what it means, what to do. `docs/words.md` is this.
    pub fn page() -> String {
        let mut out = String::from(
            "# The words about a device\n\n\
             The list, the device view, the grid, instructor mode, the header's counts, `quell things`, `quell watch`, reports and\n\
             replays say the same word of the same device, the worst that is true. This page is made from the table in\n\
             `crates/fleet/src/state/words.rs`; `UPDATE_DOCS=1 cargo test -p quell-fleet --test words` writes it anew.\n\n\
             A word comes from four answers, each with its evidence, and each may be *unknown*, with the reason:\n\n\
             - **hearing**: could it be heard now? The connection, the filters, the limit of the connection.\n\
             - **life**: what was seen of it? Telemetry, shadow reports, connects, job updates, agent reports, refused connects.\n\
             - **health**: is anything against it? AWS's violations, quell's findings, warnings.\n\
             - **containment**: is it held? A response, a group and whether it denies, the proofs.\n\n\
             While nothing can be heard, every word marked ◷ carries its age (`ok 20 s ago`) and is dimmed: it was true then.\n\n\
             | word | letter | means | what to do |\n| --- | --- | --- | --- |\n",
        );
        for word in Self::ALL {
            let Entry { text, letter, present, means, to_do, .. } = word.entry();
            let mark = if present { " ◷" } else { "" };
            out.push_str(&format!("| `{text}`{mark} | `{letter}` | {means} | {to_do} |\n"));
        }
        out
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_every_word_and_letter_is_its_own() {
        assert!(Word::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        for (i, a) in Word::ALL.into_iter().enumerate() {
            assert_eq!(a as usize, i);
            for b in Word::ALL.into_iter().skip(i + 1) {
                assert!(a.text() != b.text() && a.letter() != b.letter(), "{a} {b}");
            }
        }
    }
}
