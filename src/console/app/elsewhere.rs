//! Going to another profile or region without leaving: what is offered, what forbids it, and beginning anew there.

use std::borrow::Cow;

use crate::config::{REGIONS, Secret};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::dialogs::{Dialog, PaletteDialog, Pick};
use super::{App, Effect, Elsewhere, Env, ListState, Pane, Section, Tone, View};

/// The words that begin a switch in the palette.
const WORDS: [&str; 2] = ["profile", "region"];

impl Elsewhere {
    /// `profile` or `region`.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Profile(_) | Self::Coded(..) => WORDS[0],
            Self::Region(_) => WORDS[1],
        }
    }

    /// Which.
    pub(crate) fn name(&self) -> &Name {
        match self {
            Self::Profile(name) | Self::Coded(name, _) | Self::Region(name) => name,
        }
    }
}

impl App {
    /// Offer the profiles.
    pub(crate) fn profile(&mut self, env: &Env<'_>) {
        self.palette_with(&format!("{} ", WORDS[0]), env);
    }

    /// Offer the regions.
    pub(crate) fn region(&mut self, env: &Env<'_>) {
        self.palette_with(&format!("{} ", WORDS[1]), env);
    }

    /// The palette, with what is typed already.
    pub(super) fn palette_with(&mut self, text: &str, env: &Env<'_>) {
        let palette = PaletteDialog::with(text, &self.here(env));
        self.effects.push(Effect::ReadProfiles);
        self.dialog = Some(Dialog::Palette(palette));
    }

    /// Goes elsewhere, unless that would cut a response off.
    pub(super) fn switch(&mut self, to: Elsewhere, env: &Env<'_>) {
        if self.is_responding() {
            let text = format!(
                "no other {} now: a response is running, and it would be cut off; A shows it",
                to.word()
            );
            return self.say(SafeText::new(&text), Tone::Warn, env.now);
        }
        self.effects.push(Effect::Switch(to));
    }

    /// The profiles' names were read: what is chosen stays chosen.
    pub(super) fn set_profiles(&mut self, profiles: Vec<Name>, env: &Env<'_>) {
        self.profiles = profiles;
        if let Some(Dialog::Palette(mut palette)) = self.dialog.take_if(|d| matches!(d, Dialog::Palette(_))) {
            palette.search_again(&self.here(env));
            self.dialog = Some(Dialog::Palette(palette));
        }
    }

    /// True while something that was confirmed has not ended: its proof would be cut off by going elsewhere.
    pub(crate) fn is_responding(&self) -> bool {
        self.responding() > 0
    }

    /// How many plans were confirmed and have not ended.
    pub(crate) fn responding(&self) -> usize {
        self.running().count() + self.unanswered.len()
    }

    /// The responses under way, as far as they were heard of.
    pub(crate) fn running(&self) -> impl Iterator<Item = &crate::response::ActionView> {
        self.actions.iter().filter(|action| action.finished.is_none())
    }

    /// Another account or region: nothing of the old one may stay in sight or under the cursor.
    pub(super) fn begin_anew(&mut self) {
        self.views = vec![View::Overview];
        self.pane = Pane::Devices;
        self.zoomed = false;
        for list in &mut self.lists {
            *list = ListState::default();
        }
        self.rows = super::DeviceRows::default();
        self.marks.clear();
        self.range = None;
        self.touched = false;
        self.paused = None;
        self.dialog = None;
        self.pending.clear();
        // What was planned there must not be answered here.
        self.generation += 1;
        self.epoch += 1;
        self.actions.clear();
        self.confirmed.clear();
        self.startup = None;
        self.leaks.clear();
        self.watching = None;
        self.shadow_wanted = None;
        self.section = Section::Messages;
        self.whatif = None;
        self.diagnosis = super::Diagnosis::Unknown;
        self.shown = None;
        self.paged = None;
        self.search = super::search::Search::default();
        (self.hits, self.inspected) = (None, None);
        self.streamed = super::streamed::Streamed::default();
    }
}

/// Digits of a code of an MFA device.
const CODE: usize = 6;

/// `profile NAME CODE`: the name and the code as far as it is typed.
fn coded(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim_start().strip_prefix(WORDS[0])?.strip_prefix(' ')?;
    let (name, code) = rest.trim().rsplit_once(' ')?;
    code.bytes().all(|b| b.is_ascii_digit()).then_some((name.trim(), code))
}

/// What is typed, as it may be shown: a code is not.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    match coded(text) {
        Some((_, code)) => {
            let kept = text.trim_end().len() - code.len();
            Cow::Owned(format!("{}{}", text.get(..kept).unwrap_or_default(), "*".repeat(code.len())))
        }
        None => Cow::Borrowed(text),
    }
}

/// What `text` offers when it begins with `profile` or `region`; `None` when it does not.
pub(in crate::console) fn offers(text: &str, profiles: &[Name]) -> Option<Vec<Pick>> {
    if let Some((name, code)) = coded(text)
        && code.len() == CODE
    {
        let code = Secret(code.to_owned());
        return Some(vec![Pick::Elsewhere(Elsewhere::Coded(Name::new(name), code))]);
    }
    let (word, rest) = text.trim_start().split_once(' ')?;
    let rest = rest.trim();
    let known: Vec<Name> = match word {
        "profile" => profiles.to_vec(),
        "region" => REGIONS.iter().map(|region| Name::new(region)).collect(),
        _ => return None,
    };
    let make = |name: Name| {
        Pick::Elsewhere(if word == WORDS[0] { Elsewhere::Profile(name) } else { Elsewhere::Region(name) })
    };
    let mut found: Vec<Name> = known.iter().filter(|name| name.raw() == rest).cloned().collect();
    let begins = |name: &&Name| name.raw().starts_with(rest) && name.raw() != rest;
    found.extend(known.iter().filter(begins).cloned());
    let holds = |name: &&Name| name.raw().contains(rest) && !name.raw().starts_with(rest);
    found.extend(known.iter().filter(holds).cloned());
    // One that is not known may be there all the same: AWS has the last word.
    if found.is_empty() && !rest.is_empty() {
        found.push(Name::new(rest));
    }
    Some(found.into_iter().map(make).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exact_name_comes_first_and_an_unknown_one_is_offered_as_typed() {
        let profiles = ["pre-prod", "prod", "prod-eu", "test"].map(Name::new);
        let names = |text: &str| {
            offers(text, &profiles).map(|picks| {
                picks
                    .iter()
                    .map(|pick| match pick {
                        Pick::Elsewhere(to) => format!("{} {}", to.word(), to.name().raw()),
                        other => panic!("{other:?}"),
                    })
                    .collect::<Vec<_>>()
            })
        };
        assert_eq!(names("profile prod").unwrap(), ["profile prod", "profile prod-eu", "profile pre-prod"]);
        assert_eq!(names("profile other").unwrap(), ["profile other"]);
        assert_eq!(names("profile ").unwrap().len(), 4);
        assert_eq!(names("region eu-w").unwrap()[0], "region eu-west-1");
        assert_eq!(names("profile prod 123456").unwrap(), ["profile prod"]);
        assert_eq!(shown("profile prod 1234"), "profile prod ****");
        assert_eq!(shown("profile 1234"), "profile 1234");
        assert_eq!(names("profiles"), None);
        assert_eq!(names("isolate it"), None);
    }
}
