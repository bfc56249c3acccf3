//! What the reads of a sweep mean. Pure: what was read and when in, a line out.

use std::fmt::Write as _;

use serde_json::Value;

use quell_fleet::Ms;
use quell_fleet::format::{few, seconds, short};
use quell_fleet::model::{ExecutionRecord, Name, ShadowDocument};
use quell_fleet::policy::{Allows, allows, names};
use quell_fleet::shell::{command, word};
use quell_fleet::text::SafeText;

use crate::cloud::read::Read;
use crate::cloud::read_left::{ConnectionRecord, RetainedRecord, RoleAliasRecord};
use crate::response::execute::Reply;
use crate::response::read::retained::Retained;
use quell_fleet::known::Trouble;

use super::Mark;

/// What lets a certificate take keys of a role (docs/aws-iot.md#3.10).
pub(super) const ASSUME: &str = "iot:AssumeRoleWithCertificate";

/// A line as it is judged: the mark, the words, and what mends it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) mark: Mark,
    pub(super) text: String,
    pub(super) run: Option<String>,
}

impl Verdict {
    fn new(mark: Mark, text: impl Into<String>) -> Self {
        Self { mark, text: text.into(), run: None }
    }

    pub(super) fn unknown(text: impl Into<String>) -> Self {
        Self::new(Mark::Unknown, text)
    }

    fn run(mut self, command: String) -> Self {
        self.run = Some(command);
        self
    }
}

/// Why a read gave nothing, with the permission that is missing.
pub(super) fn why(trouble: &Trouble) -> String {
    match &trouble.missing_action {
        Some(action) => format!("{} (needs {action})", trouble.message),
        None => trouble.message.to_string(),
    }
}

/// A certificate of the device, as far as it was read.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// Its id.
    pub(super) id: String,
    /// `ACTIVE`, ….
    pub(super) status: Read<Option<String>>,
    /// The things it serves.
    pub(super) things: Read<Vec<Name>>,
    /// The documents of the policies on it.
    pub(super) documents: Read<Vec<Value>>,
}

impl Held {
    /// True unless it is known that TLS refuses it.
    pub(super) fn may_connect(&self) -> bool {
        !matches!(&self.status, Ok(status) if status.as_deref() != Some("ACTIVE"))
    }
}

/// A list as far as it was read, and how many of it were not.
#[derive(Debug)]
pub(super) struct Part<T> {
    pub(super) read: Vec<T>,
    pub(super) unread: usize,
}

impl<T> Part<T> {
    /// What is clear as far as it was read, is clear only where nothing is unread; `what` names what was read.
    fn clear(&self, what: &str, text: impl Into<String>) -> Verdict {
        let text = text.into();
        match self.unread {
            0 => Verdict::new(Mark::Clear, text),
            unread => Verdict::unknown(format!(
                "{text}, of {} {what}; {unread} more were not read",
                self.read.len()
            )),
        }
    }
}

/// Retained messages: `own` among `all`. `known` says that its topics are known: then their absence is one.
pub(super) fn retained(
    thing: &Name,
    own: &[RetainedRecord],
    all: &Retained,
    known: bool,
    now: Ms,
) -> Verdict {
    if own.is_empty() {
        return match (all, known) {
            (Retained::All(all), true) => {
                Verdict::new(Mark::Clear, format!("none on its topics ({} in the account)", all.len()))
            }
            (Retained::All(all), false) => Verdict::unknown(format!(
                "none of the {} in the account bears its name; which topics are its own is not known",
                all.len()
            )),
            (Retained::On { asked, unlisted, .. }, _) => Verdict::unknown(format!(
                "none on {asked} topics it was heard on; which others bear its name: {}",
                why(unlisted)
            )),
        };
    }
    let one = |found: &RetainedRecord| {
        let topic = SafeText::new(&found.topic);
        format!("{topic} ({} B, {} ago)", found.bytes, seconds((now - found.at).max(0)))
    };
    let mut text = few(own, one);
    if let Retained::On { unlisted, .. } = all {
        let _ = write!(text, "; which others bear its name: {}", why(unlisted));
    }
    Verdict::new(Mark::Found, text).run(command(&["quell", "retained", "clear"], [thing.raw()]))
}

