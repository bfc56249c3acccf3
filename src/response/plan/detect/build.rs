//! Changes to what Detect judges by, as plans: what is wrong with a criterion is said before anybody is alarmed by it
//! (docs/aws-iot.md#1.2, #6.14).

use crate::response::plan::draft::Draft;
use crate::response::plan::facts::Facts;
use crate::response::plan::request::{Proof, Request, Work};
use crate::response::plan::{Check, Level, Note, Reversible};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;
use quell_rules::detect::metric::Metric;
use quell_rules::detect::profile::{SecurityProfile, target_arn, target_words};
use quell_rules::detect::validate;
use quell_rules::detect::whatif::cautions;

use super::request::DetectRequest;
use super::{DetectChange, DetectFacts};

/// Profiles a target may have (docs/aws-iot.md#2.3).
const MOST_PROFILES: usize = 5;
/// Values a dimension may have.
const MOST_VALUES: usize = 256;
/// Characters of a note.
const NOTE: usize = 1000;
/// Types a custom metric may have.
pub(in crate::response) const METRIC_TYPES: [&str; 4] =
    ["number", "number-list", "string-list", "ip-address-list"];
/// What a violation may be found to be.
pub(in crate::response) const STATES: [&str; 4] =
    ["TRUE_POSITIVE", "FALSE_POSITIVE", "BENIGN_POSITIVE", "UNKNOWN"];

pub(in crate::response::plan) fn build(draft: &mut Draft<'_>, facts: &Facts, change: &DetectChange) {
    let Some(read) = &facts.detect else { return draft.refuse("the account could not be read") };
    draft.prove("the account shows it as it was written");
    match change {
        DetectChange::Apply { profile, heard, devices, new } => {
            if *new && read.profile.is_some() {
                let name = &profile.security_profile_name;
                draft.refuse(format!(
                    "there is a security profile {name} already: take another name, or open that one to change it"
                ));
            }
            apply(draft, facts, read, profile, heard, *devices);
        }
        DetectChange::Delete { profile } => delete(draft, read, profile),
        DetectChange::Attach { profile, targets } => attach(draft, facts, read, profile, targets),
        DetectChange::Detach { profile, targets } => detach(draft, facts, read, profile, targets),
        DetectChange::PutDimension { name, values } => put_dimension(draft, read, name, values),
        DetectChange::DeleteDimension { name } => {
            let Some(was) = &read.dimension else { return absent(draft, "dimension", name) };
            used(draft, read, "dimension");
            let was = was.clone();
            push(draft, name, vec![DetectRequest::DeleteDimension { name: name.raw().to_owned(), was }]);
        }
        DetectChange::CreateMetric { name, kind, display } => {
            create_metric(draft, read, name, kind, display.as_deref());
        }
        DetectChange::DeleteMetric { name } => {
            let Some((kind, display)) = &read.metric else { return absent(draft, "custom metric", name) };
            used(draft, read, "custom metric");
            let (name_, kind, display) = (name.raw().to_owned(), kind.clone(), display.clone());
            push(draft, name, vec![DetectRequest::DeleteMetric { name: name_, kind, display }]);
            draft.note(Level::Warn, "the values reported for it go with it");
        }
        DetectChange::Verify { violations, state, note } => verify(draft, read, violations, state, note),
    }
}

fn push(draft: &mut Draft<'_>, name: &Name, requests: Vec<DetectRequest>) {
    let requests = requests.into_iter().map(|r| Request::Detect(Box::new(r))).collect();
    draft.work.push(Work::of(name.clone(), requests, Proof::Shown));
}

fn absent(draft: &mut Draft<'_>, what: &str, name: &Name) {
    draft.refuse(format!("the account has no {what} {}", name.raw()));
}

/// AWS refuses to delete what a profile uses.
fn used(draft: &mut Draft<'_>, read: &DetectFacts, what: &str) {
    if !read.used_by.is_empty() {
        draft.refuse(format!("{} uses this {what}: change the profile first", read.used_by.join(", ")));
    }
}

