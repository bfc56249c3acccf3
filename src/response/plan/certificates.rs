//! Plans about certificates. One certificate may serve many things, so the others are named before anything else.

use crate::response::plan::draft::{Draft, listed};
use quell_fleet::format::short;
use quell_fleet::text::SafeText;

use super::Level;
use super::facts::{Facts, PrincipalFacts, ThingFacts};
use super::request::{CertificateStatus, Proof, Request, Work};

pub(super) fn deactivate(draft: &mut Draft<'_>, facts: &Facts, only: Option<&str>) {
    bar(draft, facts, only, CertificateStatus::Inactive);
}

pub(super) fn revoke(draft: &mut Draft<'_>, facts: &Facts, only: Option<&str>) {
    bar(draft, facts, only, CertificateStatus::Revoked);
    draft.note(Level::Danger, "REVOKED is final: AWS never lets the status change again");
    let suffix = draft.work.iter().flat_map(|w| &w.requests).find_map(|r| match r {
        Request::Certificate { id, .. } => id.get(id.len().saturating_sub(8)..).map(SafeText::new),
        _ => None,
    });
    match (facts.things.first(), suffix) {
        (Some(first), suffix) => draft.type_name = Some((first.target.thing.shown().clone(), suffix)),
        (None, Some(suffix)) => draft.type_name = Some((suffix, None)),
        (None, None) => {}
    }
}

/// A certificate that serves no thing: only its status changes, and is looked at.
fn lone(draft: &mut Draft<'_>, facts: &Facts, only: Option<&str>, status: CertificateStatus) -> bool {
    let Some(id) = only.filter(|_| facts.things.is_empty()) else { return false };
    let Some(principal) = &facts.lone else {
        draft.refuse(format!("there is no certificate {id}"));
        return true;
    };
    let now = principal.status.as_deref();
    if now == Some("REVOKED") && status != CertificateStatus::Revoked {
        draft.refuse(format!("certificate {} is REVOKED, which is final", short(id)));
    }
    if now == Some(status.word()) {
        draft.nothing = Some(SafeText::new(&format!("it is {} already", status.word())));
    } else {
        let name = quell_fleet::model::Name::new(id);
        draft.work.push(Work::of(
            name,
            vec![Request::Certificate {
                id: id.to_owned(),
                arn: principal.arn.clone(),
                status,
                was: was(principal),
                things: Vec::new(),
            }],
            Proof::Shown,
        ));
    }
    draft.note(Level::Info, "it is attached to no thing: no device is known to connect with it");
    draft.prove("its certificate's status");
    true
}

fn bar(draft: &mut Draft<'_>, facts: &Facts, only: Option<&str>, status: CertificateStatus) {
    if lone(draft, facts, only, status) {
        return;
    }
    let mut taken: Vec<String> = Vec::new();
    for thing in facts.things.iter().filter(|t| t.registered) {
        let name = thing.target.thing.raw();
        let chosen = choose(draft, thing, only);
        if chosen.is_empty() {
            continue;
        }
        let mut requests = Vec::new();
        let mut ids = Vec::new();
        for (principal, id) in chosen {
            match principal.status.as_deref() {
                Some("REVOKED") if status == CertificateStatus::Inactive => {
                    draft
                        .note(Level::Info, format!("certificate {} of {name} is already REVOKED", short(id)));
                    continue;
                }
                Some(now) if now == status.word() => {
                    draft.note(Level::Info, format!("certificate {} of {name} is already {now}", short(id)));
                }
                _ if taken.iter().any(|t| t == id) => {}
                _ => {
                    warn_shared(draft, facts, principal, id, status);
                    requests.push(Request::Certificate {
                        id: id.to_owned(),
                        arn: principal.arn.clone(),
                        status,
                        was: was(principal),
                        things: principal.things.clone(),
                    });
                    taken.push(id.to_owned());
                }
            }
            ids.push(id.to_owned());
        }
        if ids.is_empty() {
            continue;
        }
        let clients = thing.client_ids();
        // Leaving ACTIVE disconnects within minutes; the cut makes it now.
        if !requests.is_empty() || taken.iter().any(|t| ids.contains(t)) {
            requests.extend(clients.iter().map(|client| Request::Cut { client: client.clone() }));
        }
        let silence = draft.rules.silence(thing.target.cadence);
        let lively = draft.lively(&thing.target);
        let proof = Proof::Barred { certificates: ids, is: status, silence, lively };
        draft.work.push(thing.contained(requests, proof));
    }
    if draft.work.iter().all(|w| w.requests.is_empty()) {
        let text = format!("every certificate is {} already, or there is none", status.word());
        draft.nothing = Some(SafeText::new(&text));
    }
    draft.clients(&facts.things);
    draft.prove("its certificate's status, and that it does not connect again");
    draft.prove_silence(&facts.things);
    draft.sweep();
}

