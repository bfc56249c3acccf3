//! How things look: all colours, attributes and symbols, in one place.
//!
//! A theme is one of [`NAMES`] on a [`Ground`] in as many colours as the terminal has. The worst word is the brightest thing
//! on the screen: alarm states are inverse. Every text that carries meaning stands out from its ground by a contrast that
//! `contrast` computes over the palettes terminals come with. Colour never carries a meaning alone: a word or a shape
//! stands beside it, and the `mono` theme (`NO_COLOR`) shows the same with bold, reverse and underline. crossterm's own
//! `NO_COLOR` handling writes bare resets that would erase those under ratatui, so the decision is made here and colour
//! output is forced on.

mod inks;
mod symbols;

#[cfg(test)]
mod contrast;
#[cfg(test)]
mod palettes;

use ratatui::style::{Color, Modifier, Style};

pub use symbols::{ASCII, Symbols, UNICODE};

/// The look.
#[derive(Clone, Debug)]
pub struct Theme {
    kind: Kind,
    colours: Colours,
    /// What it was made for.
    ground: Ground,
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
    /// The caret in a line that is typed, and the chosen line of a dialog.
    pub cursor: Style,
    /// The line under the cursor; see [`Theme::on_row`].
    row: Style,
    /// The line under the cursor in a pane without the focus.
    row_away: Style,
    /// A marked line's mark.
    pub mark: Style,
    /// The product's name, and names of things.
    pub brand: Style,
    /// The badge that says this is not AWS.
    pub badge: Style,
    /// Keys in the footer and in help.
    pub key: Style,
    /// What is said of an alarm.
    pub alarm: Style,
    /// The word of an alarm itself.
    pub alarm_state: Style,
    /// Isolated, yet heard.
    pub leaking: Style,
    /// Something is off, nothing is certain.
    pub warning: Style,
    /// The word of that.
    pub warning_state: Style,
    /// Proven.
    pub good: Style,
    /// The word of that.
    pub good_state: Style,
    /// Being done.
    pub busy: Style,
    /// The word of that.
    pub busy_state: Style,
    /// Unknown, with its reason.
    pub unknown: Style,
    /// Bars of a chart.
    pub spark: Style,
    /// Bars above the profile's limit.
    pub spark_over: Style,
    /// What was searched for, where it stands.
    pub hit: Style,
    /// A limit drawn as a line.
    pub limit: Style,
    /// Time nobody listened in.
    pub rule: Style,
    /// Keys of a JSON document.
    pub json_key: Style,
    /// Text between quotes in a JSON document.
    pub json_string: Style,
    /// Numbers, true, false, null.
    pub json_value: Style,
    /// Shapes.
    pub symbols: Symbols,
}

/// What the terminal writes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ground {
    /// Light letters on it.
    #[default]
    Dark,
    /// Dark letters on it.
    Light,
}

impl Ground {
    /// By the brightness of a colour whose parts go from 0 to 1: what black letters are read on better is light.
    pub fn of(red: f64, green: f64, blue: f64) -> Self {
        if brightness([red, green, blue].map(linear)) > 0.179 { Self::Light } else { Self::Dark }
    }

    /// What the variable `COLORFGBG` of some terminals says, `15;0`: the last part is the number of the ground's colour.
    pub fn guess(variable: Option<&str>) -> Option<Self> {
        let number: u8 = variable?.rsplit(';').next()?.parse().ok()?;
        match number {
            7 | 9..=15 => Some(Self::Light),
            0..=8 => Some(Self::Dark),
            _ => None,
        }
    }
}

/// A part of a colour as light, from 0 to 1, of one as it is written (sRGB).
fn linear(part: f64) -> f64 {
    if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
}

/// The relative luminance of a colour whose parts are light.
fn brightness([r, g, b]: [f64; 3]) -> f64 {
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

/// How many colours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// None are wanted: `NO_COLOR`.
    None,
    /// The terminal's sixteen, as its owner chose them.
    Sixteen,
    /// All.
    True,
}

