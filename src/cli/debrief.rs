//! What a drill came to, told: a table for people, CSV, JSON, and Markdown with each one's timeline.

use std::io;
use std::path::Path;

use serde_json::{Value, json};

use quell_emulator::drill::{Drill, Injected, Phase, Sheet, Stage};
use quell_fleet::text::SafeText;

use super::output;

/// A participant and the sheet of the drill, once it has begun.
pub(super) type Standing = (String, Option<Sheet>);

/// Milliseconds of the drill as `m:ss`.
pub(super) fn clock(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

/// The word of a phase.
pub(super) fn word(phase: Phase) -> &'static str {
    match phase {
        Phase::Calm => "calm",
        Phase::Alarm => "ALARM",
        Phase::Seen => "seen",
        Phase::Answered => "answered",
        Phase::Done => "done",
        Phase::Over => "over",
    }
}

fn stages(sheet: &Sheet) -> [Option<i64>; 3] {
    [Stage::Seen, Stage::Answered, Stage::Proven].map(|stage| sheet.took(stage))
}

/// One line for each participant, the most points first.
pub(super) fn table(standings: &[Standing]) -> Vec<String> {
    let mut sorted: Vec<&Standing> = standings.iter().collect();
    sorted.sort_by_key(|(name, sheet)| {
        (sheet.as_ref().map_or(1, |sheet| -(sheet.points() as i64)), name.clone())
    });
    let row = |(name, sheet): &&Standing| {
        let Some(sheet) = sheet else {
            return [name.as_str(), "–", "waits", "–", "–", "–", "–", "–"].map(SafeText::new);
        };
        let [seen, answered, proven] = stages(sheet).map(|took| took.map_or_else(|| "–".to_owned(), clock));
        let [points, hints, wrong] =
            [sheet.points() as usize, sheet.hints, sheet.mistakes.len()].map(|n| n.to_string());
        [name.clone(), points, word(sheet.phase()).to_owned(), seen, answered, proven, wrong, hints]
            .map(|text| SafeText::new(&text))
    };
    let rows: Vec<_> = sorted.iter().map(row).collect();
    output::table(["WHO", "POINTS", "STATE", "SEEN", "ANSWERED", "PROVEN", "WRONG", "HINTS"], &rows)
}

/// One row for each participant; times in seconds of the drill, empty where there is none.
pub(super) fn csv(standings: &[Standing]) -> String {
    let mut out = "participant,points,state,seen_s,answered_s,proven_s,mistakes,hints\n".to_owned();
    for (name, sheet) in standings {
        let Some(sheet) = sheet else {
            out.push_str(&format!("{name},0,waits,,,,0,0\n"));
            continue;
        };
        let [seen, answered, proven] = stages(sheet)
            .map(|took| took.map_or_else(String::new, |ms| format!("{:.1}", ms as f64 / 1000.0)));
        out.push_str(&format!(
            "{name},{},{},{seen},{answered},{proven},{},{}\n",
            sheet.points(),
            word(sheet.phase()),
            sheet.mistakes.len(),
            sheet.hints
        ));
    }
    out
}

/// Everything, with each card's times in milliseconds of the drill.
pub(super) fn json(drill: &Drill, standings: &[Standing]) -> Value {
    let participant = |(name, sheet): &Standing| {
        let mut value = sheet.as_ref().map_or_else(
            || json!({}),
            |sheet| {
                let mut value = serde_json::to_value(sheet).unwrap_or_default();
                value["points"] = json!(sheet.points());
                value["state"] = json!(sheet.phase());
                value
            },
        );
        value["participant"] = json!(name);
        value
    };
    json!({
        "title": drill.title,
        "teaches": drill.teaches,
        "participants": standings.iter().map(participant).collect::<Vec<_>>(),
    })
}

/// The debrief: what it taught, the table, and each participant's timeline.
pub(super) fn markdown(drill: &Drill, standings: &[Standing]) -> String {
    let mut out = format!("# {}\n\n{}\n\n## What was wrong\n\n", drill.title, drill.teaches);
    for incident in &drill.incidents {
        let at = clock(incident.at.as_millis() as i64);
        out.push_str(&format!("- {at} `{}`: {}\n", incident.thing, incident.what));
    }
    out.push_str("\n## Standings\n\n```\n");
    for line in table(standings) {
        out.push_str(&line);
        out.push('\n');
    }
    out.push_str("```\n");
    for (name, sheet) in standings {
        let Some(sheet) = sheet else { continue };
        out.push_str(&format!("\n## {name}: {} points\n\n", sheet.points()));
        for Line { at, thing, what } in timeline(sheet) {
            let thing = thing.map(|thing| format!("`{thing}` ")).unwrap_or_default();
            out.push_str(&format!("- {} {thing}{what}\n", clock(at)));
        }
    }
    out
}