/// What the response did about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::response) enum Cut {
    /// It ended the connection, without its session and without its last will.
    Done,
    /// It did not.
    Not,
    /// There was no response: a sweep by itself.
    ByNobody,
}

/// A client id, and what AWS knows of it.
pub(super) struct Client {
    pub(super) id: Name,
    pub(super) connection: Read<Option<ConnectionRecord>>,
    /// Its filters; `None` when AWS does not know the client.
    pub(super) filters: Read<Option<Vec<String>>>,
    pub(super) cut: Cut,
    /// It bears the name of another thing on the same certificate.
    pub(super) sibling: bool,
}

impl Client {
    fn connected(&self) -> Option<&ConnectionRecord> {
        self.connection.as_ref().ok()?.as_ref().filter(|found| found.connected)
    }
}

/// Connections under the client ids of the device, and of others with its certificates. `allowed`: the policy lets it
/// connect, so that it can be patched.
pub(super) fn sessions(thing: &Name, clients: &Part<Client>, allowed: bool, now: Ms) -> Verdict {
    let connected: Vec<(&Client, &ConnectionRecord)> =
        clients.read.iter().filter_map(|client| Some((client, client.connected()?))).collect();
    if !connected.is_empty() {
        let text = few(&connected, |(client, found)| {
            let hears = match &client.filters {
                Ok(Some(filters)) if filters.len() == 1 => ", 1 filter".to_owned(),
                Ok(Some(filters)) => format!(", {} filters", filters.len()),
                _ => String::new(),
            };
            let of = if client.sibling { ", on the same certificate," } else { "" };
            let since = seconds((now - found.since).max(0));
            format!("{}{of} connected for {since}{hears}", client.id.shown())
        });
        return match connected.iter().find(|(client, _)| client.sibling || !allowed) {
            None => clients.clear("client ids", format!("{text}: the policy lets it connect")),
            Some((client, _)) if client.sibling => Verdict::new(Mark::Found, text),
            Some(_) => Verdict::new(Mark::Found, text).run(command(&["quell", "isolate"], [thing.raw()])),
        };
    }
    if let Some(trouble) = clients.read.iter().find_map(|client| client.connection.as_ref().err()) {
        return Verdict::unknown(why(trouble));
    }
    let own: Vec<&Client> = clients.read.iter().filter(|client| !client.sibling).collect();
    let ids = few(&own, |client| client.id.shown().to_string());
    match own.iter().any(|client| matches!(client.connection, Ok(Some(_)))) {
        true => clients.clear("client ids", format!("not connected: {ids}")),
        // No operation lists the clients of a principal (docs/aws-iot.md#4.3).
        false => Verdict::unknown(format!(
            "AWS has not seen {ids} within half an hour: it may use another client id"
        )),
    }
}

/// Sessions that are kept beyond their connection, and last wills. `of`: the device's own client ids, which are read before
/// others.
pub(super) fn queued(clients: &Part<Client>, of: usize) -> Verdict {
    let read: Vec<&Client> = clients.read.iter().filter(|client| !client.sibling).collect();
    let own = Part { unread: of.saturating_sub(read.len()), read };
    let kept: Vec<(&Client, usize)> = own
        .read
        .iter()
        .filter(|client| client.connected().is_none())
        .filter_map(|client| match &client.filters {
            Ok(Some(filters)) if !filters.is_empty() => Some((*client, filters.len())),
            _ => None,
        })
        .collect();
    if !kept.is_empty() {
        let text = few(&kept, |(client, filters)| {
            format!("a session of {} is kept, {filters} filters", client.id.shown())
        });
        return Verdict::new(Mark::Found, text);
    }
    if let Some(trouble) = own.read.iter().find_map(|client| client.filters.as_ref().err()) {
        return Verdict::unknown(why(trouble));
    }
    let cut = |cut: Cut| own.read.iter().any(|client| client.cut == cut);
    let will = match () {
        () if cut(Cut::Done) => "; the cut kept its last will back",
        () if cut(Cut::Not) => "; it was not cut, so AWS may have sent its last will",
        () => "",
    };
    own.clear("client ids", format!("no session is kept{will}"))
}

