//! The colours of each theme.
//!
//! Of the sixteen, only few are read on every terminal: blue nowhere, red and magenta not on black, green and yellow not on
//! white. What is left says what it must by being inverse, bold or underlined. Where the terminal has all colours they are
//! chosen for the grounds people have: black to `#2b2b2b` and Solarized's, white to its `#fdf6e3`.

use ratatui::style::{Color, Modifier, Style};

use super::{Colours, Ground, Kind, Symbols, Theme};

const BOLD: Modifier = Modifier::BOLD;
const REVERSED: Modifier = Modifier::REVERSED;
const UNDERLINED: Modifier = Modifier::UNDERLINED;

const fn rgb(hex: u32) -> Color {
    Color::Rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

const fn ink(hex: u32) -> Style {
    Style::new().fg(rgb(hex))
}

/// No colour at all: bold, reverse and underline carry what words do not.
pub(super) fn mono(symbols: Symbols) -> Theme {
    let plain = Style::new();
    let bold = plain.add_modifier(BOLD);
    let inverse = bold.add_modifier(REVERSED);
    let under = plain.add_modifier(UNDERLINED);
    Theme {
        kind: Kind::Mono,
        colours: Colours::None,
        ground: Ground::Dark,
        text: plain,
        dim: plain,
        label: under,
        border: plain,
        focus: bold,
        cursor: plain.add_modifier(REVERSED),
        row: plain.add_modifier(REVERSED),
        row_away: under,
        mark: bold,
        brand: bold,
        badge: inverse,
        key: bold,
        alarm: bold,
        alarm_state: inverse,
        leaking: inverse.add_modifier(UNDERLINED),
        warning: under,
        warning_state: bold.add_modifier(UNDERLINED),
        good: plain,
        good_state: bold,
        busy: bold,
        busy_state: bold,
        unknown: under,
        spark: plain,
        spark_over: bold,
        limit: plain,
        rule: plain,
        hit: inverse,
        json_key: bold,
        json_string: plain,
        json_value: plain,
        symbols,
    }
}

/// The terminal's sixteen colours on a dark ground.
pub(super) fn dark_of_sixteen(symbols: Symbols) -> Theme {
    let plain = Style::new();
    let bold = plain.add_modifier(BOLD);
    // White on red is not read on every palette; the ground's own colour on bright red is.
    let alarm = bold.fg(Color::LightRed).add_modifier(REVERSED);
    Theme {
        label: plain.fg(Color::Cyan),
        // It carries no meaning: where it is not seen the titles still tell the panes apart.
        border: plain.fg(Color::DarkGray),
        focus: plain.fg(Color::Cyan),
        mark: bold.fg(Color::LightYellow),
        brand: bold.fg(Color::White),
        badge: bold.fg(Color::LightYellow).add_modifier(REVERSED),
        hit: plain.fg(Color::LightYellow).add_modifier(REVERSED),
        key: bold.fg(Color::Cyan),
        alarm: plain.fg(Color::LightRed),
        alarm_state: alarm,
        leaking: alarm.add_modifier(UNDERLINED),
        warning: plain.fg(Color::LightYellow),
        warning_state: bold.fg(Color::LightYellow),
        good: plain.fg(Color::Green),
        good_state: bold.fg(Color::Green),
        busy: plain.fg(Color::LightCyan),
        busy_state: bold.fg(Color::LightCyan),
        unknown: plain.fg(Color::White).add_modifier(UNDERLINED),
        spark: plain.fg(Color::Cyan),
        spark_over: plain.fg(Color::LightRed),
        limit: plain.fg(Color::LightYellow),
        rule: plain,
        json_key: plain.fg(Color::Cyan),
        json_string: plain.fg(Color::Green),
        json_value: plain.fg(Color::LightYellow),
        ..mono(symbols)
    }
}

/// The terminal's sixteen colours on a light ground.
pub(super) fn light_of_sixteen(symbols: Symbols) -> Theme {
    let plain = Style::new();
    let bold = plain.add_modifier(BOLD);
    // Reversed, red gives the ground's own white on red.
    let alarm = bold.fg(Color::Red).add_modifier(REVERSED);
    let on = |ground| bold.fg(Color::Black).bg(ground);
    Theme {
        label: plain.add_modifier(UNDERLINED),
        border: plain.fg(Color::Gray),
        focus: bold,
        mark: bold.fg(Color::Magenta),
        badge: on(Color::Yellow),
        hit: on(Color::Yellow),
        alarm: plain.fg(Color::Red),
        alarm_state: alarm,
        leaking: alarm.add_modifier(UNDERLINED),
        warning: plain.fg(Color::Magenta),
        warning_state: on(Color::Yellow),
        good: bold,
        good_state: on(Color::Green),
        busy: bold,
        busy_state: on(Color::Cyan),
        unknown: plain.fg(Color::Magenta).add_modifier(UNDERLINED),
        spark_over: plain.fg(Color::Red),
        limit: plain.fg(Color::Magenta),
        rule: plain,
        json_value: plain.fg(Color::Magenta),
        ..mono(symbols)
    }
}

/// All colours on a dark ground.
pub(super) fn dark(symbols: Symbols) -> Theme {
    let alarm = ink(0xfff5f5).bg(rgb(0xc8102e)).add_modifier(BOLD);
    Theme {
        dim: ink(0x9fadbc),
        label: ink(0x93b6dc),
        border: ink(0x47525f),
        focus: ink(0x5ec8f2),
        row: Style::new().fg(rgb(0xf2f6fa)).bg(rgb(0x1d3a5c)),
        row_away: Style::new().fg(rgb(0xf2f6fa)).bg(rgb(0x2a323c)),
        mark: ink(0xf7b955).add_modifier(BOLD),
        brand: ink(0xf2f6fa).add_modifier(BOLD),
        badge: ink(0x1b1400).bg(rgb(0xf2c14e)).add_modifier(BOLD),
        hit: ink(0x1b1400).bg(rgb(0xf2c14e)),
        key: ink(0x5ec8f2).add_modifier(BOLD),
        alarm: ink(0xff8a82),
        alarm_state: alarm,
        leaking: alarm.add_modifier(UNDERLINED),
        warning: ink(0xf0c75e),
        warning_state: ink(0xf0c75e).add_modifier(BOLD),
        good: ink(0x63d98a),
        good_state: ink(0x63d98a).add_modifier(BOLD),
        busy: ink(0x5fdbe6),
        busy_state: ink(0x5fdbe6).add_modifier(BOLD),
        unknown: ink(0xcdb0ff),
        spark: ink(0x6cb6e0),
        spark_over: ink(0xf5605a),
        limit: ink(0xf0c75e),
        rule: ink(0x74818f),
        json_key: ink(0x8ecbf5),
        json_string: ink(0xa5d6a0),
        json_value: ink(0xf0c75e),
        ..mono(symbols)
    }
}

/// All colours on a light ground.
pub(super) fn light(symbols: Symbols) -> Theme {
    let alarm = ink(0xfff5f5).bg(rgb(0xc01030)).add_modifier(BOLD);
    Theme {
        dim: ink(0x4f5a66),
        label: ink(0x2f557d),
        border: ink(0xb4bcc6),
        focus: ink(0x0b5c8f),
        row: Style::new().fg(rgb(0x0f1720)).bg(rgb(0xcfe3f8)),
        row_away: Style::new().fg(rgb(0x0f1720)).bg(rgb(0xe6e9ed)),
        mark: ink(0x8a3b00).add_modifier(BOLD),
        brand: ink(0x0f1720).add_modifier(BOLD),
        badge: ink(0x1b1400).bg(rgb(0xf2c14e)).add_modifier(BOLD),
        hit: ink(0x1b1400).bg(rgb(0xf2c14e)),
        key: ink(0x0b5c8f).add_modifier(BOLD),
        alarm: ink(0xa80f2a),
        alarm_state: alarm,
        leaking: alarm.add_modifier(UNDERLINED),
        warning: ink(0x7a4700),
        warning_state: ink(0x1b1400).bg(rgb(0xffd978)).add_modifier(BOLD),
        good: ink(0x0e5f2b),
        good_state: ink(0x0e5f2b).add_modifier(BOLD),
        busy: ink(0x00556b),
        busy_state: ink(0x00556b).add_modifier(BOLD),
        unknown: ink(0x6236b0),
        spark: ink(0x2a6f9e),
        spark_over: ink(0xc01030),
        limit: ink(0x8a5a00),
        rule: ink(0x7a858f),
        json_key: ink(0x0b5c8f),
        json_string: ink(0x0e5f2b),
        json_value: ink(0x7a4700),
        ..mono(symbols)
    }
}

/// For eyes that do not tell red from green, or blue from yellow: orange, sky and brightness take their places.
pub(super) fn colour_blind(theme: Theme, colours: Colours, ground: Ground) -> Theme {
    let bold = |style: Style| style.add_modifier(BOLD);
    match (colours, ground) {
        (Colours::True, Ground::Dark) => {
            let alarm = bold(ink(0xfff8f0).bg(rgb(0xb04a00)));
            Theme {
                alarm: ink(0xffa25c),
                alarm_state: alarm,
                leaking: alarm.add_modifier(UNDERLINED),
                warning: ink(0xf5ea6b),
                warning_state: bold(ink(0xf5ea6b)),
                good: ink(0x7cc4f5),
                good_state: bold(ink(0x7cc4f5)),
                busy: ink(0xf2f6fa),
                busy_state: bold(ink(0xf2f6fa)),
                unknown: ink(0xcdd5de).add_modifier(UNDERLINED),
                spark: ink(0x7fa8c9),
                spark_over: ink(0xffa25c),
                json_string: ink(0x7cc4f5),
                json_value: ink(0xf5ea6b),
                ..theme
            }
        }
        (Colours::True, Ground::Light) => {
            let alarm = bold(ink(0xfff8f0).bg(rgb(0xa84300)));
            Theme {
                alarm: ink(0x933b00),
                alarm_state: alarm,
                leaking: alarm.add_modifier(UNDERLINED),
                good: ink(0x004f80),
                good_state: bold(ink(0x004f80)),
                busy: ink(0x0f1720),
                busy_state: bold(ink(0x0f1720)),
                unknown: ink(0x3c4650).add_modifier(UNDERLINED),
                spark: ink(0x3b6d91),
                spark_over: ink(0xa84300),
                json_string: ink(0x004f80),
                ..theme
            }
        }
        (_, Ground::Dark) => Theme {
            good: theme.busy,
            good_state: theme.busy_state,
            busy: theme.brand,
            busy_state: theme.brand,
            json_string: theme.text,
            ..theme
        },
        (_, Ground::Light) => Theme { good_state: theme.busy_state, busy_state: theme.brand, ..theme },
    }
}

/// A ground of its own, and nothing on it below 7:1 where the terminal has all colours.
pub(super) fn high_contrast(symbols: Symbols, colours: Colours) -> Theme {
    if colours == Colours::True {
        let on = |hex| ink(hex).bg(rgb(0x010101));
        let bold = |style: Style| style.add_modifier(BOLD);
        let alarm = bold(ink(0xfefefe).bg(rgb(0xa8001c)));
        let text = on(0xfefefe);
        return Theme {
            text,
            dim: on(0xd6dde4),
            label: on(0x9ed8ff),
            border: on(0x8a96a3),
            focus: on(0x5fe0ff),
            row: text.add_modifier(REVERSED),
            row_away: text.add_modifier(UNDERLINED),
            mark: bold(on(0xffd24d)),
            brand: bold(text),
            badge: bold(ink(0x010101).bg(rgb(0xffd24d))),
            hit: ink(0x010101).bg(rgb(0xffd24d)),
            key: bold(on(0x5fe0ff)),
            alarm: on(0xffa39c),
            alarm_state: alarm,
            leaking: alarm.add_modifier(UNDERLINED),
            warning: on(0xffe14d),
            warning_state: bold(on(0xffe14d)),
            good: on(0x7df0a5),
            good_state: bold(on(0x7df0a5)),
            busy: on(0x7cecff),
            busy_state: bold(on(0x7cecff)),
            unknown: on(0xe2ccff),
            spark: on(0x9ed8ff),
            spark_over: on(0xffa39c),
            limit: on(0xffe14d),
            rule: on(0x8a96a3),
            json_key: on(0x9ed8ff),
            json_string: on(0x7df0a5),
            json_value: on(0xffe14d),
            ..mono(symbols)
        };
    }
    let on = |colour| Style::new().fg(colour).bg(Color::Black);
    let bold = |style: Style| style.add_modifier(BOLD);
    let text = on(Color::White);
    let inverse = bold(Style::new().fg(Color::Black).bg(Color::White));
    Theme {
        text,
        dim: on(Color::Gray),
        label: on(Color::LightCyan),
        border: on(Color::Gray),
        focus: bold(on(Color::LightCyan)),
        row_away: text.add_modifier(UNDERLINED),
        mark: bold(on(Color::LightCyan)),
        brand: bold(text),
        badge: inverse,
        key: bold(on(Color::LightCyan)),
        alarm: bold(text),
        alarm_state: inverse,
        leaking: inverse.add_modifier(UNDERLINED),
        warning: text.add_modifier(UNDERLINED),
        warning_state: bold(text).add_modifier(UNDERLINED),
        good: on(Color::Green),
        good_state: bold(on(Color::Green)),
        busy: on(Color::LightCyan),
        busy_state: bold(on(Color::LightCyan)),
        unknown: on(Color::Gray).add_modifier(UNDERLINED),
        spark: on(Color::Cyan),
        spark_over: text,
        limit: text,
        rule: on(Color::Gray),
        json_key: on(Color::LightCyan),
        json_string: on(Color::Green),
        json_value: text,
        ..mono(symbols)
    }
}