/// Something that happened to a participant.
#[derive(Debug, PartialEq)]
pub(super) struct Line {
    /// Since the beginning, in milliseconds.
    pub(super) at: i64,
    /// The thing it is about, which stands before the words.
    thing: Option<String>,
    what: String,
}

impl Line {
    fn of(at: i64, thing: &str, what: impl Into<String>) -> Self {
        Self { at, thing: Some(thing.to_owned()), what: what.into() }
    }

    /// Without the time.
    pub(super) fn text(&self) -> String {
        match &self.thing {
            Some(thing) => format!("{thing} {}", self.what),
            None => self.what.clone(),
        }
    }
}

/// What happened to one participant, in order.
pub(super) fn timeline(sheet: &Sheet) -> Vec<Line> {
    let mut lines = Vec::new();
    for card in &sheet.cards {
        if sheet.now < card.at {
            continue;
        }
        lines.push(Line::of(card.at, &card.thing, format!("goes wrong: {}", card.what)));
        for (when, what) in [(card.seen, "seen"), (card.answered, "answered"), (card.proven, "proven")] {
            let told = |at| Line::of(at, &card.thing, format!("{what}, {} after", clock(at - card.at)));
            lines.extend(when.map(told));
        }
        if card.lost > 0 {
            lines.push(Line::of(sheet.now, &card.thing, format!("got away {}×", card.lost)));
        }
    }
    let injected = |told: &Injected| Line::of(told.at, &told.thing, "was made to, by the instructor");
    lines.extend(sheet.injected.iter().map(injected));
    for mistake in &sheet.mistakes {
        let what = format!("wrong: {} (−{})", mistake.what, mistake.points);
        lines.push(Line { at: mistake.at, thing: None, what });
    }
    lines.sort_by_key(|line| line.at);
    if sheet.hints > 0 {
        let plural = if sheet.hints == 1 { "" } else { "s" };
        lines.push(Line {
            at: sheet.now,
            thing: None,
            what: format!("{} hint{plural} asked for", sheet.hints),
        });
    }
    lines
}

/// Writes `debrief.md`, `standings.csv` and `standings.json` into a folder.
///
/// # Errors
/// The folder or a file cannot be written.
pub(super) fn export(folder: &Path, drill: &Drill, standings: &[Standing]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("debrief.md"), markdown(drill, standings))?;
    std::fs::write(folder.join("standings.csv"), csv(standings))?;
    std::fs::write(folder.join("standings.json"), format!("{:#}\n", json(drill, standings)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_not_begun_waits_and_stands_last() {
        let drill = quell_emulator::scenario::parse(quell_emulator::drill::shipped("oversized").unwrap());
        let drill = drill.unwrap().drill.unwrap();
        let standings = vec![("p01".to_owned(), None), ("p02".to_owned(), Some(Sheet::new(&drill)))];
        let lines = table(&standings);
        assert!(
            lines[1].starts_with("p02  0       calm") && lines[2].starts_with("p01  –       waits"),
            "{lines:?}"
        );
        assert_eq!(csv(&standings).lines().nth(2), Some("p02,0,calm,,,,0,0"));
        let value = json(&drill, &standings);
        assert_eq!(value["participants"][0], json!({"participant": "p01"}));
        assert_eq!(value["participants"][1]["state"], "calm");
        // What goes wrong is told of what has begun only.
        let sheet = standings[1].1.as_ref().unwrap();
        assert_eq!(timeline(sheet), []);
        let mut begun = sheet.clone();
        begun.now = begun.cards[0].at;
        let line = timeline(&begun)[0].text();
        assert!(
            line.starts_with("Thing02 goes wrong: messages of 3000 bytes"),
            "a screen has no marks: {line}"
        );
        let told = markdown(&drill, &[("p02".to_owned(), Some(begun))]);
        assert!(told.contains("- 1:00 `Thing02` goes wrong: messages"), "{told}");
        assert!(markdown(&drill, &standings).contains("1:00 `Thing02`: messages of 3000 bytes"));
    }
}
