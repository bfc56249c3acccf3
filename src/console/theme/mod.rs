//! How things look: all colours, attributes and symbols, in one file.
//!
//! The default theme uses the terminal's own 16 colours, so it fits any palette, light or dark. Colour never carries a
//! meaning alone: a word or a shape stands beside it, and the `mono` theme (`NO_COLOR`) shows the same with bold,
//! reverse and underline. crossterm's own `NO_COLOR` handling writes bare resets that would erase those under ratatui,
//! so the decision is made here and colour output is forced on.

use ratatui::style::{Color, Modifier, Style};

/// The look.
#[derive(Clone, Debug)]
pub struct Theme {
    /// Ordinary text.
    pub text: Style,
    /// What is there to be read second.
    pub dim: Style,
    /// Column heads and labels.
    pub label: Style,
    /// Borders of panes without the focus.
    pub border: Style,
    /// Border and title of the pane with the focus.
    pub focus: Style,
    /// The line under the cursor.
    pub cursor: Style,
    /// The line under the cursor in a pane without the focus.
    pub cursor_away: Style,
    /// Sizes under the cursor.
    pub cursor_spark: Style,
    /// Sizes under the cursor above the profile's threshold.
    pub cursor_spark_over: Style,
    /// A marked line's mark.
    pub mark: Style,
    /// The product's name.
    pub brand: Style,
    /// The badge that says this is not AWS.
    pub badge: Style,
    /// Keys in the footer and in help.
    pub key: Style,
    /// Alarm.
    pub alarm: Style,
    /// Isolated, yet heard.
    pub leaking: Style,
    /// Something is off, nothing is certain.
    pub warning: Style,
    /// Proven.
    pub good: Style,
    /// Being done.
    pub busy: Style,
    /// Unknown, with its reason.
    pub unknown: Style,
    /// Sparkline.
    pub spark: Style,
    /// Sparkline above the profile's threshold.
    pub spark_over: Style,
    /// What was searched for, where it stands.
    pub hit: Style,
    /// Keys of a JSON document.
    pub json_key: Style,
    /// Text between quotes in a JSON document.
    pub json_string: Style,
    /// Numbers, true, false, null.
    pub json_value: Style,
    /// Shapes.
    pub symbols: Symbols,
}

