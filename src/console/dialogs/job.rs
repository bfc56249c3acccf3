//! A job being filled in.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use tui_input::Input;

use crate::response::{Intent, JobOptions, JobRequest, JobTarget};
use quell_fleet::model::Name;
use quell_fleet::text::SafeText;

use super::super::app::{App, Env};
use super::super::paint::{Paint, part, tail};
use super::{Component, Here, Outcome, centered, type_into};

/// Fields of the job form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// The job's id.
    Id,
    /// What it runs on.
    Target,
    /// Snapshot or continuous.
    Continuous,
    /// The document.
    Document,
}

impl Field {
    /// In the order of the form.
    const ALL: [Self; 4] = [Self::Id, Self::Target, Self::Continuous, Self::Document];
}

/// A job being filled in.
pub struct JobForm {
    /// The job's id.
    id: Input,
    /// A group, or things.
    target: Input,
    /// Things the marks named: used when `target` is empty or says so.
    things: Vec<Name>,
    /// CONTINUOUS rather than SNAPSHOT.
    continuous: bool,
    /// The job document.
    document: Input,
    /// Which field is being filled in.
    field: Field,
    /// What is wrong with it.
    trouble: Option<SafeText>,
}

impl JobForm {
    /// The workshop's own job for these things; without things for the group that updates are offered to.
    pub(in crate::console) fn new(things: Vec<Name>, update_group: &str) -> Self {
        let target = if things.is_empty() { update_group } else { "" };
        Self {
            id: Input::new("Update-temp-firmware".to_owned()),
            target: Input::new(target.to_owned()),
            continuous: things.is_empty(),
            things,
            document: Input::new(r#"{"operation":"update-firmware","version":"1.1"}"#.to_owned()),
            field: Field::Id,
            trouble: None,
        }
    }

    /// The document; what is no JSON yet as a text.
    pub(in crate::console) fn document(&self) -> serde_json::Value {
        let text = self.document.value();
        serde_json::from_str(text).unwrap_or_else(|_| text.into())
    }

    /// What else stands in it, each with its label.
    pub(in crate::console) fn told(&self) -> [(&'static str, SafeText); 3] {
        let kind = match self.continuous {
            true => "CONTINUOUS: whoever joins the target later gets it too",
            false => "SNAPSHOT: of those that are in the target now",
        };
        [
            ("job id", SafeText::new(self.id.value())),
            ("target", SafeText::new(self.target.value())),
            ("kind", SafeText::new(kind)),
        ]
    }

    /// As a job was planned.
    pub(in crate::console) fn of(request: &JobRequest) -> Self {
        let group = request.targets.iter().find_map(|t| match t {
            JobTarget::Group(group) => Some(group.raw().to_owned()),
            JobTarget::Thing(_) => None,
        });
        let things = request.targets.iter().filter_map(|t| match t {
            JobTarget::Thing(thing) => Some(thing.clone()),
            JobTarget::Group(_) => None,
        });
        Self {
            id: Input::new(request.id.clone()),
            target: Input::new(group.unwrap_or_default()),
            things: things.collect(),
            continuous: request.continuous,
            document: Input::new(request.document.clone()),
            field: Field::Id,
            trouble: None,
        }
    }
}

impl Component for JobForm {
    fn takes_text(&self) -> bool {
        true
    }

    fn key(&mut self, event: KeyEvent, _: &Here<'_>) -> Outcome {
        self.trouble = None;
        let at = Field::ALL.iter().position(|f| *f == self.field).unwrap_or(0);
        match event.code {
            KeyCode::Esc => return Outcome::Leave,
            KeyCode::Enter => match request(self) {
                Ok(request) => {
                    let asked = SafeText::new(&format!("Launch job {}", request.id));
                    return Outcome::Ask(asked, Intent::LaunchJob(request));
                }
                Err(trouble) => self.trouble = Some(trouble),
            },
            KeyCode::Down | KeyCode::Tab => self.field = Field::ALL[(at + 1) % Field::ALL.len()],
            KeyCode::Up | KeyCode::BackTab => {
                self.field = Field::ALL[(at + Field::ALL.len() - 1) % Field::ALL.len()];
            }
            _ => match self.field {
                Field::Id => type_into(&mut self.id, event),
                Field::Target => type_into(&mut self.target, event),
                Field::Document => type_into(&mut self.document, event),
                Field::Continuous => {
                    if matches!(event.code, KeyCode::Char(' ') | KeyCode::Left | KeyCode::Right) {
                        self.continuous = !self.continuous;
                    }
                }
            },
        }
        Outcome::Taken
    }

    fn draw(&self, _: &App, _: &Env<'_>, paint: &mut Paint<'_>, body: Rect) {
        let theme = paint.theme;
        let s = theme.symbols;
        let area = centered(paint, body, 86, 9);
        let inner = paint.pane(area, &[part("Launch a job", theme.brand)], theme.focus);
        let room = inner.width.saturating_sub(2);
        for (i, field) in Field::ALL.into_iter().enumerate() {
            let y = inner.y + i as u16;
            if y >= inner.bottom() {
                break;
            }
            let here = self.field == field;
            let x = inner.x + 1;
            let (label, value) = match field {
                Field::Id => ("job id", SafeText::new(self.id.value())),
                Field::Target => ("thing group", SafeText::new(self.target.value())),
                Field::Continuous => {
                    let text = if self.continuous {
                        "CONTINUOUS: things that join the group later get it too"
                    } else {
                        "SNAPSHOT: the things that are in the target now"
                    };
                    ("kind", SafeText::new(text))
                }
                Field::Document => ("document", SafeText::new(self.document.value())),
            };
            let used =
                paint.text(x, y, room, &format!("{:<13}", label), if here { theme.key } else { theme.dim });
            let empty = value.is_empty() && field == Field::Target && !self.things.is_empty();
            let shown = if empty {
                let names =
                    self.things.iter().take(4).map(|n| n.shown().to_string()).collect::<Vec<_>>().join(", ");
                let more = self.things.len().saturating_sub(4);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                SafeText::new(&format!("(the marked things: {names}{more})"))
            } else {
                value
            };
            let style = if empty { theme.dim } else { theme.text };
            let space = room.saturating_sub(used + 1);
            // The end of a long text is where one types.
            let text = tail(shown.as_str(), space as usize);
            let wide = paint.text(x + used, y, space, &text, style);
            if here {
                let at = if empty { x + used } else { x + used + wide };
                if field != Field::Continuous {
                    paint.cell(at, y, " ", theme.cursor);
                } else {
                    paint.style(Rect { x: x + used, y, width: wide, height: 1 }, theme.cursor);
                }
            }
        }
        let y = inner.y + 5;
        if let Some(trouble) = &self.trouble
            && y < inner.bottom()
        {
            paint.text(inner.x + 1, y, room, trouble.as_str(), theme.alarm);
        }
        let y = inner.bottom().saturating_sub(1);
        let keys = [
            part(s.enter, theme.key),
            part(" plan   ", theme.dim),
            part("tab", theme.key),
            part(" next field   ", theme.dim),
            part(s.space, theme.key),
            part(" changes the kind   ", theme.dim),
            part("esc", theme.key),
            part(" leave", theme.dim),
        ];
        if inner.height > 4 {
            paint.line(inner.x + 1, y, room, &keys);
        }
    }
}

fn request(form: &JobForm) -> Result<JobRequest, SafeText> {
    let id = form.id.value().trim();
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if id.is_empty() || id.len() > 64 || !id.chars().all(fine) {
        return Err(SafeText::new("a job id has 1 to 64 letters, digits, - or _"));
    }
    let group = form.target.value().trim();
    let targets: Vec<JobTarget> = if group.is_empty() {
        form.things.iter().cloned().map(JobTarget::Thing).collect()
    } else {
        vec![JobTarget::Group(Name::new(group))]
    };
    if targets.is_empty() {
        return Err(SafeText::new("the job has no target: name a thing group, or mark things first"));
    }
    let document = form.document.value().trim();
    if let Err(e) = serde_json::from_str::<serde_json::Value>(document) {
        return Err(SafeText::new(&format!("the document is not JSON: {e}")));
    }
    Ok(JobRequest {
        id: id.to_owned(),
        targets,
        document: document.to_owned(),
        continuous: form.continuous,
        description: None,
        options: JobOptions::default(),
    })
}
