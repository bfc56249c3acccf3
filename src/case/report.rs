//! A case told: as Markdown, as one HTML page with its charts in it, and as an OCSF Incident Finding.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::response::journal::Journal;
use quell_fleet::Ms;
use quell_fleet::event::Event;
use quell_fleet::format::{iso_or_ms as iso, markdown};
use quell_fleet::record::report::{self, Report};
use quell_fleet::record::{Player, What};
use quell_fleet::text::SafeText;

use super::folder::{self, About};
use super::verify::{self, Temporary, Verified};
use super::{CUSTODY, archive};

/// A part of a case that is read for the report is not longer.
const PART: u64 = 16 << 20;
/// Custody entries told: the last ones, which say how the case stands.
const ENTRIES: usize = 2_000;
/// Columns of a chart: each a part of the recording's time.
const COLUMNS: usize = 120;
/// Recordings of a case that are told.
const RECORDINGS: usize = 4;

/// What a case holds, read to be told.
#[derive(Debug)]
pub struct Told {
    about: About,
    /// By thing, then by part: what was kept.
    kept: Vec<(String, BTreeMap<String, Value>)>,
    /// The last entries of the custody log, and how many there are before them.
    custody: VecDeque<Value>,
    earlier: usize,
    recordings: Vec<Recorded>,
    /// What the case holds and is not told here, in sentences.
    untold: Vec<String>,
    verified: Option<Verified>,
}

/// A recording of the case.
#[derive(Debug)]
struct Recorded {
    name: String,
    report: Report,
    /// Empty where they were not asked for.
    charts: Vec<Chart>,
}

/// How much one thing said over time.
#[derive(Debug)]
struct Chart {
    thing: String,
    from: Ms,
    to: Ms,
    /// Messages of each column, and the bytes of the largest.
    columns: Vec<(u64, u32)>,
}

/// Reads the case in a folder, or in an archive, which is unpacked for as long as that takes. `charts` are those of [`Told::html`].
///
/// # Errors
/// There is no case, or it cannot be read.
pub fn read(path: &Path, verified: Option<Verified>, charts: bool) -> io::Result<Told> {
    if path.is_dir() {
        return read_folder(path, verified, charts);
    }
    let unpacked: Temporary = verify::unpack(path)?;
    read_folder(&unpacked.0, verified, charts)
}

fn read_folder(path: &Path, verified: Option<Verified>, with_charts: bool) -> io::Result<Told> {
    let about = folder::about(path)?;
    let mut kept = Vec::new();
    for thing in about.things.iter().filter(|thing| archive::is_name(&thing.folder)) {
        let mut parts = BTreeMap::new();
        for entry in std::fs::read_dir(path.join(&thing.folder)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(part) = name.strip_suffix(".json") else { continue };
            let value = json_of(&entry.path()).unwrap_or_else(|e| json!({"unknown": e.to_string()}));
            parts.insert(part.to_owned(), value);
        }
        kept.push((thing.thing.clone(), parts));
    }
    let (mut custody, mut earlier, mut journal) = (VecDeque::new(), 0, None);
    Journal::open(&path.join(CUSTODY))?.each(|entry| {
        let file = entry.get("file").and_then(Value::as_str).filter(|_| entry["kind"] == "added");
        // Each closing adds the journal as it is then: the last one holds those before it.
        journal = file.filter(|file| file.starts_with(folder::JOURNAL)).map(str::to_owned).or(journal.take());
        if custody.len() == ENTRIES {
            custody.pop_front();
            earlier += 1;
        }
        custody.push_back(entry);
    })?;
    let things: Vec<&str> = about.things.iter().map(|thing| thing.thing.as_str()).collect();
    let mut untold = Vec::new();
    let journal = match journal.filter(|file| archive::is_name(file)) {
        Some(file) => journal_of(&path.join(&file), &file, &mut untold)?,
        None => Vec::new(),
    };
    let files: Vec<PathBuf> =
        added(&path.join("added"))?.into_iter().filter(|file| is_recording(file)).collect();
    if files.len() > RECORDINGS {
        untold.push(format!(
            "{} of {} recordings are not told: `quell report` tells each",
            files.len() - RECORDINGS,
            files.len()
        ));
    }
    let mut recordings = Vec::new();
    for file in files.iter().take(RECORDINGS) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut player = Player::open(file)?;
        let mut charts = Charts::new(if with_charts { &things } else { &[] }, player.span());
        let report = report::tell(&mut player, &journal, &mut |what| charts.take(what))?;
        recordings.push(Recorded { name, report, charts: charts.charts });
    }
    Ok(Told { about, kept, custody, earlier, recordings, untold, verified })
}