pub(super) fn activate(draft: &mut Draft<'_>, facts: &Facts, only: Option<&str>) {
    if lone(draft, facts, only, CertificateStatus::Active) {
        return;
    }
    let mut taken: Vec<String> = Vec::new();
    for thing in facts.things.iter().filter(|t| t.registered) {
        let name = thing.target.thing.raw();
        let mut requests = Vec::new();
        let mut ids = Vec::new();
        for (principal, id) in choose(draft, thing, only) {
            match principal.status.as_deref() {
                Some("REVOKED") => {
                    let text = format!("certificate {} of {name} is REVOKED, which is final", short(id));
                    draft.note(Level::Danger, &text);
                    if facts.things.len() == 1 {
                        draft.refuse(text);
                    }
                    continue;
                }
                Some("ACTIVE") => {
                    draft.note(Level::Info, format!("certificate {} of {name} is already ACTIVE", short(id)));
                }
                _ if taken.iter().any(|t| t == id) => {}
                _ => {
                    let others = others(facts, principal);
                    if !others.is_empty() {
                        draft.note(
                            Level::Warn,
                            format!("certificate {} lets {} connect again too", short(id), others),
                        );
                    }
                    requests.push(Request::Certificate {
                        id: id.to_owned(),
                        arn: principal.arn.clone(),
                        status: CertificateStatus::Active,
                        was: was(principal),
                        things: principal.things.clone(),
                    });
                    taken.push(id.to_owned());
                }
            }
            ids.push(id.to_owned());
        }
        if ids.is_empty() || (requests.is_empty() && !taken.iter().any(|t| ids.contains(t))) {
            continue;
        }
        draft.work.push(thing.work(requests, Proof::Activated { certificates: ids }));
    }
    if draft.work.iter().all(|w| w.requests.is_empty()) {
        draft.nothing = Some(SafeText::new("there is no certificate to activate"));
    }
    draft.prove("its certificate's status, and that it is heard again");
}

/// The status it would be put back to.
fn was(principal: &PrincipalFacts) -> Option<CertificateStatus> {
    principal.status.as_deref().and_then(CertificateStatus::parse)
}

/// The certificates of a thing the intent is about; notes when there is none.
fn choose<'f>(
    draft: &mut Draft<'_>,
    thing: &'f ThingFacts,
    only: Option<&str>,
) -> Vec<(&'f PrincipalFacts, &'f str)> {
    let chosen: Vec<_> = thing
        .principals
        .iter()
        .filter_map(|p| p.certificate.as_deref().map(|id| (p, id)))
        .filter(|(_, id)| only.is_none_or(|wanted| wanted.eq_ignore_ascii_case(id)))
        .collect();
    if chosen.is_empty() {
        let rest = match only {
            Some(id) => format!("is not attached to certificate {}", short(id)),
            None => "has no principal attached: a certificate action is impossible".to_owned(),
        };
        draft.note_of(Level::Danger, &thing.target.thing, rest);
    }
    chosen
}

/// The things a certificate serves beyond the targets, in words; empty when there is none.
fn others(facts: &Facts, principal: &PrincipalFacts) -> String {
    let others: Vec<_> =
        principal.things.iter().filter(|t| !facts.things.iter().any(|f| f.target.thing == **t)).collect();
    if others.is_empty() { String::new() } else { listed(&others) }
}

fn warn_shared(
    draft: &mut Draft<'_>,
    facts: &Facts,
    principal: &PrincipalFacts,
    id: &str,
    status: CertificateStatus,
) {
    let others = others(facts, principal);
    if others.is_empty() {
        draft.note(Level::Info, format!("certificate {} serves no other thing", short(id)));
        return;
    }
    draft.note(Level::Danger, format!("certificate {} also serves {others}: cut off as well", short(id)));
    if status == CertificateStatus::Inactive
        && let Some(first) = facts.things.first()
    {
        draft.type_name = Some((first.target.thing.shown().clone(), None));
    }
}

/// Says for an isolation what its certificates are, which decides how much further one could go.
pub(super) fn describe(draft: &mut Draft<'_>, thing: &ThingFacts, alone: bool) {
    for principal in &thing.principals {
        let Some(id) = principal.certificate.as_deref() else { continue };
        let others: Vec<_> = principal.things.iter().filter(|t| **t != thing.target.thing).collect();
        if !others.is_empty() {
            draft.note_of(
                Level::Warn,
                &thing.target.thing,
                format!(
                    "shares its certificate {} with {}: do not deactivate it lightly",
                    short(id),
                    listed(&others)
                ),
            );
        } else if alone {
            draft.note(Level::Info, format!("its certificate {} serves no other thing", short(id)));
        }
        if let Some(status) = principal.status.as_deref().filter(|s| *s != "ACTIVE") {
            draft.note_of(
                Level::Info,
                &thing.target.thing,
                format!("has certificate {}, which is {status}", short(id)),
            );
        }
    }
}