impl Colours {
    /// As the terminal says in its variables `COLORTERM` and `TERM`.
    pub fn of(colorterm: Option<&str>, term: Option<&str>) -> Self {
        let says = colorterm.is_some_and(|text| matches!(text, "truecolor" | "24bit"));
        let direct = term.is_some_and(|text| text.ends_with("-direct"));
        if says || direct { Self::True } else { Self::Sixteen }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Auto,
    Dark,
    Light,
    HighContrast,
    ColourBlind,
    Mono,
    Projector,
}

/// The names [`Theme::named`] knows; without one it is the first.
pub const NAMES: [&str; 7] = ["auto", "dark", "light", "high-contrast", "colour-blind", "mono", "projector"];

impl Theme {
    /// A theme by name; `None` when there is none of that name. Where no colours are wanted it is `mono`, whatever the name.
    pub fn named(name: Option<&str>, colours: Colours, ascii: bool) -> Option<Self> {
        let kind = match name.unwrap_or("auto") {
            "auto" => Kind::Auto,
            "dark" => Kind::Dark,
            "light" => Kind::Light,
            "high-contrast" => Kind::HighContrast,
            "colour-blind" => Kind::ColourBlind,
            "mono" => Kind::Mono,
            "projector" => Kind::Projector,
            _ => return None,
        };
        let kind = if colours == Colours::None { Kind::Mono } else { kind };
        let symbols = if ascii { ASCII } else { UNICODE };
        Some(Self::made(kind, colours, Ground::default(), symbols))
    }

    fn made(kind: Kind, colours: Colours, ground: Ground, symbols: Symbols) -> Self {
        let inked = |ground| match (colours, ground) {
            (Colours::True, Ground::Dark) => inks::dark(symbols),
            (Colours::True, Ground::Light) => inks::light(symbols),
            (_, Ground::Dark) => inks::dark_of_sixteen(symbols),
            (_, Ground::Light) => inks::light_of_sixteen(symbols),
        };
        let theme = match kind {
            Kind::Auto => inked(ground),
            Kind::Dark => inked(Ground::Dark),
            Kind::Light => inked(Ground::Light),
            Kind::Projector => inked(ground).bold(),
            Kind::ColourBlind => inks::colour_blind(inked(ground), colours, ground),
            Kind::HighContrast => inks::high_contrast(symbols, colours),
            Kind::Mono => inks::mono(symbols),
        };
        Self { kind, colours, ground, ..theme }
    }

    /// Another theme in as many colours, with the same shapes and on the same ground; `None` when there is none of that name.
    pub(in crate::console) fn renamed(&self, name: &str) -> Option<Self> {
        Some(Self::named(Some(name), self.colours, self.symbols.ascii)?.on(self.ground))
    }

    /// Whether it is another on another ground: only then is the terminal asked for its own.
    pub fn follows_ground(&self) -> bool {
        matches!(self.kind, Kind::Auto | Kind::ColourBlind | Kind::Projector)
    }

    /// The same theme on a ground; one that does not follow it looks as before.
    #[must_use]
    pub fn on(&self, ground: Ground) -> Self {
        Self::made(self.kind, self.colours, ground, self.symbols)
    }

    /// For the last row of a room: all of it bold, nothing dim.
    fn bold(self) -> Self {
        let bold = |style: Style| style.add_modifier(Modifier::BOLD);
        let text = bold(self.text);
        Self {
            text,
            dim: text,
            label: bold(self.label),
            alarm: bold(self.alarm),
            warning: bold(self.warning),
            good: bold(self.good),
            busy: bold(self.busy),
            unknown: bold(self.unknown),
            spark: bold(self.spark),
            spark_over: bold(self.spark_over),
            ..self
        }
    }