fn apply(
    draft: &mut Draft<'_>,
    facts: &Facts,
    read: &DetectFacts,
    profile: &SecurityProfile,
    heard: &[Note],
    devices: Option<usize>,
) {
    for wrong in profile.mistakes() {
        draft.refuse(&wrong);
        draft.note(Level::Danger, wrong);
    }
    for wrong in &read.invalid {
        draft.refuse(format!("AWS would refuse it: {wrong}"));
        draft.note(Level::Danger, format!("AWS: {wrong}"));
    }
    for unknown in &read.unknown {
        draft.refuse(format!("the account has no {unknown}"));
    }
    let update = read.profile.is_some();
    let operation = if update { "iot:UpdateSecurityProfile" } else { "iot:CreateSecurityProfile" };
    if read.invalid.is_empty() && !profile.behaviors.is_empty() {
        let check = Check::Passed(SafeText::new("ValidateSecurityProfileBehaviors accepts the behaviours"));
        draft.checks.push((operation, check));
    }
    for note in heard {
        draft.note(note.level, note.text.as_str());
    }
    warn(draft, profile, devices);
    let name = profile.security_profile_name.clone();
    let body = Box::new(SecurityProfile { targets: None, ..profile.clone() });
    let mut requests = Vec::new();
    match &read.profile {
        None => requests.push(DetectRequest::CreateProfile { profile: body }),
        Some(was) if was.same(profile) => {
            draft.note(Level::Info, "the profile is so already: only its targets are looked at");
        }
        Some(was) => {
            differences(draft, was, profile, read.active);
            let was = Box::new(SecurityProfile { targets: None, ..was.clone() });
            requests.push(DetectRequest::UpdateProfile { to: body, was, version: read.version });
        }
    }
    let now: Vec<&str> = arns(read.profile.as_ref());
    if let Some(wanted) = &profile.targets {
        let wanted: Vec<&str> = wanted.iter().map(|t| t.arn()).collect();
        let Some(wanted) = resolved(draft, facts, &wanted) else { return };
        judged(draft, read, &wanted, &now);
        for target in wanted.iter().filter(|t| !now.contains(&t.as_str())) {
            requests.push(DetectRequest::Attach { profile: name.clone(), target: target.clone() });
        }
        for target in now.iter().filter(|t| !wanted.iter().any(|w| w == *t)) {
            draft.note(Level::Warn, format!("it would no longer judge {}", target_words(target)));
            requests.push(DetectRequest::Detach { profile: name.clone(), target: (*target).to_owned() });
        }
        if wanted.is_empty() {
            draft.note(Level::Warn, "it is attached to nothing: it judges nobody");
        }
    } else if now.is_empty() {
        draft.note(Level::Warn, "it is attached to nothing: it judges nobody");
    } else {
        let words: Vec<String> = now.iter().map(|t| target_words(t)).collect();
        draft.note(Level::Info, format!("goes on judging {}", words.join(", ")));
    }
    push(draft, &Name::new(&name), requests);
    if !update {
        draft.reversible = Reversible::Yes(SafeText::new(
            "undo detaches and deletes it; violations it raised stay in the history",
        ));
    }
}

/// What its author may not have meant.
fn warn(draft: &mut Draft<'_>, profile: &SecurityProfile, devices: Option<usize>) {
    for behavior in &profile.behaviors {
        for caution in cautions(behavior, devices.unwrap_or(usize::MAX)) {
            draft.note(Level::Danger, format!("{}: {caution}", behavior.name));
        }
        if behavior.suppress_alerts == Some(true) {
            draft.note(Level::Warn, format!("{}: alerts are suppressed, nobody is told", behavior.name));
        }
        if behavior.criteria.as_ref().is_some_and(|c| c.ml_detection_config.is_some()) {
            let text = "AWS learns for 14 days and from 25,000 datapoints before it judges";
            draft.note(Level::Warn, format!("{}: {text}", behavior.name));
        }
    }
    if profile.behaviors.is_empty() {
        draft.note(Level::Warn, "it has no behaviours: it only retains metrics");
    }
    match profile.alert() {
        Some(target) => draft.note(
            Level::Info,
            format!("tells {}; needs iam:PassRole on {}", target.alert_target_arn, target.role_arn),
        ),
        None => draft.note(Level::Info, "no alert target: alarms are seen by who looks, nobody is told"),
    }
}

