//! What stands out from what: computed for every theme, every style and the line under the cursor, over the palettes that
//! terminals come with. WCAG 2's contrast ratio; 4.5 is its bound for text, 3 for what is only seen, as a bar is.

use ratatui::style::{Color, Modifier, Style};

use super::palettes::{DARK, LIGHT, Palette};
use super::{Colours, Ground, Kind, NAMES, Theme, brightness};

impl Palette {
    fn contrast(&self, style: Style) -> f64 {
        let (letters, ground) = (self.colour(style.fg, 16), self.colour(style.bg, 17));
        let (a, b) = (brightness(linear(letters)) + 0.05, brightness(linear(ground)) + 0.05);
        (a / b).max(b / a)
    }
}

/// The linear parts of a colour.
fn linear(colour: u32) -> [f64; 3] {
    let [_, r, g, b] = colour.to_be_bytes();
    [r, g, b].map(|part| super::linear(f64::from(part) / 255.0))
}

/// Every style that says something, and whether it is text.
fn styles(theme: &Theme) -> Vec<(&'static str, Style, bool)> {
    vec![
        ("text", theme.text, true),
        ("dim", theme.dim, true),
        ("label", theme.label, true),
        ("focus", theme.focus, true),
        ("cursor", theme.cursor, true),
        ("mark", theme.mark, true),
        ("brand", theme.brand, true),
        ("badge", theme.badge, true),
        ("key", theme.key, true),
        ("alarm", theme.alarm, true),
        ("alarm_state", theme.alarm_state, true),
        ("leaking", theme.leaking, true),
        ("warning", theme.warning, true),
        ("warning_state", theme.warning_state, true),
        ("good", theme.good, true),
        ("good_state", theme.good_state, true),
        ("busy", theme.busy, true),
        ("busy_state", theme.busy_state, true),
        ("unknown", theme.unknown, true),
        ("hit", theme.hit, true),
        ("json_key", theme.json_key, true),
        ("json_string", theme.json_string, true),
        ("json_value", theme.json_value, true),
        ("spark", theme.spark, false),
        ("spark_over", theme.spark_over, false),
        ("limit", theme.limit, true),
    ]
}

fn palettes(theme: &Theme, ground: Ground) -> Vec<&'static Palette> {
    match (theme.kind, ground) {
        (Kind::Mono | Kind::HighContrast, _) => DARK.iter().chain(&LIGHT).collect(),
        (Kind::Dark, _) | (_, Ground::Dark) if theme.kind != Kind::Light => DARK.iter().collect(),
        _ => LIGHT.iter().collect(),
    }
}

fn all(mut each: impl FnMut(&str, &Theme, &'static Palette)) {
    for name in NAMES {
        for colours in [Colours::None, Colours::Sixteen, Colours::True] {
            for ground in [Ground::Dark, Ground::Light] {
                let theme = Theme::named(Some(name), colours, false).unwrap().on(ground);
                for palette in palettes(&theme, ground) {
                    each(&format!("{name}, {colours:?}"), &theme, palette);
                }
            }
        }
    }
}

#[test]
fn everything_that_means_something_stands_out_from_its_ground() {
    let mut faint = Vec::new();
    all(|name, theme, palette| {
        for (what, style, text) in styles(theme) {
            let plain = theme.text.patch(style);
            let rows = [
                ("", plain),
                (" on its row", theme.on_row(plain, true)),
                (" on a row away", theme.on_row(plain, false)),
            ];
            for (place, style) in rows {
                let least = if text { palette.allows() } else { 3.0 };
                let found = palette.contrast(style);
                if found < least {
                    faint.push(format!("{name}, {}: {what}{place} {found:.1}", palette.name));
                }
            }
        }
    });
    assert!(faint.is_empty(), "{faint:#?}");
}

#[test]
fn the_alarm_is_inverse_and_no_text_is_ansi_blue() {
    all(|name, theme, _| {
        for style in [theme.alarm_state, theme.leaking] {
            let ground = style.bg.is_some_and(|c| c != Color::Reset)
                || style.add_modifier.contains(Modifier::REVERSED);
            assert!(ground && style.add_modifier.contains(Modifier::BOLD), "{name}");
        }
        assert_ne!(theme.alarm_state, theme.leaking, "{name}");
        for (what, style, _) in styles(theme) {
            assert!(!matches!(style.fg, Some(Color::Blue | Color::LightBlue)), "{name}: {what}");
        }
    });
}

/// How a colour looks to an eye without one kind of cone (Machado, Oliveira, Fernandes 2009, severity 1).
const EYES: [(&str, [[f64; 3]; 3]); 3] = [
    (
        "protanopia",
        [
            [0.152_286, 1.052_583, -0.204_868],
            [0.114_503, 0.786_281, 0.099_216],
            [-0.003_882, -0.048_116, 1.051_998],
        ],
    ),
    (
        "deuteranopia",
        [
            [0.367_322, 0.860_646, -0.227_968],
            [0.280_085, 0.672_501, 0.047_413],
            [-0.011_820, 0.042_940, 0.968_881],
        ],
    ),
    (
        "tritanopia",
        [
            [1.255_528, -0.076_749, -0.178_779],
            [-0.078_411, 0.930_809, 0.147_602],
            [0.004_733, 0.691_367, 0.303_900],
        ],
    ),
];

/// A colour as an eye sees it, in CIE Lab under D65.
fn seen(colour: u32, eye: &[[f64; 3]; 3]) -> [f64; 3] {
    let rgb = linear(colour);
    let [r, g, b] = eye.map(|row| (row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]).clamp(0.0, 1.0));
    let f = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    let x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
    let y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
    let z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

#[test]
fn the_colour_blind_theme_is_told_apart_by_eyes_that_lack_a_cone() {
    /// Twice what is told apart at a glance when two patches lie side by side is about this.
    const APART: f64 = 12.0;
    for (ground, palettes) in [(Ground::Dark, &DARK[..1]), (Ground::Light, &LIGHT[..1])] {
        let theme = Theme::named(Some("colour-blind"), Colours::True, false).unwrap().on(ground);
        let colour = |style: Style| palettes[0].colour(style.fg, 16);
        for (eye, matrix) in &EYES {
            for (a, b) in [
                (theme.alarm, theme.good),
                (theme.alarm, theme.text),
                (theme.good, theme.text),
                (theme.spark, theme.spark_over),
                (theme.warning, theme.good),
            ] {
                let (a, b) = (seen(colour(a), matrix), seen(colour(b), matrix));
                let apart = a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt();
                assert!(apart >= APART, "{ground:?}, {eye}: {apart:.0}");
            }
        }
    }
}
