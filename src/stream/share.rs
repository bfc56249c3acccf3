//! Several connections as one: the link is up when all are, and down as soon as one is, because then something is not
//! heard.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::fleet::event::LinkEvent;
use crate::text::SafeText;

/// The client id and the filters of a connection that is up.
type Up = (SafeText, Vec<SafeText>);

/// One connection's place among those that share the load.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) index: usize,
    pub(super) of: usize,
    up: Arc<Mutex<Vec<Option<Up>>>>,
}

impl Share {
    /// All places among so many.
    pub(super) fn all(of: usize) -> Vec<Self> {
        let up = Arc::new(Mutex::new(vec![None; of]));
        (0..of).map(|index| Self { index, of, up: Arc::clone(&up) }).collect()
    }

    /// What this connection's event means for all; `None` while nothing changes.
    pub(super) fn together(&self, event: LinkEvent) -> Option<LinkEvent> {
        if self.of == 1 {
            return Some(event);
        }
        let mut up = self.up.lock();
        match event {
            LinkEvent::Up { at, client_id, filters } => {
                if let Some(own) = up.get_mut(self.index) {
                    *own = Some((client_id, filters));
                }
                let (mut first, mut all) = (None, Vec::new());
                for one in up.iter() {
                    let (id, filters) = one.as_ref()?;
                    first.get_or_insert_with(|| id.clone());
                    all.extend(filters.iter().cloned());
                }
                first.map(|client_id| LinkEvent::Up { at, client_id, filters: all })
            }
            LinkEvent::Down { at, reason, retry_at } => {
                if let Some(own) = up.get_mut(self.index) {
                    *own = None;
                }
                let text = format!("connection {} of {}: {reason}", self.index + 1, self.of);
                Some(LinkEvent::Down { at, reason: SafeText::new(&text), retry_at })
            }
            other => Some(other),
        }
    }
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
}