/// Other things on its certificates.
pub(super) fn things(thing: &Name, held: &[Held]) -> Verdict {
    let mut told: Vec<String> = Vec::new();
    for certificate in held {
        let others: Vec<&Name> =
            certificate.things.iter().flatten().filter(|other| *other != thing).collect();
        if !others.is_empty() {
            let names = few(&others, |other| other.shown().to_string());
            told.push(format!("{} also serves {names}", short(&certificate.id)));
        }
    }
    if !told.is_empty() {
        return Verdict::new(Mark::Found, told.join("; "));
    }
    match held.iter().find_map(|certificate| certificate.things.as_ref().err()) {
        Some(trouble) => Verdict::unknown(why(trouble)),
        None if held.is_empty() => Verdict::new(Mark::Clear, "it has no certificate"),
        None => Verdict::new(Mark::Clear, "its certificate serves no other thing"),
    }
}

/// Certificates of it beside those that the response was about: of an isolation the first, whichever it is.
pub(super) fn certificates(thing: &Name, held: &[Held], barred: bool) -> Verdict {
    let active: Vec<&Held> = held.iter().filter(|certificate| certificate.may_connect()).collect();
    if let Some(trouble) = active.iter().find_map(|certificate| certificate.status.as_ref().err()) {
        return Verdict::unknown(why(trouble));
    }
    let ids = few(&active, |certificate| short(&certificate.id));
    match (barred, active.len()) {
        (true, 0) => Verdict::new(Mark::Clear, "none of it is ACTIVE"),
        (true, _) => Verdict::new(Mark::Found, format!("still ACTIVE: {ids}"))
            .run(command(&["quell", "deactivate"], [thing.raw()])),
        (false, 0) => Verdict::new(Mark::Clear, "none of it is ACTIVE"),
        (false, 1) => Verdict::new(Mark::Clear, format!("no other than {ids}, ACTIVE")),
        (false, n) => Verdict::new(Mark::Found, format!("{n} ACTIVE: {ids}")),
    }
}

/// What was asked of TestAuthorization about one certificate.
pub(super) struct Asked<'a> {
    pub(super) held: &'a Held,
    /// Each topic's ARN, and whether a publish would be allowed.
    pub(super) answers: Part<(String, bool)>,
    /// Why the rest was not answered.
    pub(super) trouble: Option<Trouble>,
}

