//! Shapes: what is drawn where a word would be too long.

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
    /// A part of the line that a limit is drawn as.
    pub limit: &'static str,
    /// A part of the same, upright.
    pub bound: &'static str,
    /// Where the axis of a chart meets a value.
    pub tick: &'static str,
    /// The axis of a chart.
    pub axis: &'static str,
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
    unwatched: "─",
    limit: "┄",
    bound: "┊",
    tick: "┤",
    axis: "│",
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
    unwatched: "~",
    limit: "-",
    bound: ":",
    tick: "|",
    axis: "|",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_is_ascii() {
        let s = ASCII;
        let all = [
            s.gap,
            s.unwatched,
            s.limit,
            s.bound,
            s.tick,
            s.axis,
            s.up,
            s.down,
            s.cursor,
            s.mark,
            s.check,
            s.cross,
            s.warn,
        ];
        let more = [s.arrow, s.more, s.bar, s.held, s.thumb];
        for text in all.iter().chain(&more).chain(&s.blocks).chain(&s.frame).chain(&s.sorted) {
            assert!(text.is_ascii(), "{text}");
        }
    }
}
