//! `quell setup` and `quell mitigate`: plans like any other, shown before anything is sent.

use clap::Args;

use crate::response::{Intent, Mitigation, SetupRequest};
use quell_fleet::model::Name;

use super::Common;
use super::respond_cmds::{How, respond};

/// Arguments of `quell setup`.
#[derive(Args, Debug)]
pub struct SetupArgs {
    /// The isolation group instead of the configured one
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// The policy's name [default: DenyAll, or QuarantinePatchable]
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// Leave isolated devices their own jobs and shadow topics, so that they can be patched before they are released
    #[arg(long)]
    pub patchable: bool,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

pub(super) fn run(args: &SetupArgs, common: &Common) -> color_eyre::Result<u8> {
    let name = |n: &Option<String>| n.as_deref().map(Name::new);
    let request =
        SetupRequest { group: name(&args.group), policy: name(&args.policy), patchable: args.patchable };
    respond(Intent::Setup(request), &args.how, common)
}

/// Arguments of `quell mitigate`.
#[derive(Args, Debug)]
pub struct MitigateArgs {
    /// A mitigation action of the account (repeatable)
    #[arg(long = "action", value_name = "NAME", required = true)]
    pub actions: Vec<String>,
    /// The id of a violation (repeatable)
    #[arg(long = "violation", value_name = "ID", required_unless_present = "findings")]
    pub violations: Vec<String>,
    /// The id of an audit finding (repeatable)
    #[arg(long = "finding", value_name = "ID", requires = "check")]
    pub findings: Vec<String>,
    /// The audit check of the findings
    #[arg(long, value_name = "CHECK")]
    pub check: Option<String>,
    /// How to run
    #[command(flatten)]
    pub how: How,
}

pub(super) fn mitigate(args: &MitigateArgs, common: &Common) -> color_eyre::Result<u8> {
    let wanted = Mitigation {
        actions: args.actions.clone(),
        violations: args.violations.clone(),
        findings: args.findings.clone(),
        check: args.check.clone(),
        task: format!("quell-{:016x}", fastrand::u64(..)),
    };
    respond(Intent::Mitigate(wanted), &args.how, common)
}