/// The entries of the journal as it was added, line by line: one that is damaged costs no other.
fn journal_of(path: &Path, name: &str, untold: &mut Vec<String>) -> io::Result<Vec<Value>> {
    let mut bytes = Vec::new();
    let file = File::open(path)?;
    let all = file.metadata()?.len();
    file.take(PART).read_to_end(&mut bytes)?;
    if all > PART {
        untold.push(format!("of {name} the first {PART} of {all} bytes are told"));
        // The last line is cut.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        bytes.truncate(whole);
    }
    let (mut entries, mut unread) = (Vec::new(), 0_usize);
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(entry) => entries.push(entry),
            Err(_) => unread += 1,
        }
    }
    if unread > 0 {
        untold.push(format!("{unread} lines of {name} are no entries of a journal"));
    }
    Ok(entries)
}

fn json_of(path: &Path) -> io::Result<Value> {
    serde_json::from_reader(File::open(path)?.take(PART)).map_err(io::Error::from)
}

fn added(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed?,
    };
    let mut files: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

fn is_recording(path: &Path) -> bool {
    let mut start = [0; 8];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok()
        && start == *quell_fleet::record::file::MAGIC
}

/// What each of some things said over the time of a recording, as it is read.
struct Charts<'a> {
    things: &'a [&'a str],
    /// By number: whose a topic is.
    topics: BTreeMap<u32, usize>,
    from: Ms,
    width: Ms,
    charts: Vec<Chart>,
}

impl<'a> Charts<'a> {
    fn new(things: &'a [&'a str], (from, to): (Ms, Ms)) -> Self {
        let blank =
            |thing: &&str| Chart { thing: (*thing).to_owned(), from, to, columns: vec![(0, 0); COLUMNS + 1] };
        let width = (to.saturating_sub(from) / COLUMNS as Ms).max(1);
        Self { things, topics: BTreeMap::new(), from, width, charts: things.iter().map(blank).collect() }
    }

    fn take(&mut self, what: &What) {
        let What::Event(Event::Batch(batch)) = what else { return };
        for topic in batch.topics.iter().filter(|topic| topic.telemetry) {
            let whose =
                topic.thing.as_ref().and_then(|t| self.things.iter().position(|thing| *thing == t.raw()));
            if let Some(whose) = whose {
                self.topics.insert(topic.id, whose);
            }
        }
        batch.messages.iter().for_each(|m| self.count(m.topic, m.at, 1, m.len));
        batch.counted.iter().for_each(|c| self.count(c.topic, c.at, u64::from(c.count), c.largest));
    }

    fn count(&mut self, topic: u32, at: Ms, n: u64, largest: u32) {
        let column = usize::try_from((at - self.from).max(0) / self.width).unwrap_or(COLUMNS).min(COLUMNS);
        let chart = self.topics.get(&topic).and_then(|i| self.charts.get_mut(*i));
        if let Some((messages, most)) = chart.and_then(|chart| chart.columns.get_mut(column)) {
            *messages += n;
            *most = (*most).max(largest);
        }
    }
}

/// One line of a part, for people, with how much of it is not in the case.
fn line(part: &Value) -> String {
    if let Some(why) = part.get("unknown").and_then(Value::as_str) {
        return format!("unknown: {why}");
    }
    let read = part.get("read").unwrap_or(part);
    let mut text = summary(read);
    for (name, what) in [("notRead", "more were not read"), ("leftOut", "earlier ones were left out")] {
        if let Some(n) = read.get(name).and_then(Value::as_u64).filter(|n| *n > 0) {
            let _ = write!(text, "; {n} {what}");
        }
    }
    if let Some(why) = read.get("certificatesUnknown").and_then(Value::as_str) {
        let _ = write!(text, "; client ids of its certificates unknown: {why}");
    }
    text
}

