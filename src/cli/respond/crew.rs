//! Several alerts at once, within a bound: never two of one thing, and those of one thing in the order they came. One device
//! that takes a minute to fall silent must not keep the next from being isolated.

use std::collections::{HashSet, VecDeque};

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;

/// Work that waits, and work under way, each piece about somebody.
pub(in crate::cli) struct Crew<'a, T, R> {
    waiting: VecDeque<(String, T)>,
    busy: HashSet<String>,
    running: FuturesUnordered<BoxFuture<'a, (String, R)>>,
    at_once: usize,
    work: Box<dyn Fn(T) -> BoxFuture<'a, R> + Send + Sync + 'a>,
}

impl<'a, T, R: Send + 'a> Crew<'a, T, R> {
    /// At most `at_once` pieces are worked on at the same time.
    pub(in crate::cli) fn new(
        at_once: usize,
        work: impl Fn(T) -> BoxFuture<'a, R> + Send + Sync + 'a,
    ) -> Self {
        Self {
            waiting: VecDeque::new(),
            busy: HashSet::new(),
            running: FuturesUnordered::new(),
            at_once: at_once.max(1),
            work: Box::new(work),
        }
    }

    /// One more piece, about `whom`.
    pub(in crate::cli) fn add(&mut self, whom: String, piece: T) {
        self.waiting.push_back((whom, piece));
        self.begin();
    }

    /// How many wait for their turn.
    pub(in crate::cli) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The next one that ends; waits for ever while nothing is under way.
    pub(in crate::cli) async fn next(&mut self) -> R {
        loop {
            if let Some((whom, result)) = self.running.next().await {
                self.busy.remove(&whom);
                self.begin();
                return result;
            }
            std::future::pending::<()>().await;
        }
    }

    /// True while nothing is under way.
    pub(in crate::cli) fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    /// What has not begun never will.
    pub(in crate::cli) fn dismiss(&mut self) {
        self.waiting.clear();
    }

    fn begin(&mut self) {
        while self.running.len() < self.at_once {
            let next = self.waiting.iter().position(|(whom, _)| !self.busy.contains(whom));
            let Some((whom, piece)) = next.and_then(|at| self.waiting.remove(at)) else { return };
            let work = (self.work)(piece);
            self.busy.insert(whom.clone());
            self.running.push(Box::pin(async move { (whom, work.await) }));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn no_two_of_one_thing_and_each_thing_in_order() {
        let log = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(Notify::new());
        let work = {
            let (log, gate) = (Arc::clone(&log), Arc::clone(&gate));
            move |piece: &'static str| -> BoxFuture<'static, &'static str> {
                let (log, gate) = (Arc::clone(&log), Arc::clone(&gate));
                Box::pin(async move {
                    log.lock().push(piece);
                    if piece == "a1" {
                        gate.notified().await;
                    }
                    piece
                })
            }
        };
        let mut crew = Crew::new(2, work);
        for (whom, piece) in [("a", "a1"), ("a", "a2"), ("b", "b1"), ("b", "b2"), ("c", "c1")] {
            crew.add(whom.to_owned(), piece);
        }
        assert_eq!(crew.waiting(), 3, "two at once");
        // While the first of a is held, b and c go on, and a's second waits for a's first.
        let ended = [crew.next().await, crew.next().await, crew.next().await];
        assert_eq!(ended, ["b1", "b2", "c1"]);
        assert_eq!(*log.lock(), ["a1", "b1", "b2", "c1"]);
        gate.notify_one();
        assert_eq!([crew.next().await, crew.next().await], ["a1", "a2"]);
        assert!(crew.is_idle() && crew.waiting() == 0);
    }
}