/// Publishing over HTTPS with a certificate. `known`: the topics asked about are the device's own.
pub(super) fn https(thing: &Name, asked: &[Asked<'_>], known: bool) -> Verdict {
    if asked.is_empty() {
        return Verdict::new(Mark::Clear, "no certificate of it is ACTIVE: TLS refuses it");
    }
    let mut told: Vec<String> = Vec::new();
    for question in asked {
        let allowed: Vec<&String> =
            question.answers.read.iter().filter(|(_, allowed)| *allowed).map(|(arn, _)| arn).collect();
        let Some(first) = allowed.first() else { continue };
        let documents = question.held.documents.as_deref().unwrap_or_default();
        let retain = match allows(documents, "iot:RetainPublish", first) {
            Allows::Yes => " and retain",
            _ => "",
        };
        let topics = few(&allowed, |arn| SafeText::new(topic_of(arn)).to_string());
        told.push(format!("{} may publish{retain} on {topics}", short(&question.held.id)));
    }
    if !told.is_empty() {
        let text = format!("{}: no client id, so a group's policy does not reach it", told.join("; "));
        return Verdict::new(Mark::Found, text).run(command(&["quell", "deactivate"], [thing.raw()]));
    }
    match asked.iter().find_map(|question| question.trouble.as_ref()) {
        Some(trouble) => Verdict::unknown(why(trouble)),
        None if known => {
            let least = asked.iter().map(|question| &question.answers).max_by_key(|answers| answers.unread);
            least.map_or_else(
                || Verdict::unknown("not asked"),
                |answers| answers.clear("topics", "denied on its topics"),
            )
        }
        None => {
            let first = asked.iter().flat_map(|question| &question.answers.read).next();
            let topic = first.map_or_else(String::new, |(arn, _)| SafeText::new(topic_of(arn)).to_string());
            Verdict::unknown(format!("denied on {topic}; which topics are its own is not known"))
        }
    }
}

/// The topic of its ARN.
fn topic_of(arn: &str) -> &str {
    arn.split_once(":topic/").map_or(arn, |(_, topic)| topic)
}

/// Keys of roles. `aliases` are those of the account, where a policy allows any; `exclusive` are the certificates that act as
/// the thing without naming it, so that its group's policy reaches them.
pub(super) fn credentials(
    held: &[Held],
    aliases: Option<&Read<Part<RoleAliasRecord>>>,
    denied: impl Fn(&Held) -> bool,
    now: Ms,
) -> Verdict {
    if let Some(trouble) = held.iter().find_map(|certificate| certificate.documents.as_ref().err()) {
        return Verdict::unknown(why(trouble));
    }
    let Some(aliases) = aliases else {
        return Verdict::new(Mark::Clear, format!("no policy on its certificates allows {ASSUME}"));
    };
    let aliases = match aliases {
        Ok(aliases) => aliases,
        Err(trouble) => {
            return Verdict::unknown(format!("a policy allows {ASSUME}; for which roles: {}", why(trouble)));
        }
    };
    let mut told: Vec<String> = Vec::new();
    let mut run = None;
    for alias in &aliases.read {
        let allowing: Vec<&Held> = held
            .iter()
            .filter(|h| allows(h.documents.iter().flatten(), ASSUME, &alias.arn) != Allows::No)
            .collect();
        if allowing.is_empty() {
            continue;
        }
        let role = alias.role.rsplit('/').next().unwrap_or(&alias.role);
        let until = now.saturating_add(alias.duration.saturating_mul(1_000));
        let mut text =
            format!("it may hold keys of role {}, good until {}", SafeText::new(role), clock(until));
        if allowing.iter().any(|h| h.may_connect() && !denied(h)) {
            text.push_str(", and can take new ones");
        }
        told.push(text);
        run.get_or_insert_with(|| revoke(role, now));
    }
    match run {
        Some(run) => Verdict::new(Mark::Found, told.join("; ")).run(run),
        None => aliases.clear("role aliases", "no role alias is allowed to its certificates"),
    }
}

/// True when a policy on one of the certificates allows taking keys of some role.
pub(super) fn may_assume(held: &[Held]) -> bool {
    held.iter().any(|certificate| names(certificate.documents.iter().flatten(), ASSUME))
}

/// `2026-11-28T10:00:00Z`.
fn clock(at: Ms) -> String {
    jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |at| format!("{at:.0}"))
}

/// The deny that ends every session of a role that was opened before now, as IAM's own "revoke active sessions" writes it.
fn revoke(role: &str, now: Ms) -> String {
    let document = serde_json::json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": clock(now)}},
    }]});
    format!(
        "aws iam put-role-policy --role-name {} --policy-name QuellDenyOlderSessions --policy-document {}",
        word(role),
        word(&document.to_string())
    )
}

/// A shadow of the device: its name, `None` for the classic one, and what was read.
pub(super) type Shadow = (Option<Name>, Read<Option<ShadowDocument>>);

