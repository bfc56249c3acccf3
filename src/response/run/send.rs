//! Sends the granted requests of one target, each answer on disk before the next request leaves.

use serde_json::json;
use tokio::sync::{mpsc, watch};

use crate::response::execute::{self, Accepted, Failed};
use crate::response::gate::Grant;
use crate::response::plan::request::{Request, Work};
use crate::response::stop::Stop;
use quell_fleet::event::{Event, OwnMessage};
use quell_fleet::text::SafeText;

use super::{Report, Shared, now};

/// One target's requests, one after the other; the first failure ends them.
pub(super) async fn send_target(
    shared: &Shared,
    grant: &Grant,
    work: &Work,
    t: usize,
    reports: &mpsc::Sender<Report>,
    stop: &watch::Receiver<Option<Stop>>,
) {
    for (i, request) in work.requests.iter().enumerate() {
        // What was begun is completed: a device that is half contained helps nobody.
        if i == 0 && stop.borrow().is_some() {
            return;
        }
        let _ = reports.send(Report::Begun(t, i)).await;
        let result = sent(shared, grant, request, work.name.raw(), Some((t, i))).await;
        let ended = result.as_ref().is_err_and(|failed| !failed.only_uncut(request));
        let _ = reports.send(Report::Ended(t, i, result, now())).await;
        if ended {
            return;
        }
    }
    let _ = reports.send(Report::AllSent(t, now())).await;
}

/// Sends one request and has its outcome on disk before anything else is sent for this target.
///
/// `place` is the target's and the request's number in the plan; a cut that is repeated has none.
pub(super) async fn sent(
    shared: &Shared,
    grant: &Grant,
    request: &Request,
    target: &str,
    place: Option<(usize, usize)>,
) -> Result<Accepted, Failed> {
    let _turn = shared.clients.turn(request.operation()).await;
    let at = now();
    if let Request::ClearRetained { topic } = request {
        // The fleet must know before it is heard: it comes back on the device's own topic.
        let own = OwnMessage { topic: topic.as_str().into(), at };
        let _ = shared.events.send(Event::Own(own)).await;
    }
    let result = Box::pin(execute::send(&shared.clients, grant, request, at)).await;
    let (ok, id, why) = match &result {
        Ok(accepted) => (true, &accepted.request_id, accepted.remark.as_ref()),
        Err(failed) => (false, &failed.request_id, Some(&failed.reason)),
    };
    let certain = result.as_ref().map_or_else(|failed| failed.certain, |_| true);
    let call = request.call();
    let fields = json!({
        "target": target, "operation": call.operation, "resource": call.resource,
        "of": place.map(|p| p.0), "n": place.map(|p| p.1), "accepted": ok, "certain": certain, "request_id": id, "said": why, "ms": now() - at,
    });
    if let Err(e) = shared.journal.append(now(), "request", &grant.plan().0, fields.clone()).await {
        shared.unwritten.lock().push(fields);
        // Without a journal nothing more may be done; what was done is told.
        return Err(Failed {
            reason: SafeText::new(&format!(
                "stopped: the journal cannot be written ({e}); {} was sent",
                call.operation
            )),
            request_id: id.clone(),
            certain: false,
        });
    }
    result
}
