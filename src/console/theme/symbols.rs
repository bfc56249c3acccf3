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
    /// A cell of a bar that went wrong.
    pub bar_bad: &'static str,
    /// A cell of a bar that is under way.
    pub bar_busy: &'static str,
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
    /// The key that goes up.
    pub earlier: &'static str,
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
    bar_bad: "▓",
    bar_busy: "▒",
    bar_empty: "░",
    dot: "·",
    dash: "──",
    enter: "⏎",
    space: "␣",
    earlier: "↑",
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
    bar_bad: "x",
    bar_busy: "=",
    bar_empty: ".",
    dot: "|",
    dash: "--",
    enter: "enter",
    space: "space",
    earlier: "up",
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
        // A shape that is added and not looked at here does not compile.
        let Symbols {
            ascii,
            blocks,
            gap,
            unwatched,
            limit,
            bound,
            tick,
            axis,
            up,
            down,
            cursor,
            mark,
            check,
            cross,
            warn,
            waiting,
            running,
            arrow,
            more,
            bar,
            bar_bad,
            bar_busy,
            bar_empty,
            dot,
            dash,
            enter,
            space,
            earlier,
            differs,
            shadow,
            job,
            agent,
            times,
            sorted,
            held,
            thumb,
            frame,
        } = ASCII;
        assert!(ascii);
        let each = [
            gap, unwatched, limit, bound, tick, axis, up, down, cursor, mark, check, cross, warn, waiting,
            running, arrow, more, bar, bar_bad, bar_busy, bar_empty, dot, dash, enter, space, earlier,
            differs, shadow, job, agent, times, held, thumb,
        ];
        for text in each.iter().chain(&blocks).chain(&frame).chain(&sorted) {
            assert!(text.is_ascii(), "{text}");
        }
    }
}