fn differences(draft: &mut Draft<'_>, was: &SecurityProfile, to: &SecurityProfile, active: usize) {
    draft.note(Level::Info, "a profile of this name exists: it would be changed");
    let (was, to) = (was.canonical(), to.canonical());
    for old in &was.behaviors {
        match to.behaviors.iter().find(|b| b.name == old.name) {
            None => draft.note(Level::Warn, format!("behaviour {} would be gone", old.name)),
            Some(new) if new != old => {
                draft.note(Level::Info, format!("behaviour {} would be changed", old.name));
            }
            Some(_) => {}
        }
    }
    for new in to.behaviors.iter().filter(|n| !was.behaviors.iter().any(|b| b.name == n.name)) {
        draft.note(Level::Info, format!("behaviour {} would be new", new.name));
    }
    if was.alert_targets != to.alert_targets {
        draft.note(Level::Warn, "alerts would go elsewhere than now");
    }
    if active > 0 {
        draft.note(
            Level::Info,
            format!("{active} of its violations are active; AWS clears them by the changed behaviours"),
        );
    }
}

fn arns(profile: Option<&SecurityProfile>) -> Vec<&str> {
    profile.and_then(|p| p.targets.as_ref()).into_iter().flatten().map(|t| t.arn()).collect()
}

/// Targets as ARNs; `None` when one is none.
fn resolved(draft: &mut Draft<'_>, facts: &Facts, targets: &[&str]) -> Option<Vec<String>> {
    let mut out: Vec<String> = Vec::new();
    for text in targets {
        match target_arn(text, &facts.arn_prefix) {
            Ok(arn) if !out.contains(&arn) => out.push(arn),
            Ok(_) => {}
            Err(why) => {
                draft.refuse(why);
                return None;
            }
        }
    }
    Some(out)
}

/// What AWS would refuse about new targets.
fn judged(draft: &mut Draft<'_>, read: &DetectFacts, wanted: &[String], now: &[&str]) {
    for target in wanted.iter().filter(|t| !now.contains(&t.as_str())) {
        let words = target_words(target);
        match read.targets.iter().find(|(arn, _)| arn == target).map(|(_, n)| n) {
            Some(None) => draft.refuse(format!("there is no {words}")),
            Some(Some(n)) if *n >= MOST_PROFILES => draft
                .refuse(format!("{words} has {n} security profiles, the most AWS allows: detach one first")),
            _ => draft.note(Level::Info, format!("judges {words} from now on")),
        }
    }
}

fn delete(draft: &mut Draft<'_>, read: &DetectFacts, profile: &Name) {
    let Some(was) = &read.profile else { return absent(draft, "security profile", profile) };
    let mut requests: Vec<DetectRequest> = arns(Some(was))
        .into_iter()
        .map(|target| DetectRequest::Detach { profile: profile.raw().to_owned(), target: target.to_owned() })
        .collect();
    for target in arns(Some(was)) {
        draft.note(Level::Warn, format!("no longer judges {}", target_words(target)));
    }
    let body = Box::new(SecurityProfile { targets: None, ..was.clone() });
    requests.push(DetectRequest::DeleteProfile { was: body, version: read.version });
    if read.active > 0 {
        draft.note(Level::Danger, format!("{} of its violations are active now", read.active));
    }
    push(draft, profile, requests);
}

fn attach(draft: &mut Draft<'_>, facts: &Facts, read: &DetectFacts, profile: &Name, targets: &[String]) {
    let Some(was) = &read.profile else { return absent(draft, "security profile", profile) };
    let wanted: Vec<&str> = targets.iter().map(String::as_str).collect();
    let Some(wanted) = resolved(draft, facts, &wanted) else { return };
    let now = arns(Some(was));
    judged(draft, read, &wanted, &now);
    warn(draft, was, None);
    let new = wanted.into_iter().filter(|t| !now.contains(&t.as_str()));
    let requests = new.map(|target| DetectRequest::Attach { profile: profile.raw().to_owned(), target });
    let requests: Vec<_> = requests.collect();
    if requests.is_empty() {
        draft.nothing = Some(SafeText::new("it judges them already"));
    }
    push(draft, profile, requests);
}