fn summary(read: &Value) -> String {
    let count = |name: &str| read.get(name).and_then(Value::as_array).map(Vec::len);
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("?").to_owned();
    let list = |name: &str, of: &dyn Fn(&Value) -> String| {
        let all: Vec<String> =
            read.get(name).and_then(Value::as_array).into_iter().flatten().map(of).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(", ") }
    };
    let object = read.as_object();
    let first = object.and_then(|object| object.keys().next()).map(String::as_str).unwrap_or_default();
    match first {
        "thingGroups" => list("thingGroups", &|group| text(group, "groupName")),
        "certificates" => list("certificates", &|held| {
            let id: String = text(held, "certificateId").chars().take(8).collect();
            match held.get("registered").and_then(Value::as_bool) {
                Some(false) => format!("{id}… not registered"),
                _ => format!("{id}… {}", text(held, "status")),
            }
        }),
        "effectivePolicies" => list("effectivePolicies", &|policy| text(policy, "policyName")),
        "sessions" => list("sessions", &|session| {
            let connected = session.pointer("/connection/connected").and_then(Value::as_bool);
            let filters = session.pointer("/subscriptions/read").and_then(Value::as_array).map(Vec::len);
            let connected = match connected {
                Some(true) => "connected",
                Some(false) => "not connected",
                None => "not known to AWS",
            };
            let filters = filters.map_or_else(String::new, |n| format!(", {n} subscriptions"));
            format!("{} ({connected}{filters})", text(session, "clientId"))
        }),
        "retained" => list("retained", &|found| text(found, "topic")),
        "activeViolations" => list("activeViolations", &|violation| {
            format!(
                "{} of {}",
                violation.pointer("/behavior/name").and_then(Value::as_str).unwrap_or("?"),
                text(violation, "profile")
            )
        }),
        "thingName" => match read.get("registered").and_then(Value::as_bool) {
            Some(false) => "not registered".to_owned(),
            _ => format!("type {}", read.get("thingTypeName").and_then(Value::as_str).unwrap_or("none")),
        },
        other => match count(other) {
            Some(n) => format!("{n} {other}"),
            None => "kept".to_owned(),
        },
    }
}

/// One line of the custody log.
fn entry(entry: &Value) -> [String; 3] {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
    let what = match text("kind") {
        "kept" | "added" => {
            format!("{} ({} bytes, SHA-256 {})", text("file"), entry["bytes"], text("sha256"))
        }
        "note" => format!(
            "{} — {}",
            text("text"),
            entry.pointer("/who/user").and_then(Value::as_str).unwrap_or("?")
        ),
        "opened" => format!("by {}", who(entry.get("who").unwrap_or(&Value::Null))),
        "closed" => {
            format!("with the key {} by {}", text("key"), who(entry.get("who").unwrap_or(&Value::Null)))
        }
        _ => text("what").to_owned(),
    };
    [text("at").to_owned(), text("kind").to_owned(), what]
}

fn who(by: &Value) -> String {
    let text = |name: &str| by.get(name).and_then(Value::as_str);
    let person = text("arn").or_else(|| text("user")).unwrap_or("unknown");
    match text("host") {
        Some(host) => format!("{person} on {host}"),
        None => person.to_owned(),
    }
}

/// Text in a cell or a sentence of Markdown: nothing in it is markup.
fn md(text: &str) -> String {
    markdown(SafeText::new(text).as_str())
}

