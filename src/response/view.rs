//! What the screen (or the terminal of a headless run) is told about a response while it runs and when it ended.

use quell_fleet::Ms;
use quell_fleet::known::Trouble;
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::past::Past;
use super::plan::{Plan, PlanId};
use super::sweep::Swept;

/// What the background task answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A plan was computed, or could not be.
    Plan {
        /// The generation it was asked in; drop it when newer was asked since.
        generation: u64,
        /// The plan.
        result: Result<Box<Plan>, Trouble>,
    },
    /// A confirmed plan came along.
    Progress(ActionView),
    /// It ended. Where [`ActionView::swept`] says so, what was left behind is looked for now.
    Done(ActionView),
    /// What was left behind was looked for.
    Swept(ActionView),
    /// Plans of the journal that never ended, with the truth about each of their requests: found at the start.
    Recovered {
        /// The plans, oldest first.
        plans: Vec<Past>,
    },
    /// The disk refused a line about a plan that was sent: the journal does not say how it ended.
    Unwritten {
        /// The plan.
        plan: PlanId,
        /// What is missing, why, and what to do.
        why: SafeText,
    },
    /// The gate refused; nothing was sent.
    Refused {
        /// The plan.
        plan: PlanId,
        /// Why.
        reason: SafeText,
    },
}

/// A running or ended response: the staircase with the time each step took.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionView {
    /// The plan it runs.
    pub id: PlanId,
    /// `Isolate Thing02`.
    pub title: SafeText,
    /// When it was confirmed.
    pub began: Ms,
    /// The staircase as a whole: with one target its own rows, with many each row says how many have come that far.
    pub rows: Vec<StairRow>,
    /// Each target on its own.
    pub targets: Vec<TargetView>,
    /// How it ended; `None` while it runs.
    pub finished: Option<Outcome>,
    /// What the contained devices left behind, looked for after it ended.
    pub swept: Swept,
}

impl ActionView {
    /// How many targets a response that has ended left: a request of theirs failed or was not sent, or nobody waited for
    /// their proof.
    pub fn unfinished(&self) -> usize {
        let left = |target: &&TargetView| {
            matches!(target.outcome, Some(TargetOutcome::Failed { .. } | TargetOutcome::Left { .. }) | None)
        };
        self.targets.iter().filter(left).count()
    }
}

/// One target's way.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetView {
    /// The device, or the job.
    pub name: Name,
    /// Its staircase.
    pub rows: Vec<StairRow>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<TargetOutcome>,
}

/// One step of the staircase.
#[derive(Clone, Debug, PartialEq)]
pub struct StairRow {
    /// `member of IsolatedDevices`.
    pub title: SafeText,
    /// How far it is.
    pub state: RowState,
    /// More about it: a request id, a countdown, what was last heard. May be empty.
    pub detail: SafeText,
    /// How much of a wait is over, where it has a known length.
    pub gauge: Option<Gauge>,
}

/// How much of a wait is over, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// So much; never more than `of` needs.
    pub done: Ms,
    /// Of so much.
    pub of: Ms,
}

/// How far a step is.
#[derive(Clone, Debug, PartialEq)]
pub enum RowState {
    /// Not begun.
    Waiting,
    /// Under way.
    Running,
    /// Done, so many milliseconds after the confirmation.
    Done(Ms),
    /// Failed, and why.
    Failed(SafeText),
    /// Not done, and why that is all right.
    Skipped(SafeText),
}

/// How one target ended.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetOutcome {
    /// Proven; for a containment `took` is from the confirmation to the last message heard or the cut, whichever is later.
    Proven {
        /// Milliseconds.
        took: Ms,
    },
    /// Done as far as AWS answered, but the proof did not come within its time.
    Unproven {
        /// The missing proof.
        missing: SafeText,
    },
    /// All requests were accepted, and the response was stopped or left before it was proven.
    Left {
        /// By whom, or by what.
        why: SafeText,
        /// The proof that was waited for.
        missing: SafeText,
    },
    /// A request failed, and so the rest for this target was left.
    Failed {
        /// Why.
        reason: SafeText,
        /// True when an earlier request for this target had already been accepted.
        partly: bool,
    },
}

impl TargetOutcome {
    /// One word for machines, milliseconds until the proof, and why there is none; `None` while it is open.
    pub fn told(outcome: Option<&Self>) -> (&'static str, Option<Ms>, Option<&SafeText>) {
        match outcome {
            Some(Self::Proven { took }) => ("proven", Some(*took), None),
            Some(Self::Unproven { missing }) => ("unproven", None, Some(missing)),
            Some(Self::Left { why, .. }) => ("left", None, Some(why)),
            Some(Self::Failed { reason, partly }) => {
                (if *partly { "partly" } else { "failed" }, None, Some(reason))
            }
            None => ("open", None, None),
        }
    }
}

/// How a response ended as a whole; the headless commands' exit codes follow it.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Every target proven.
    Proven,
    /// Every target done, some not proven within the time.
    Unproven,
    /// Some targets (or some requests) done, some failed.
    Partly,
    /// Nothing was changed.
    Failed,
    /// Stopped by the operator; the journal says how far it came.
    Interrupted,
    /// The operator left, or the process was told to end; the journal says how far it came.
    Left,
}

impl Outcome {
    /// One word, as the journal and `--json` say it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Unproven => "unproven",
            Self::Partly => "partly",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Left => "left unproven",
        }
    }
}

/// The staircase of all targets together: one row for each title, in order.
pub(in crate::response) fn summary(targets: &[TargetView]) -> Vec<StairRow> {
    if let [only] = targets {
        return only.rows.clone();
    }
    let mut titles: Vec<&SafeText> = Vec::new();
    for row in targets.iter().flat_map(|t| &t.rows) {
        if !titles.contains(&&row.title) {
            titles.push(&row.title);
        }
    }
    titles.into_iter().map(|title| together(title, targets)).collect()
}

fn together(title: &SafeText, targets: &[TargetView]) -> StairRow {
    let rows: Vec<&StairRow> = targets.iter().flat_map(|t| &t.rows).filter(|r| r.title == *title).collect();
    let (mut done, mut failed, mut skipped, mut waiting, mut latest) = (0, 0, 0, 0, 0);
    for row in &rows {
        match &row.state {
            RowState::Done(took) => {
                done += 1;
                latest = latest.max(*took);
            }
            RowState::Failed(_) => failed += 1,
            RowState::Skipped(_) => skipped += 1,
            RowState::Waiting => waiting += 1,
            RowState::Running => {}
        }
    }
    let open = rows.len() - done - failed - skipped;
    let state = match () {
        () if open > 0 && waiting == rows.len() => RowState::Waiting,
        () if open > 0 => RowState::Running,
        () if failed > 0 => RowState::Failed(SafeText::new(&format!("{failed} failed"))),
        () if done > 0 => RowState::Done(latest),
        () => RowState::Skipped(SafeText::default()),
    };
    StairRow {
        title: title.clone(),
        state,
        detail: SafeText::new(&format!("{done} of {}", rows.len())),
        gauge: None,
    }
}