/// Shapes: Unicode, or ASCII for terminals and fonts that have nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbols {
    /// True when only ASCII may be drawn.
    pub ascii: bool,
    /// Eight heights.
    pub blocks: [&'static str; 8],
    /// Watched, and nothing came.
    pub gap: &'static str,
    /// Not watched.
    pub unwatched: &'static str,
    /// Beside something that is up.
    pub up: &'static str,
    /// Beside something that is down.
    pub down: &'static str,
    /// At the cursor.
    pub cursor: &'static str,
    /// At a marked line.
    pub mark: &'static str,
    /// Checked, done.
    pub check: &'static str,
    /// Failed.
    pub cross: &'static str,
    /// Attention.
    pub warn: &'static str,
    /// Waiting.
    pub waiting: &'static str,
    /// Running.
    pub running: &'static str,
    /// From here to there.
    pub arrow: &'static str,
    /// Something was left off.
    pub more: &'static str,
    /// A full cell of a bar.
    pub bar: &'static str,
    /// An empty cell of a bar.
    pub bar_empty: &'static str,
    /// Between parts.
    pub dot: &'static str,
    /// Between parts of a title.
    pub dash: &'static str,
    /// The enter key.
    pub enter: &'static str,
    /// The space key.
    pub space: &'static str,
    /// Beside what is other than it should be.
    pub differs: &'static str,
    /// Beside a message of a shadow.
    pub shadow: &'static str,
    /// Beside a message of a job.
    pub job: &'static str,
    /// Beside a message of a Defender agent.
    pub agent: &'static str,
    /// Times.
    pub times: &'static str,
    /// Beside the column that is sorted by: as it is, and backwards.
    pub sorted: [&'static str; 2],
    /// What moves otherwise is held.
    pub held: &'static str,
    /// The part of a scroll bar that is in sight.
    pub thumb: &'static str,
    /// Corners and edges: top left, top right, bottom left, bottom right, horizontal, vertical.
    pub frame: [&'static str; 6],
}

/// Unicode shapes.
pub const UNICODE: Symbols = Symbols {
    ascii: false,
    blocks: ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"],
    gap: "·",
    unwatched: " ",
    up: "●",
    down: "○",
    cursor: "▌",
    mark: "◆",
    check: "✓",
    cross: "✗",
    warn: "▲",
    waiting: "·",
    running: "▸",
    arrow: "→",
    more: "…",
    bar: "█",
    bar_empty: "░",
    dot: "·",
    dash: "──",
    enter: "⏎",
    space: "␣",
    differs: "≠",
    shadow: "≡",
    job: "»",
    agent: "≈",
    times: "×",
    sorted: ["▾", "▴"],
    held: "‖ ",
    thumb: "┃",
    frame: ["╭", "╮", "╰", "╯", "─", "│"],
};

/// ASCII shapes.
pub const ASCII: Symbols = Symbols {
    ascii: true,
    blocks: ["_", ".", ":", "-", "=", "+", "*", "#"],
    gap: "'",
    unwatched: " ",
    up: "*",
    down: "o",
    cursor: ">",
    mark: "+",
    check: "ok",
    cross: "x",
    warn: "!",
    waiting: ".",
    running: ">",
    arrow: "->",
    more: "~",
    bar: "#",
    bar_empty: ".",
    dot: "-",
    dash: "--",
    enter: "enter",
    space: "space",
    differs: "!",
    shadow: "s",
    job: "j",
    agent: "m",
    times: "x",
    sorted: ["v", "^"],
    held: "",
    thumb: "#",
    frame: ["+", "+", "+", "+", "-", "|"],
};

/// The names [`Theme::named`] knows.
pub const NAMES: [&str; 3] = ["default", "mono", "projector"];

impl Theme {
    /// A theme by name; `None` when there is none of that name. `no_color` wins over the name.
    pub fn named(name: Option<&str>, no_color: bool, ascii: bool) -> Option<Self> {
        let symbols = if ascii { ASCII } else { UNICODE };
        if no_color {
            return Some(Self::mono(symbols));
        }
        match name {
            None | Some("default") => Some(Self::ansi(symbols)),
            Some("mono") => Some(Self::mono(symbols)),
            Some("projector") => Some(Self::projector(symbols)),
            Some(_) => None,
        }
    }

    /// The terminal's 16 colours.
    fn ansi(symbols: Symbols) -> Self {
        let plain = Style::new();
        Self {
            text: plain,
            // Bright black is invisible in some palettes; dim degrades to plain text where it is not known.
            dim: plain.add_modifier(Modifier::DIM),
            label: plain.add_modifier(Modifier::DIM),
            border: plain.fg(Color::DarkGray),
            focus: plain.fg(Color::Cyan),
            cursor: plain.add_modifier(Modifier::REVERSED),
            cursor_away: plain.add_modifier(Modifier::UNDERLINED),
            // Reversed, bars are dark on the light line; a colour of their own would make the ground another.
            cursor_spark: plain.fg(Color::Reset).add_modifier(Modifier::REVERSED),
            cursor_spark_over: plain.fg(Color::Red).bg(Color::Gray).remove_modifier(Modifier::REVERSED),
            mark: plain.fg(Color::Magenta).add_modifier(Modifier::BOLD),
            brand: plain.add_modifier(Modifier::BOLD),
            badge: plain.fg(Color::Black).bg(Color::Yellow).add_modifier(Modifier::BOLD),
            key: plain.fg(Color::Cyan).add_modifier(Modifier::BOLD),
            alarm: plain.fg(Color::Red).add_modifier(Modifier::BOLD),
            leaking: plain.fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD),
            warning: plain.fg(Color::Yellow),
            good: plain.fg(Color::Green),
            busy: plain.fg(Color::Blue).add_modifier(Modifier::BOLD),
            unknown: plain.fg(Color::Magenta),
            spark: plain.fg(Color::Cyan),
            spark_over: plain.fg(Color::Red),
            hit: plain.fg(Color::Black).bg(Color::Yellow),
            json_key: plain.fg(Color::Cyan),
            json_string: plain.fg(Color::Green),
            json_value: plain.fg(Color::Yellow),
            symbols,
        }
    }

    /// For a projector: bold text, no dim.
    fn projector(symbols: Symbols) -> Self {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        Self {
            text: bold,
            dim: Style::new(),
            label: Style::new(),
            border: Style::new(),
            warning: bold.fg(Color::Yellow),
            good: bold.fg(Color::Green),
            spark: bold.fg(Color::Cyan),
            spark_over: bold.fg(Color::Red),
            ..Self::ansi(symbols)
        }
    }

    /// No colour at all: bold, reverse and underline carry what words do not.
    fn mono(symbols: Symbols) -> Self {
        let plain = Style::new();
        let bold = plain.add_modifier(Modifier::BOLD);
        Self {
            text: plain,
            dim: plain,
            label: plain.add_modifier(Modifier::UNDERLINED),
            border: plain,
            focus: bold,
            cursor: plain.add_modifier(Modifier::REVERSED),
            cursor_away: plain.add_modifier(Modifier::UNDERLINED),
            cursor_spark: plain.add_modifier(Modifier::REVERSED),
            cursor_spark_over: bold.add_modifier(Modifier::REVERSED),
            mark: bold,
            brand: bold,
            badge: bold.add_modifier(Modifier::REVERSED),
            key: bold,
            alarm: bold,
            leaking: bold.add_modifier(Modifier::REVERSED),
            warning: plain.add_modifier(Modifier::UNDERLINED),
            good: plain,
            busy: bold,
            unknown: plain.add_modifier(Modifier::UNDERLINED),
            spark: plain,
            spark_over: bold,
            hit: bold.add_modifier(Modifier::REVERSED),
            json_key: bold,
            json_string: plain,
            json_value: plain,
            symbols,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_means_none() {
        let theme = Theme::named(Some("default"), true, false).unwrap();
        for style in [theme.alarm, theme.badge, theme.spark, theme.border, theme.leaking, theme.good] {
            assert!(style.fg.is_none() && style.bg.is_none(), "{style:?}");
        }
        assert!(Theme::named(Some("no-such"), false, false).is_none());
        for name in NAMES {
            assert!(Theme::named(Some(name), false, true).is_some());
        }
    }

    #[test]
    fn ascii_is_ascii() {
        let s = ASCII;
        let all = [s.gap, s.up, s.down, s.cursor, s.mark, s.check, s.cross, s.warn, s.arrow, s.more, s.bar];
        for text in all.iter().chain(&s.blocks).chain(&s.frame).chain(&s.sorted).chain([&s.held, &s.thumb]) {
            assert!(text.is_ascii(), "{text}");
        }
    }
}