/// Text in HTML: nothing in it is markup.
fn html(text: &str) -> String {
    let mut out = String::new();
    for c in SafeText::new(text).as_str().chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

impl Told {
    /// Whether it was checked, in a sentence.
    fn standing(&self) -> String {
        match &self.verified {
            Some(verified) => format!(
                "The archive was checked: {} files are as they were signed ({}).",
                verified.files, verified.trusted
            ),
            None => "It was not checked here: `quell case verify` does, with the public key.".to_owned(),
        }
    }

    fn place(&self) -> String {
        let account = self.about.account.as_deref().unwrap_or("unknown");
        format!("account {account}, region {}", self.about.region.as_deref().unwrap_or("unknown"))
    }

    /// The report as Markdown.
    pub fn markdown(&self) -> String {
        let about = &self.about;
        let mut out = format!("# {}\n\n", md(&about.case));
        let _ = writeln!(
            out,
            "Opened {} by {}; {}.\n",
            iso(about.opened),
            md(&who(&about.by)),
            md(&self.place())
        );
        let _ = writeln!(out, "{}\n", md(&self.standing()));
        for sentence in &self.untold {
            let _ = writeln!(out, "Not told here: {}.\n", md(sentence));
        }
        for (thing, parts) in &self.kept {
            let _ = writeln!(out, "## {}\n\n| kept | what |\n| --- | --- |", md(thing));
            for (name, part) in parts {
                let _ = writeln!(out, "| {} | {} |", md(name), md(&line(part)));
            }
            out.push('\n');
        }
        for recorded in &self.recordings {
            // The report of a recording has headings of its own, one level down here.
            let _ = writeln!(out, "## Recording {}\n", md(&recorded.name));
            for text in recorded.report.markdown().lines() {
                let _ =
                    if text.starts_with('#') { writeln!(out, "##{text}") } else { writeln!(out, "{text}") };
            }
            out.push('\n');
        }
        out.push_str("## Custody\n\n");
        if self.earlier > 0 {
            let _ = writeln!(out, "{} earlier entries are in {CUSTODY}.\n", self.earlier);
        }
        out.push_str("| at | what | detail |\n| --- | --- | --- |\n");
        for row in self.custody.iter().map(entry) {
            let [at, kind, what] = row.map(|cell| md(&cell));
            let _ = writeln!(out, "| {at} | {kind} | {what} |");
        }
        out
    }

    /// The report as one HTML page: style and charts are in it, and nothing is fetched.
    pub fn html(&self) -> String {
        let about = &self.about;
        let mut out = format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{0}</title>\n<style>{STYLE}</style></head><body>\n<h1>{0}</h1>\n<p>Opened {1} by {2}; {3}.</p>\n<p>{4}</p>\n",
            html(&about.case),
            iso(about.opened),
            html(&who(&about.by)),
            html(&self.place()),
            html(&self.standing())
        );
        for sentence in &self.untold {
            let _ = writeln!(out, "<p>Not told here: {}.</p>", html(sentence));
        }
        for (thing, parts) in &self.kept {
            let _ = writeln!(out, "<h2>{}</h2>", html(thing));
            for recorded in &self.recordings {
                for chart in recorded.charts.iter().filter(|chart| chart.thing == *thing) {
                    if chart.columns.iter().any(|(messages, _)| *messages > 0) {
                        out.push_str(&svg(chart, &recorded.report));
                    } else {
                        let _ = writeln!(out, "<p>{} brought no telemetry of it.</p>", html(&recorded.name));
                    }
                }
            }
            out.push_str("<table><tr><th>kept</th><th>what</th></tr>\n");
            for (name, part) in parts {
                let _ = writeln!(out, "<tr><td>{}</td><td>{}</td></tr>", html(name), html(&line(part)));
            }
            out.push_str("</table>\n");
        }
        for recorded in &self.recordings {
            let _ = writeln!(out, "<h2>What was recorded: {}</h2>\n<table>", html(&recorded.name));
            for told in &recorded.report.timeline {
                let thing = told.thing.as_ref().map_or("", SafeText::as_str);
                let cells = [iso(told.at), told.kind.to_owned(), thing.to_owned(), told.text.to_string()];
                let _ = writeln!(
                    out,
                    "<tr>{}</tr>",
                    cells.map(|cell| format!("<td>{}</td>", html(&cell))).concat()
                );
            }
            out.push_str("</table>\n");
        }
        out.push_str("<h2>Custody</h2>\n");
        if self.earlier > 0 {
            let _ = writeln!(out, "<p>{} earlier entries are in {CUSTODY}.</p>", self.earlier);
        }
        out.push_str("<table><tr><th>at</th><th>what</th><th>detail</th></tr>\n");
        for row in self.custody.iter().map(entry) {
            let _ =
                writeln!(out, "<tr>{}</tr>", row.map(|cell| format!("<td>{}</td>", html(&cell))).concat());
        }
        out.push_str("</table>\n</body></html>\n");
        out
    }

    /// The report as an OCSF Incident Finding (class 2005, <https://schema.ocsf.io>).
    pub fn ocsf(&self) -> Value {
        let about = &self.about;
        // What was put in after a closing is in no archive yet: then the case is open again.
        let closed = self.custody.back().filter(|entry| entry["kind"] == "closed");
        let at = |entry: &Value| {
            let at = entry.get("at").and_then(Value::as_str)?.parse::<jiff::Timestamp>().ok()?;
            Some(at.as_millisecond())
        };
        let last = self.custody.back().and_then(at).unwrap_or(about.opened);
        let activity = if closed.is_some() { 3 } else { 1 };
        let findings: Vec<Value> = self
            .kept
            .iter()
            .flat_map(|(thing, parts)| {
                let active = parts.get("violations").and_then(|part| part.pointer("/read/activeViolations"));
                active.and_then(Value::as_array).into_iter().flatten().map(move |violation| {
                    json!({"uid": violation["id"], "title": violation.pointer("/behavior/name"),
                        "desc": format!("{thing} did not meet a behaviour of a security profile"),
                        "types": ["AWS IoT Device Defender violation"], "product_uid": violation["profile"],
                        "first_seen_time": violation["started"], "last_seen_time": violation["last"]})
                })
            })
            .collect();
        let findings = match findings.is_empty() {
            true => vec![json!({"uid": about.case, "title": format!("Case {}", about.case),
                "created_time": about.opened, "types": ["quell case"]})],
            false => findings,
        };
        let recordings: Vec<Value> = self
            .recordings
            .iter()
            .map(|recorded| json!({"file": recorded.name, "report": recorded.report.json()}))
            .collect();
        let kept: Vec<Value> =
            self.kept.iter().map(|(thing, parts)| json!({"thingName": thing, "parts": parts})).collect();
        json!({
            "activity_id": activity,
            "category_uid": 2, "category_name": "Findings",
            "class_uid": 2005, "class_name": "Incident Finding",
            "type_uid": 200_500 + activity,
            "severity_id": 4, "severity": "High",
            "status_id": if closed.is_some() { 5 } else { 2 },
            "time": last, "start_time": about.opened, "end_time": closed.and_then(at),
            "message": format!("{}: {} thing(s)", about.case, about.things.len()),
            "finding_info_list": findings,
            "cloud": {"provider": "AWS", "region": about.region, "account": {"uid": about.account}},
            "metadata": {"version": "1.3.0", "uid": about.case,
                "product": {"name": "quell", "vendor_name": "quell", "version": about.quell}},
            "unmapped": {
                "case": about, "kept": kept, "custody": self.custody, "earlierCustodyEntries": self.earlier,
                "recordings": recordings, "notTold": self.untold,
                "verified": self.verified.as_ref().map(|v| json!({"files": v.files, "bytes": v.bytes, "trustedComment": v.trusted})),
            },
        })
    }
}

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#1b1b1b;background:#fff}\
table{border-collapse:collapse;margin:1em 0;font-size:13px}td,th{border:1px solid #ccc;padding:.25em .6em;text-align:left;vertical-align:top;overflow-wrap:anywhere}\
svg{display:block;margin:1em 0;max-width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:#444}";

/// Messages of each part of the time as bars, the largest message as a line, and when the incident went on.
fn svg(chart: &Chart, report: &Report) -> String {
    const WIDTH: f64 = 960.0;
    const HEIGHT: f64 = 160.0;
    let most = chart.columns.iter().map(|(n, _)| *n).max().unwrap_or(0).max(1);
    let largest = chart.columns.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0).max(1);
    let step = WIDTH / chart.columns.len().max(1) as f64;
    let mut bars = String::new();
    let mut line = Vec::new();
    for (i, (n, bytes)) in chart.columns.iter().enumerate() {
        let (x, height) = (i as f64 * step, *n as f64 / most as f64 * HEIGHT);
        if *n > 0 {
            let y = HEIGHT - height;
            let _ = write!(
                bars,
                "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{height:.1}\"/>",
                step * 0.8
            );
            let y = HEIGHT - f64::from(*bytes) / f64::from(largest) * HEIGHT;
            line.push(format!("{:.1},{y:.1}", x + step * 0.4));
        }
    }
    let mut marks = String::new();
    let span = (chart.to - chart.from).max(1) as f64;
    let incident = report.incidents.iter().find(|(thing, _)| thing.as_str() == chart.thing).map(|(_, i)| i);
    if let Some(incident) = incident {
        let times = [
            (incident.began, "began"),
            (incident.detected, "seen"),
            (incident.responded, "confirmed"),
            (incident.contained, "silent"),
        ];
        for (i, (at, word)) in times.into_iter().enumerate() {
            let Some(at) = at else { continue };
            let x = ((at - chart.from) as f64 / span * WIDTH).clamp(0.0, WIDTH);
            let _ = write!(
                marks,
                "<line x1=\"{x:.1}\" y1=\"0\" x2=\"{x:.1}\" y2=\"{HEIGHT}\" stroke=\"#b00020\" stroke-dasharray=\"4 3\"/>\
                 <text x=\"{:.1}\" y=\"{}\">{word}</text>",
                x + 3.0,
                12 + i * 13
            );
        }
    }
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {tall}\" role=\"img\" aria-label=\"Messages of {thing} over time\">\
         <g fill=\"#7aa6d8\">{bars}</g><polyline fill=\"none\" stroke=\"#b35c00\" stroke-width=\"1.5\" points=\"{points}\"/>{marks}\
         <text x=\"0\" y=\"{below}\">{from}</text><text x=\"{WIDTH}\" y=\"{below}\" text-anchor=\"end\">{to}</text>\
         <text x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">bars: messages, at most {most}; line: the largest, at most {largest} bytes</text></svg>\n",
        tall = HEIGHT + 20.0,
        thing = html(&chart.thing),
        points = line.join(" "),
        below = HEIGHT + 15.0,
        from = iso(chart.from),
        to = iso(chart.to),
        middle = WIDTH / 2.0
    )
}
