//! The request ids of the reads that a judgement rests on: with them AWS can be asked whether it was asked.

use std::sync::Arc;

use parking_lot::Mutex;

use quell_fleet::text::SafeText;

/// Ids kept of one judgement: a list of many pages has one for each.
const KEPT: usize = 8;

tokio::task_local! {
    static IDS: Arc<Mutex<Vec<SafeText>>>;
}

/// What `reads` gives, and the request ids of the calls it made, the latest [`KEPT`] of them. Calls that it lets other tasks
/// make are not among them.
pub async fn traced<F: Future>(reads: F) -> (F::Output, Vec<SafeText>) {
    let ids = Arc::default();
    let found = IDS.scope(Arc::clone(&ids), reads).await;
    let ids = std::mem::take(&mut *ids.lock());
    (found, ids)
}

/// Says that the judgement that is being made rests on these calls too, which another one made.
pub fn cite(ids: &[SafeText]) {
    ids.iter().for_each(note);
}

/// A call was answered under this id; where nobody collects them, nothing happens.
pub(super) fn note(id: &SafeText) {
    let _ = IDS.try_with(|ids| {
        let mut ids = ids.lock();
        if ids.len() >= KEPT {
            ids.remove(0);
        }
        ids.push(id.clone());
    });
}