    /// A style on the line under the cursor, which is chosen as a whole. What has a ground of its own, an alarm's word,
    /// keeps it. Where the line is reversed colours go: each would turn into a ground of its own.
    pub fn on_row(&self, style: Style, focused: bool) -> Style {
        let row = if focused { self.row } else { self.row_away };
        let plain = |colour: Option<Color>| colour.filter(|c| *c != Color::Reset);
        let own = plain(style.bg).is_some_and(|ground| Some(ground) != self.text.bg)
            || style.add_modifier.contains(Modifier::REVERSED);
        if own {
            return if self.kind == Kind::Mono { style.add_modifier(Modifier::UNDERLINED) } else { style };
        }
        if row.add_modifier.contains(Modifier::REVERSED) {
            let bold = style.add_modifier & Modifier::BOLD;
            let reset = |colour: Option<Color>| colour.unwrap_or(Color::Reset);
            let plain = Style::new().fg(reset(self.text.fg)).bg(reset(self.text.bg));
            return plain.add_modifier(row.add_modifier | bold);
        }
        let style = if plain(style.fg).is_none() { Style { fg: row.fg, ..style } } else { style };
        Style { bg: row.bg.or(style.bg), ..style }.add_modifier(row.add_modifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_means_none() {
        let theme = Theme::named(Some("auto"), Colours::None, false).unwrap();
        for style in
            [theme.alarm, theme.alarm_state, theme.badge, theme.spark, theme.border, theme.leaking, theme.row]
        {
            assert!(style.fg.is_none() && style.bg.is_none(), "{style:?}");
        }
        assert!(!theme.follows_ground());
        assert!(Theme::named(Some("no-such"), Colours::Sixteen, false).is_none());
        for name in NAMES {
            assert!(Theme::named(Some(name), Colours::True, true).is_some());
        }
    }

    #[test]
    fn a_theme_that_was_asked_for_stays_on_any_ground() {
        let light = Theme::named(Some("light"), Colours::True, false).unwrap();
        assert_eq!(light.on(Ground::Dark).alarm, light.alarm);
        assert!(!light.follows_ground());
        // The ground is not forgotten by a theme that does not follow it.
        let renamed = light.on(Ground::Light).renamed("colour-blind").unwrap();
        let blind = Theme::named(Some("colour-blind"), Colours::True, false).unwrap();
        assert_eq!(renamed.alarm, blind.on(Ground::Light).alarm);
        assert_ne!(renamed.alarm, blind.alarm);
        let auto = Theme::named(None, Colours::True, false).unwrap();
        assert_ne!(auto.on(Ground::Light).alarm, auto.alarm);
        assert_eq!(auto.on(Ground::Light).on(Ground::Dark).alarm, auto.alarm);
    }

    #[test]
    fn a_ground_is_light_where_black_is_read_better() {
        assert_eq!(Ground::of(0.0, 0.17, 0.21), Ground::Dark);
        assert_eq!(Ground::of(0.99, 0.96, 0.89), Ground::Light);
        assert_eq!(Ground::guess(Some("15;0")), Some(Ground::Dark));
        assert_eq!(Ground::guess(Some("0;default;15")), Some(Ground::Light));
        assert_eq!(Ground::guess(Some("0;default")), None);
        assert_eq!(Colours::of(Some("truecolor"), None), Colours::True);
        assert_eq!(Colours::of(None, Some("xterm-256color")), Colours::Sixteen);
    }

    #[test]
    fn an_alarm_keeps_its_ground_on_the_line_under_the_cursor() {
        for colours in [Colours::Sixteen, Colours::True] {
            let theme = Theme::named(None, colours, false).unwrap();
            assert_eq!(theme.on_row(theme.alarm_state, true), theme.alarm_state);
            assert_ne!(theme.on_row(theme.text, true), theme.text);
            // A hole would be a cell whose ground is another than its neighbour's.
            let ground = |style: Style| (style.bg, style.add_modifier.contains(Modifier::REVERSED));
            let text = ground(theme.on_row(theme.text, true));
            for style in [theme.spark, theme.spark_over, theme.rule, theme.dim, theme.good, theme.warning] {
                let on = theme.on_row(style, true);
                assert_eq!(ground(on).1, text.1);
                assert!(!text.1 || on.fg == Some(Color::Reset), "reversed, a colour would be a ground");
            }
        }
    }
}
