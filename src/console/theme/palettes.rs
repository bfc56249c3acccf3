//! The palettes that terminals come with, for the tests of contrast: those of the styles beside this file, and those of what
//! the views draw.

use ratatui::style::Color;

/// Sixteen colours, and what letters and ground are by default.
pub(crate) struct Palette {
    pub(crate) name: &'static str,
    colours: [u32; 18],
}

/// Of dark grounds.
pub(crate) const DARK: [Palette; 6] = [
    Palette {
        name: "xterm",
        colours: [
            0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5, 0x7f7f7f,
            0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff, 0xe5e5e5, 0x000000,
        ],
    },
    Palette {
        name: "Linux console",
        colours: [
            0x000000, 0xaa0000, 0x00aa00, 0xaa5500, 0x0000aa, 0xaa00aa, 0x00aaaa, 0xaaaaaa, 0x555555,
            0xff5555, 0x55ff55, 0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff, 0xaaaaaa, 0x000000,
        ],
    },
    Palette {
        name: "PuTTY",
        colours: [
            0x000000, 0xbb0000, 0x00bb00, 0xbbbb00, 0x0000bb, 0xbb00bb, 0x00bbbb, 0xbbbbbb, 0x555555,
            0xff5555, 0x55ff55, 0xffff55, 0x5555ff, 0xff55ff, 0x55ffff, 0xffffff, 0xbbbbbb, 0x000000,
        ],
    },
    Palette {
        name: "Campbell",
        colours: [
            0x0c0c0c, 0xc50f1f, 0x13a10e, 0xc19c00, 0x0037da, 0x881798, 0x3a96dd, 0xcccccc, 0x767676,
            0xe74856, 0x16c60c, 0xf9f1a5, 0x3b78ff, 0xb4009e, 0x61d6d6, 0xf2f2f2, 0xcccccc, 0x0c0c0c,
        ],
    },
    Palette {
        name: "VS Code",
        colours: [
            0x000000, 0xcd3131, 0x0dbc79, 0xe5e510, 0x2472c8, 0xbc3fbc, 0x11a8cd, 0xe5e5e5, 0x666666,
            0xf14c4c, 0x23d18b, 0xf5f543, 0x3b8eea, 0xd670d6, 0x29b8db, 0xe5e5e5, 0xcccccc, 0x1e1e1e,
        ],
    },
    Palette {
        name: "Solarized dark",
        colours: [
            0x073642, 0xdc322f, 0x859900, 0xb58900, 0x268bd2, 0xd33682, 0x2aa198, 0xeee8d5, 0x002b36,
            0xcb4b16, 0x586e75, 0x657b83, 0x839496, 0x6c71c4, 0x93a1a1, 0xfdf6e3, 0x839496, 0x002b36,
        ],
    },
];

/// Of light ones.
pub(crate) const LIGHT: [Palette; 3] = [
    Palette {
        name: "xterm on white",
        colours: [
            0x000000, 0xcd0000, 0x00cd00, 0xcdcd00, 0x0000ee, 0xcd00cd, 0x00cdcd, 0xe5e5e5, 0x7f7f7f,
            0xff0000, 0x00ff00, 0xffff00, 0x5c5cff, 0xff00ff, 0x00ffff, 0xffffff, 0x000000, 0xffffff,
        ],
    },
    Palette {
        name: "macOS Terminal",
        colours: [
            0x000000, 0x990000, 0x00a600, 0x999900, 0x0000b2, 0xb200b2, 0x00a6b2, 0xbfbfbf, 0x666666,
            0xe50000, 0x00d900, 0xe5e500, 0x0000ff, 0xe500e5, 0x00e5e5, 0xe5e5e5, 0x000000, 0xffffff,
        ],
    },
    Palette {
        name: "Solarized light",
        colours: [
            0x073642, 0xdc322f, 0x859900, 0xb58900, 0x268bd2, 0xd33682, 0x2aa198, 0xeee8d5, 0x002b36,
            0xcb4b16, 0x586e75, 0x657b83, 0x839496, 0x6c71c4, 0x93a1a1, 0xfdf6e3, 0x657b83, 0xfdf6e3,
        ],
    },
];

impl Palette {
    /// The contrast asked of text. Solarized's sixteen colours allow no more than 3.
    pub(crate) fn allows(&self) -> f64 {
        if self.name.starts_with("Solarized") { 3.0 } else { 4.5 }
    }

    /// A colour as `0xRRGGBB`; what none is said of is the colour at `otherwise`: 16 of letters, 17 of the ground.
    pub(crate) fn colour(&self, colour: Option<Color>, otherwise: usize) -> u32 {
        let index = match colour {
            None | Some(Color::Reset) => otherwise,
            Some(Color::Rgb(r, g, b)) => return u32::from_be_bytes([0, r, g, b]),
            Some(Color::Black) => 0,
            Some(Color::Red) => 1,
            Some(Color::Green) => 2,
            Some(Color::Yellow) => 3,
            Some(Color::Blue) => 4,
            Some(Color::Magenta) => 5,
            Some(Color::Cyan) => 6,
            Some(Color::Gray) => 7,
            Some(Color::DarkGray) => 8,
            Some(Color::LightRed) => 9,
            Some(Color::LightGreen) => 10,
            Some(Color::LightYellow) => 11,
            Some(Color::LightBlue) => 12,
            Some(Color::LightMagenta) => 13,
            Some(Color::LightCyan) => 14,
            Some(Color::White) => 15,
            Some(Color::Indexed(index)) => usize::from(index),
        };
        self.colours[index]
    }
}
