//! The doctor on the screen: what an incident needs, looked at when the view is opened, and the plans that create what is
//! missing.

use crate::response::{Intent, SetupRequest};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::{App, Effect, Env, View};

/// One thing an incident needs.
#[derive(Clone, Debug, PartialEq)]
pub struct DoctorLine {
    /// `isolation`.
    pub check: &'static str,
    /// Whether it is there.
    pub ok: bool,
    /// What was found.
    pub text: SafeText,
    /// The command that mends it, when something is wrong.
    pub mend: Option<SafeText>,
    /// The thing group that setting up would mend it with.
    pub group: Option<Name>,
}

/// What is known of the account's readiness.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Diagnosis {
    /// Nobody asked yet.
    #[default]
    Unknown,
    /// It is being looked at.
    Looking,
    /// It could not be looked at, and why.
    Failed(SafeText),
    /// What was found.
    Found(Vec<DoctorLine>),
}

impl App {
    /// Whether the account is ready for an incident.
    pub(crate) fn view_doctor(&mut self, env: &Env<'_>) {
        self.go(View::Doctor);
        if !matches!(self.diagnosis, Diagnosis::Found(_)) {
            self.examine(env);
        }
    }

    /// Look again.
    pub(crate) fn examine(&mut self, _: &Env<'_>) {
        if self.diagnosis != Diagnosis::Looking {
            self.diagnosis = Diagnosis::Looking;
            self.effects.push(Effect::Examine);
        }
    }

    /// It was looked at, or could not be.
    pub(super) fn examined(&mut self, found: Result<Vec<DoctorLine>, SafeText>) {
        self.diagnosis = match found {
            Ok(lines) => Diagnosis::Found(lines),
            Err(why) => Diagnosis::Failed(why),
        };
    }

    /// What is known of the account's readiness.
    pub(crate) fn diagnosis(&self) -> &Diagnosis {
        &self.diagnosis
    }

    /// What was set up or taken back changes what the doctor finds.
    pub(super) fn outdate_diagnosis(&mut self, env: &Env<'_>) {
        if matches!(self.view(), View::Doctor | View::Guide) {
            self.examine(env);
        } else {
            self.diagnosis = Diagnosis::Unknown;
        }
    }

    /// Plan the isolation group with a policy that denies everything.
    pub(crate) fn setup(&mut self, env: &Env<'_>) {
        self.plan_setup(env, false);
    }

    /// Plan an isolation group in which a device can still be patched.
    pub(crate) fn setup_patchable(&mut self, env: &Env<'_>) {
        self.plan_setup(env, true);
    }

    /// The first group whose mend is `quell setup --group`, as long as the configured one is ready: a key that would
    /// change nothing mends nothing.
    fn group_to_set_up(&self) -> Option<Name> {
        let Diagnosis::Found(lines) = &self.diagnosis else { return None };
        if lines.iter().any(|line| line.check == "isolation" && !line.ok) {
            return None;
        }
        lines.iter().find_map(|line| line.group.clone())
    }

    fn plan_setup(&mut self, env: &Env<'_>, patchable: bool) {
        let asked = SafeText::new("Set up what an incident needs");
        let group = self.group_to_set_up();
        self.ask(env, asked, Intent::Setup(SetupRequest { group, policy: None, patchable }));
    }
}
