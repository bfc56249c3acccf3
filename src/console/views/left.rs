//! What a contained device left behind, as a sweep found it: what is there and what is not known line by line, what is not
//! there in one line.

use unicode_width::UnicodeWidthStr as _;

use crate::response::{Mark, Sweep, Swept, Trace};

use super::super::paint::{part, wrap};
use super::super::theme::Theme;
use super::text::Line;

/// The width of a residue's name.
const NAME: usize = 22;

/// What stands under the staircase of a response.
pub(in crate::console) fn under<'a>(swept: &Swept, theme: &Theme, room: usize) -> Vec<Line<'a>> {
    match swept {
        Swept::None => Vec::new(),
        Swept::Running => {
            let text = format!("{} looking for what was left behind", theme.symbols.running);
            vec![vec![part(text, theme.busy)]]
        }
        Swept::Done(sweeps) => match sweeps.as_slice() {
            [only] => one(only, theme, room),
            many => many.iter().filter(|sweep| sweep.counts() != (0, 0)).map(|s| short(s, theme)).collect(),
        },
    }
}

fn short<'a>(sweep: &Sweep, theme: &Theme) -> Line<'a> {
    let (shape, style) = match sweep.counts() {
        (0, _) => ("?", theme.unknown),
        _ => (theme.symbols.cross, theme.warning),
    };
    vec![
        part(format!(" {shape} {} left behind: ", sweep.thing.shown()), style),
        part(sweep.summary(), theme.text),
    ]
}

/// A device's sweep, line by line.
pub(in crate::console) fn one<'a>(sweep: &Sweep, theme: &Theme, room: usize) -> Vec<Line<'a>> {
    let of = |mark: Mark| sweep.traces.iter().filter(move |trace| trace.mark == mark);
    let mut lines = Vec::new();
    for trace in of(Mark::Found).chain(of(Mark::Unknown)) {
        found(&mut lines, trace, theme, room);
    }
    let clear: Vec<&str> = of(Mark::Clear).map(|trace| trace.residue.title()).collect();
    if !clear.is_empty() {
        let lead = if lines.is_empty() { "nothing left behind" } else { "nothing else left behind" };
        let text = format!("{lead}: {}", clear.join(", "));
        for (i, line) in wrap(&text, room.saturating_sub(3)).into_iter().enumerate() {
            let shape = if i == 0 { theme.symbols.check } else { "" };
            lines.push(vec![part(format!("{shape:<2} "), theme.good), part(line, theme.dim)]);
        }
    }
    lines
}

fn found<'a>(lines: &mut Vec<Line<'a>>, trace: &Trace, theme: &Theme, room: usize) {
    let (shape, style) = match trace.mark {
        Mark::Found => (theme.symbols.cross, theme.warning),
        _ => ("?", theme.unknown),
    };
    let title = trace.residue.title();
    let pad = NAME.saturating_sub(title.width());
    for (i, line) in wrap(trace.text.as_str(), room.saturating_sub(NAME + 4)).into_iter().enumerate() {
        let lead = match i {
            0 => vec![
                part(format!("{shape:<2} "), style),
                part(format!("{title}{} ", " ".repeat(pad)), theme.text),
            ],
            _ => vec![part(" ".repeat(NAME + 4), theme.text)],
        };
        lines.push(lead.into_iter().chain([part(line, style)]).collect());
    }
}