fn detach(draft: &mut Draft<'_>, facts: &Facts, read: &DetectFacts, profile: &Name, targets: &[String]) {
    let Some(was) = &read.profile else { return absent(draft, "security profile", profile) };
    let wanted: Vec<&str> = targets.iter().map(String::as_str).collect();
    let Some(wanted) = resolved(draft, facts, &wanted) else { return };
    let now = arns(Some(was));
    let mut requests = Vec::new();
    for target in wanted {
        if now.contains(&target.as_str()) {
            draft.note(Level::Warn, format!("no longer judges {}", target_words(&target)));
            requests.push(DetectRequest::Detach { profile: profile.raw().to_owned(), target });
        } else {
            draft.note(Level::Info, format!("it does not judge {}", target_words(&target)));
        }
    }
    if requests.is_empty() {
        draft.nothing = Some(SafeText::new("it judges none of them"));
    }
    push(draft, profile, requests);
}

fn put_dimension(draft: &mut Draft<'_>, read: &DetectFacts, name: &Name, values: &[String]) {
    if !validate::valid_name(name.raw()) {
        draft.refuse("a dimension's name has 1 to 128 of [a-zA-Z0-9:_-]");
    }
    if values.is_empty() || values.len() > MOST_VALUES || values.iter().any(|v| v.is_empty()) {
        draft.refuse("a dimension has 1 to 256 topic filters");
    }
    let (key, values) = (name.raw().to_owned(), values.to_vec());
    match &read.dimension {
        None => {
            push(draft, name, vec![DetectRequest::CreateDimension { name: key, values }]);
            draft.reversible = Reversible::Yes(SafeText::new("undo deletes it"));
        }
        Some(was) if *was == values => draft.nothing = Some(SafeText::new("it is so already")),
        Some(was) => {
            if !read.used_by.is_empty() {
                let text = format!("what {} counts changes with it", read.used_by.join(", "));
                draft.note(Level::Warn, text);
            }
            let request = DetectRequest::UpdateDimension { name: key, to: values, was: was.clone() };
            push(draft, name, vec![request]);
        }
    }
}

fn create_metric(draft: &mut Draft<'_>, read: &DetectFacts, name: &Name, kind: &str, display: Option<&str>) {
    if !validate::valid_name(name.raw()) || !matches!(Metric::parse(name.raw()), Some(Metric::Custom(_))) {
        draft.refuse("a custom metric's name has 1 to 128 of [a-zA-Z0-9:_-] and does not begin with aws:");
    }
    if !METRIC_TYPES.contains(&kind) {
        draft.refuse(format!("{kind} is no type: {}", METRIC_TYPES.join(", ")));
    }
    if let Some((kind, _)) = &read.metric {
        return draft
            .refuse(format!("{} exists already, a {kind}: AWS changes no metric's type", name.raw()));
    }
    draft.note(Level::Info, "devices report it in their agent's custom_metrics, at most every 5 minutes");
    let request = DetectRequest::CreateMetric {
        name: name.raw().to_owned(),
        kind: kind.to_owned(),
        display: display.map(str::to_owned),
    };
    push(draft, name, vec![request]);
}

fn verify(draft: &mut Draft<'_>, read: &DetectFacts, violations: &[String], state: &str, note: &str) {
    if !STATES.contains(&state) {
        draft.refuse(format!("{state} is no verification state: {}", STATES.join(", ")));
    }
    if note.chars().count() > NOTE {
        draft.refuse(format!("a note has at most {NOTE} characters"));
    }
    for id in violations {
        let Some(found) = read.violations.iter().find(|v| v.id == *id) else {
            draft.refuse(format!("there is no violation {id} in the last 30 days"));
            continue;
        };
        draft.note(Level::Info, format!("{}: {}", found.thing.raw(), found.behavior));
        if let Some((was, why)) = &found.was {
            let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
            draft.note(Level::Info, format!("it was {was}{why}"));
            if was == state && why.as_str() == note.trim() {
                draft.nothing = Some(SafeText::new("it says so already"));
                continue;
            }
        }
        let request = DetectRequest::Verify {
            violation: id.clone(),
            state: state.to_owned(),
            note: note.trim().to_owned(),
            was: found.was.clone(),
        };
        push(draft, &Name::new(id), vec![request]);
    }
    draft.note(Level::Info, "says what it was; it neither ends the alarm nor touches the device");
}