/// Desired state that waits for it. Its own flag of quarantine is no residue.
pub(super) fn desired(shadows: &Read<Part<Shadow>>) -> Verdict {
    let shadows = match shadows {
        Ok(shadows) => shadows,
        Err(trouble) => return Verdict::unknown(why(trouble)),
    };
    let mut told: Vec<String> = Vec::new();
    for (name, document) in &shadows.read {
        let Ok(Some(document)) = document else { continue };
        let waiting: Vec<&String> = document
            .delta
            .as_object()
            .into_iter()
            .flat_map(serde_json::Map::keys)
            .filter(|key| name.is_some() || key.as_str() != "quarantine")
            .collect();
        if !waiting.is_empty() {
            let keys = few(&waiting, |key| SafeText::new(key).to_string());
            let of = name.as_ref().map(|name| format!(" of shadow {}", name.shown())).unwrap_or_default();
            told.push(format!("{keys}{of}"));
        }
    }
    if !told.is_empty() {
        return Verdict::new(Mark::Found, format!("waits for it: {}", told.join("; ")));
    }
    match shadows.read.iter().find_map(|(_, document)| document.as_ref().err()) {
        Some(trouble) => Verdict::unknown(why(trouble)),
        None => shadows.clear("shadows", "none waits for it"),
    }
}

/// Job executions that wait for it.
pub(super) fn jobs(executions: &Read<Vec<ExecutionRecord>>) -> Verdict {
    let executions = match executions {
        Ok(executions) => executions,
        Err(trouble) => return Verdict::unknown(why(trouble)),
    };
    let waiting: Vec<&ExecutionRecord> = executions
        .iter()
        .filter(|execution| matches!(execution.status.as_str(), "QUEUED" | "IN_PROGRESS"))
        .collect();
    match waiting.is_empty() {
        true => Verdict::new(Mark::Clear, "none waits for it"),
        false => {
            let text = few(&waiting, |execution| format!("{} {}", execution.job.shown(), execution.status));
            Verdict::new(Mark::Found, text)
        }
    }
}

/// A client id and what it answered to a direct message; why it could not be asked.
pub(super) type Told = (Name, Result<Reply, SafeText>);

