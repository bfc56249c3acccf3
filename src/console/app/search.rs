//! A filter of the device table asks the fleet index too: of an account too large to list, most things are not known here.

use quell_fleet::model::Name;
use quell_fleet::{Ms, SourceId};

use super::{App, Effect, Env, Filter, ListId};

/// Who types on does not want the answer to what was typed until now.
const PAUSE: Ms = 400;

/// What was asked, and what is being typed since when.
#[derive(Debug, Default)]
pub(super) struct Search {
    asked: Option<String>,
    typed: Option<(String, Ms)>,
}

impl App {
    /// What the fleet index is asked for the filter of the device table; `None` where it is not.
    pub(crate) fn searched(&self, env: &Env<'_>) -> Option<SourceId> {
        env.fleet.indexing().used().filter(|_| !self.replay)?;
        let query = self.filter_of(ListId::Devices).and_then(Filter::query)?;
        Some(SourceId::Search(Name::new(&query)))
    }

    pub(super) fn search_index(&mut self, env: &Env<'_>) {
        let Some(SourceId::Search(query)) = self.searched(env) else {
            self.search = Search::default();
            return;
        };
        let (query, state) = (query.raw(), &mut self.search);
        if state.asked.as_deref() == Some(query) {
            return;
        }
        match &state.typed {
            Some((typed, since)) if typed == query => {
                if env.now - since >= PAUSE {
                    state.asked = Some(query.to_owned());
                    self.effects.push(Effect::ReadSoon(vec![SourceId::Search(Name::new(query))]));
                }
            }
            _ => state.typed = Some((query.to_owned(), env.now)),
        }
    }
}
