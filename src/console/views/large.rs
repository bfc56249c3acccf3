//! Large letters of half blocks, three cells wide and three rows high: what the last row of a room has to be able to read.
//! Half blocks are in every font a terminal comes with, which fullwidth forms and double-height lines are not.

use ratatui::style::Style;

use super::super::paint::Paint;

/// Rows of a line of large letters.
pub(crate) const ROWS: u16 = 3;

/// Rows of a line of letters twice as large.
pub(crate) const TWICE: u16 = 5;

/// Five rows of three pixels each, a bit a pixel, the leftmost the highest.
fn pixels(c: char) -> Option<[u8; 5]> {
    Some(match c.to_ascii_uppercase() {
        ' ' => [0, 0, 0, 0, 0],
        '0' => [7, 5, 5, 5, 7],
        '1' => [2, 6, 2, 2, 7],
        '2' => [7, 1, 7, 4, 7],
        '3' => [7, 1, 7, 1, 7],
        '4' => [5, 5, 7, 1, 1],
        '5' => [7, 4, 7, 1, 7],
        '6' => [7, 4, 7, 5, 7],
        '7' => [7, 1, 2, 2, 2],
        '8' => [7, 5, 7, 5, 7],
        '9' => [7, 5, 7, 1, 7],
        'A' => [2, 5, 7, 5, 5],
        'B' => [6, 5, 6, 5, 6],
        'C' => [3, 4, 4, 4, 3],
        'D' => [6, 5, 5, 5, 6],
        'E' => [7, 4, 6, 4, 7],
        'F' => [7, 4, 6, 4, 4],
        'G' => [3, 4, 5, 5, 3],
        'H' => [5, 5, 7, 5, 5],
        'I' => [7, 2, 2, 2, 7],
        'J' => [1, 1, 1, 5, 2],
        'K' => [5, 5, 6, 5, 5],
        'L' => [4, 4, 4, 4, 7],
        'M' => [5, 7, 7, 5, 5],
        'N' => [6, 5, 5, 5, 5],
        'O' => [2, 5, 5, 5, 2],
        'P' => [6, 5, 6, 4, 4],
        'Q' => [2, 5, 5, 6, 3],
        'R' => [6, 5, 6, 5, 5],
        'S' => [3, 4, 2, 1, 6],
        'T' => [7, 2, 2, 2, 2],
        'U' => [5, 5, 5, 5, 7],
        'V' => [5, 5, 5, 5, 2],
        'W' => [5, 5, 7, 7, 5],
        'X' => [5, 5, 2, 5, 5],
        'Y' => [5, 5, 2, 2, 2],
        'Z' => [7, 1, 2, 4, 7],
        '-' => [0, 0, 7, 0, 0],
        '_' => [0, 0, 0, 0, 7],
        '.' => [0, 0, 0, 0, 2],
        ':' => [0, 2, 0, 2, 0],
        '/' => [1, 1, 2, 4, 4],
        '?' => [7, 1, 3, 0, 2],
        _ => return None,
    })
}

/// How many cells `text` takes; `None` when a letter of it has no large form.
pub(crate) fn width(text: &str) -> Option<u16> {
    text.chars()
        .all(|c| pixels(c).is_some())
        .then(|| u16::try_from(text.chars().count() * 4).unwrap_or(u16::MAX))
}

/// Draws `text`, as much of it as fits into `room` cells; how many it took.
pub(crate) fn draw(paint: &mut Paint<'_>, x: u16, y: u16, room: u16, text: &str, style: Style) -> u16 {
    let mut used = 0;
    for c in text.chars() {
        let Some(rows) = pixels(c) else { continue };
        if used + 3 > room {
            break;
        }
        for line in 0..ROWS {
            let at = usize::from(line) * 2;
            let (above, below) = (rows.get(at).copied().unwrap_or(0), rows.get(at + 1).copied().unwrap_or(0));
            for column in 0..3_u16 {
                let bit = 4 >> column;
                let symbol = match (above & bit != 0, below & bit != 0) {
                    (true, true) => "█",
                    (true, false) => "▀",
                    (false, true) => "▄",
                    (false, false) => continue,
                };
                paint.cell(x + used + column, y + line, symbol, style);
            }
        }
        used += 4;
    }
    used.min(room)
}

/// Draws `text` twice as large: each pixel two cells wide and one high, each letter with its gap eight cells.
pub(crate) fn twice(paint: &mut Paint<'_>, (x, y): (u16, u16), text: &str, style: Style) {
    let letters = text.chars().filter_map(pixels);
    for (at, rows) in (x..).step_by(8).zip(letters) {
        for (y, row) in (y..).zip(rows) {
            for column in 0..6_u16 {
                if row & (4 >> (column / 2)) != 0 {
                    paint.cell(at + column, y, "█", style);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_of_a_thing_s_name_has_a_form_of_its_own() {
        let mut seen = std::collections::HashSet::new();
        for c in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:/".chars() {
            let form = pixels(c).unwrap();
            assert!(form.iter().all(|row| *row < 8), "{c}");
            assert!(seen.insert(form), "{c} looks like another");
        }
        assert_eq!(width("Thing02"), Some(28));
        assert_eq!(width("Gerät"), None);
    }
}