/// What its clients answered; `None` where they were not to be asked. `allowed`: the policy lets it connect.
pub(super) fn answer(told: Option<&[Told]>, allowed: bool) -> Verdict {
    let Some(told) = told else {
        return Verdict::unknown("not asked: a sweep by itself sends nothing to a client");
    };
    let of = |wanted: Reply| -> Vec<&Name> {
        told.iter().filter(|(_, reply)| *reply == Ok(wanted)).map(|(client, _)| client).collect()
    };
    let confirmed = of(Reply::Confirmed);
    if !confirmed.is_empty() {
        let ids = few(&confirmed, |id| id.shown().to_string());
        return match allowed {
            true => {
                Verdict::new(Mark::Clear, format!("{ids} confirmed a message: the policy lets it connect"))
            }
            false => Verdict::new(Mark::Found, format!("{ids} confirmed a message: it is there")),
        };
    }
    let unconfirmed = of(Reply::Unconfirmed);
    if !unconfirmed.is_empty() {
        let ids = few(&unconfirmed, |id| id.shown().to_string());
        return Verdict::unknown(format!("{ids} is connected, and confirmed no message"));
    }
    if let Some(reason) = told.iter().find_map(|(_, reply)| reply.as_ref().err()) {
        return Verdict::unknown(reason.to_string());
    }
    match told.is_empty() {
        true => Verdict::unknown("not asked: the plan named no client"),
        false => {
            let ids = few(told, |(id, _)| id.shown().to_string());
            Verdict::new(Mark::Clear, format!("no message reached {ids}: not connected"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quell_fleet::known::TroubleKind;

    fn whole<T>(read: Vec<T>) -> Part<T> {
        Part { read, unread: 0 }
    }
    use serde_json::json;

    const NOW: Ms = 1_800_000_000_000;

    fn thing() -> Name {
        Name::new("Thing02")
    }

    fn denied() -> Trouble {
        let action = Some(SafeText::new("iot:ListX"));
        Trouble { kind: TroubleKind::Denied, message: "refused".into(), missing_action: action, since: NOW }
    }

    fn held(id: &str, status: &str, statement: Value) -> Held {
        Held {
            id: id.repeat(8),
            status: Ok(Some(status.to_owned())),
            things: Ok(vec![thing()]),
            documents: Ok(vec![json!({ "Statement": statement })]),
        }
    }

    fn allow(action: &str) -> Value {
        json!({"Effect": "Allow", "Action": action, "Resource": "*"})
    }

    fn client(id: &str, connection: Option<bool>) -> Client {
        let record = |connected| ConnectionRecord { connected, since: NOW - 5_000, gone: None, kept: 0 };
        let id = Name::new(id);
        Client {
            id,
            connection: Ok(connection.map(record)),
            filters: Ok(None),
            cut: Cut::Done,
            sibling: false,
        }
    }

    #[test]
    fn what_is_not_known_is_neither_there_nor_not() {
        let other = RetainedRecord { topic: "x".to_owned(), bytes: 1, at: NOW };
        let all = Retained::All([other].into());
        assert_eq!(retained(&thing(), &[], &all, false, NOW).mark, Mark::Unknown, "its topics are not known");
        let verdict = retained(&thing(), &[], &all, true, NOW);
        assert_eq!(
            (verdict.mark, verdict.text.as_str()),
            (Mark::Clear, "none on its topics (1 in the account)")
        );
        let unlisted = Retained::On { found: Vec::new(), asked: 2, unlisted: denied() };
        let verdict = retained(&thing(), &[], &unlisted, true, NOW);
        assert_eq!(verdict.mark, Mark::Unknown, "what could not be listed is not absent");
        assert!(verdict.text.contains("on 2 topics") && verdict.text.contains("iot:ListX"), "{verdict:?}");
        let one = whole(vec![client("Thing02", None)]);
        assert_eq!(sessions(&thing(), &one, false, NOW).mark, Mark::Unknown);
        let certificate = Held { documents: Err(denied()), ..held("a", "ACTIVE", json!([])) };
        assert_eq!(credentials(&[certificate], None, |_| false, NOW).mark, Mark::Unknown);
        let verdict = jobs(&Err(denied()));
        assert_eq!((verdict.mark, verdict.text.as_str()), (Mark::Unknown, "refused (needs iot:ListX)"));
        let denies = [Asked {
            held: &held("a", "ACTIVE", allow("iot:Publish")),
            answers: whole(vec![("arn:aws:iot:r:1:topic/dt/x".to_owned(), false)]),
            trouble: None,
        }];
        assert_eq!(https(&thing(), &denies, true).mark, Mark::Clear);
        assert_eq!(https(&thing(), &denies, false).mark, Mark::Unknown, "a guessed topic proves nothing");
        assert_eq!(answer(Some(&[]), false).mark, Mark::Unknown);
        let verdict = answer(None, false);
        assert!(verdict.mark == Mark::Unknown && verdict.text.contains("by itself"), "{verdict:?}");
    }

    #[test]
    fn a_session_that_is_kept_waits_though_nothing_is_connected() {
        let gone = || client("Thing02", Some(false));
        let verdict = queued(&whole(vec![gone()]), 1);
        assert!(verdict.mark == Mark::Clear && verdict.text.contains("kept its last will"), "{verdict:?}");
        let alone = Client { cut: Cut::ByNobody, ..gone() };
        assert_eq!(queued(&whole(vec![alone]), 1).text, "no session is kept", "nobody was to cut it");
        let kept = Client { filters: Ok(Some(vec!["cmd/#".to_owned()])), ..gone() };
        let verdict = queued(&whole(vec![kept]), 1);
        assert!(verdict.mark == Mark::Found && verdict.text.contains("a session of Thing02"), "{verdict:?}");
        let sibling = Client { sibling: true, ..client("Thing03", Some(true)) };
        let both = whole(vec![client("Thing02", Some(false)), sibling]);
        let verdict = sessions(&thing(), &both, false, NOW);
        assert!(verdict.mark == Mark::Found && verdict.text.contains("Thing03, on the same"), "{verdict:?}");
        let unread = Part { read: both.read, unread: 3 };
        assert_eq!(queued(&unread, 1).mark, Mark::Clear, "only ids of others were not read");
        let there = whole(vec![client("Thing02", Some(true))]);
        assert_eq!(sessions(&thing(), &there, true, NOW).mark, Mark::Clear);
        assert_eq!(sessions(&thing(), &there, false, NOW).mark, Mark::Found);
    }

    #[test]
    fn what_was_not_read_keeps_the_rest_from_being_clear() {
        let clients = Part { read: vec![client("Thing02", Some(false))], unread: 3 };
        for verdict in [sessions(&thing(), &clients, false, NOW), queued(&clients, 4)] {
            assert!(verdict.mark == Mark::Unknown && verdict.text.contains("3 more"), "{verdict:?}");
        }
        assert_eq!(desired(&Ok(Part { read: Vec::new(), unread: 1 })).mark, Mark::Unknown);
        let held = held("a", "ACTIVE", allow("iot:Publish"));
        let read = vec![("arn:aws:iot:r:1:topic/dt/x".to_owned(), false)];
        let asked = [Asked { held: &held, answers: Part { read, unread: 5 }, trouble: None }];
        let verdict = https(&thing(), &asked, true);
        assert!(verdict.mark == Mark::Unknown && verdict.text.contains("5 more"), "{verdict:?}");
        let read = vec![("arn:aws:iot:r:1:topic/dt/x".to_owned(), true)];
        let asked = [Asked { held: &held, answers: Part { read, unread: 5 }, trouble: Some(denied()) }];
        assert_eq!(
            https(&thing(), &asked, true).mark,
            Mark::Found,
            "what is allowed is, whatever came after"
        );
    }

    #[test]
    fn keys_of_a_role_outlive_the_certificate_and_say_until_when() {
        let alias = RoleAliasRecord {
            arn: "arn:aws:iot:r:1:rolealias/Uploads".to_owned(),
            role: "arn:aws:iam::1:role/dev/it's".to_owned(),
            duration: 3_600,
        };
        let aliases = Ok(whole(vec![alias]));
        let revoked = held("a", "REVOKED", allow("iot:*"));
        let verdict = credentials(std::slice::from_ref(&revoked), Some(&aliases), |_| false, NOW);
        assert_eq!(verdict.mark, Mark::Found);
        assert!(verdict.text.contains("2027-01-15T09:00:00Z"), "{verdict:?}");
        assert!(!verdict.text.contains("new ones"), "TLS refuses a revoked certificate: {verdict:?}");
        let run = verdict.run.unwrap();
        assert!(run.contains(r"--role-name 'it'\''s'") && run.contains("2027-01-15T08:00:00Z"), "{run}");
        let active = held("a", "ACTIVE", allow("iot:*"));
        let verdict = credentials(std::slice::from_ref(&active), Some(&aliases), |_| false, NOW);
        assert!(verdict.text.contains("can take new ones"), "{verdict:?}");
        let barred = credentials(std::slice::from_ref(&active), Some(&aliases), |_| true, NOW);
        assert!(!barred.text.contains("new ones"));
        assert!(!may_assume(&[held("a", "ACTIVE", allow("iot:Publish"))]));
    }

    #[test]
    fn its_own_flag_is_no_residue() {
        let shadow = |delta: Value| {
            let document = ShadowDocument {
                reported: json!({}),
                desired: json!({}),
                delta,
                version: 1,
                metadata: json!({}),
            };
            Ok(whole(vec![(None, Ok(Some(document)))]))
        };
        assert_eq!(desired(&shadow(json!({"quarantine": true}))).mark, Mark::Clear);
        assert_eq!(desired(&shadow(json!({"quarantine": true, "led": 1}))).mark, Mark::Found);
        assert_eq!(desired(&shadow(json!("not an object"))).mark, Mark::Clear);
    }
}
