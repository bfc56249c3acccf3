//! Several connections as one: the link is up when all are, and down as soon as one is, because then something is not
//! heard.

use std::sync::Arc;

use parking_lot::Mutex;

use quell_fleet::event::LinkEvent;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

/// What is known of one connection.
#[derive(Clone, Debug, Default)]
struct Place {
    /// The client id of one that is up.
    up: Option<SafeText>,
    filters: Vec<SafeText>,
    /// The things it is narrowed to.
    things: Option<Vec<Name>>,
}

/// One connection's place among those that share the load.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) index: usize,
    pub(super) of: usize,
    places: Arc<Mutex<Vec<Place>>>,
}

impl Share {
    /// All places among so many.
    pub(super) fn all(of: usize) -> Vec<Self> {
        let places = Arc::new(Mutex::new(vec![Place::default(); of]));
        (0..of).map(|index| Self { index, of, places: Arc::clone(&places) }).collect()
    }

    /// What this connection's event means for all; `None` while nothing changes.
    pub(super) fn together(&self, event: LinkEvent) -> Option<LinkEvent> {
        if self.of == 1 {
            return Some(event);
        }
        let mut places = self.places.lock();
        let own = places.get_mut(self.index)?;
        match event {
            LinkEvent::Up { at, client_id, filters } => {
                (own.up, own.filters) = (Some(client_id), filters);
                let client_id = places.first()?.up.clone()?;
                let filters = all_filters(&places);
                places.iter().all(|place| place.up.is_some()).then_some(LinkEvent::Up {
                    at,
                    client_id,
                    filters,
                })
            }
            LinkEvent::Focus { at, things, wanted, filters } => {
                (own.things, own.filters) = (things, filters);
                // As soon as one is narrowed, only what they are narrowed to is sure to be heard.
                let narrowed = places.iter().any(|place| place.things.is_some());
                let things = places.iter().filter_map(|place| place.things.as_ref()).flatten().cloned();
                let things = narrowed.then(|| things.collect());
                Some(LinkEvent::Focus { at, things, wanted, filters: all_filters(&places) })
            }
            LinkEvent::Down { at, reason, retry_at } => {
                own.up = None;
                let text = format!("connection {} of {}: {reason}", self.index + 1, self.of);
                Some(LinkEvent::Down { at, reason: SafeText::new(&text), retry_at })
            }
            other => Some(other),
        }
    }
}

fn all_filters(places: &[Place]) -> Vec<SafeText> {
    places.iter().flat_map(|place| place.filters.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_down_is_a_gap_of_all() {
        let shares = Share::all(2);
        let up = |filter: &str| LinkEvent::Up { at: 1, client_id: "c".into(), filters: vec![filter.into()] };
        assert!(shares[0].together(up("a")).is_none());
        let Some(LinkEvent::Up { filters, .. }) = shares[1].together(up("b")) else { panic!("not up") };
        assert_eq!(filters, [SafeText::new("a"), SafeText::new("b")]);
        let down = LinkEvent::Down { at: 2, reason: "cable".into(), retry_at: None };
        let Some(LinkEvent::Down { reason, .. }) = shares[1].together(down) else { panic!("not down") };
        assert_eq!(reason.as_str(), "connection 2 of 2: cable");
        assert!(shares[0].together(up("a")).is_none(), "the other is still down");
        assert!(shares[1].together(up("b")).is_some());
    }

    #[test]
    fn what_each_is_narrowed_to_is_heard_together() {
        let shares = Share::all(2);
        let focus = |things: Option<&[&str]>| LinkEvent::Focus {
            at: 1,
            things: things.map(|list| list.iter().map(|name| Name::new(name)).collect()),
            wanted: 2,
            filters: Vec::new(),
        };
        let heard = |event: Option<LinkEvent>| match event {
            Some(LinkEvent::Focus { things, .. }) => things,
            other => panic!("{other:?}"),
        };
        assert_eq!(heard(shares[0].together(focus(Some(&["a"])))), Some(vec![Name::new("a")]));
        let both = vec![Name::new("a"), Name::new("b")];
        assert_eq!(heard(shares[1].together(focus(Some(&["b"])))), Some(both));
        assert_eq!(heard(shares[0].together(focus(None))), Some(vec![Name::new("b")]), "one is narrow still");
        assert_eq!(heard(shares[1].together(focus(None))), None);
    }
}
