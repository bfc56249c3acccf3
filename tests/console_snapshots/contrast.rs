//! What the views draw stands out from what it is drawn on: every letter and digit of every view, in every theme, on the
//! palettes of its ground. The styles are tested beside the theme; here it is what becomes of them where one lies on another.

use quell::console::theme::{Colours, Ground, NAMES, Theme};
use quell_fleet::Fleet;
use ratatui::buffer::Cell;
use ratatui::style::Modifier;

use crate::views::account;
use crate::world::*;

#[path = "../../src/console/theme/palettes.rs"]
mod palettes;

use palettes::{DARK, LIGHT, Palette};

/// Each view, a plan's place, what is typed, and the large tiles of a room.
const KEYS: [&str; 23] = [
    "1", "2", "3", "3k\n", "4", "5", "6", "6\n", "7", "8", "gp", "gh", "ga", "gr", "gw", "gy", "gm", "gd",
    "gt", "gl", "gi", "?", ":",
];

/// How bright a colour is, as WCAG 2 has it.
fn brightness(colour: u32) -> f64 {
    let [_, r, g, b] = colour.to_be_bytes();
    let [r, g, b] = [r, g, b].map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

fn contrast(palette: &Palette, cell: &Cell) -> f64 {
    let (letters, ground) = (palette.colour(Some(cell.fg), 16), palette.colour(Some(cell.bg), 17));
    // Inverse or not, the two are the same.
    let (a, b) = (brightness(letters) + 0.05, brightness(ground) + 0.05);
    (a / b).max(b / a)
}

/// What is below the contrast of a palette in a theme, with the first word it was found in.
fn faint(fleet: &Fleet, theme: &Theme, palettes: &[&Palette], into: &mut Vec<String>, named: &str) {
    for keys in KEYS {
        let mut app = App::new(quell::console::app::Look { theme: theme.clone(), ..look(false) });
        render(&mut app, fleet, NOW, (120, 36));
        press(&mut app, fleet, keys);
        let screen = render(&mut app, fleet, NOW, (120, 36));
        let cells = screen.content().iter().enumerate();
        let letters = cells.filter(|(_, cell)| cell.symbol().chars().all(char::is_alphanumeric));
        let mut seen = Vec::new();
        for (at, cell) in letters {
            let pair = (cell.fg, cell.bg, cell.modifier.contains(Modifier::REVERSED));
            if seen.contains(&pair) {
                continue;
            }
            seen.push(pair);
            for palette in palettes {
                let found = contrast(palette, cell);
                if found < palette.allows() {
                    let text: String =
                        screen.content()[at..].iter().take(16).map(|cell| cell.symbol()).collect();
                    into.push(format!("{named}, {}, {keys:?}: {pair:?} {found:.1} {text:?}", palette.name));
                }
            }
        }
    }
}

#[test]
fn what_every_view_says_stands_out_in_every_theme() {
    let fleet = account();
    let mut found = Vec::new();
    for name in NAMES {
        for colours in [Colours::None, Colours::Sixteen, Colours::True] {
            for (ground, own) in [(Ground::Dark, &DARK[..]), (Ground::Light, &LIGHT[..])] {
                // A theme that names its ground is not for the other.
                let other = matches!((name, ground), ("dark", Ground::Light) | ("light", Ground::Dark));
                // Without colours all of them are one.
                if other || colours == Colours::None && name != "mono" {
                    continue;
                }
                let theme = Theme::named(Some(name), colours, false).unwrap().on(ground);
                let named = format!("{name}, {colours:?}, {ground:?}");
                faint(&fleet, &theme, &own.iter().collect::<Vec<_>>(), &mut found, &named);
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    // A theme on the other's ground is not read: the test sees it.
    let light = Theme::named(Some("light"), Colours::Sixteen, false).unwrap();
    faint(&fleet, &light, &[&DARK[0]], &mut found, "light");
    assert!(!found.is_empty());
}
