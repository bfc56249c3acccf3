//! Makes the pictures of the documents from a real run: starts the real binary in a pty, types keys, waits for words, and draws
//! the terminal's cells as SVG; or films them, a frame a second, as an SVG that moves by itself.
//!
//! ```text
//! cargo run --example screenshot -- 160x48 dark 'wait:1 ALARM' shot:docs/overview.svg keys:i shot:docs/plan.svg -- target/debug/quell demo
//! ```
//!
//! `ci/gallery` makes all of them.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use color_eyre::eyre::{Result, WrapErr as _, bail, eyre};
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use vt100::Color;

/// Cell size in SVG units: a monospace font at 14 px.
const CELL: (f32, f32) = (8.43, 18.0);
/// How long one `wait:` may take.
const LIMIT: Duration = Duration::from_secs(120);

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let split = args.iter().position(|a| a == "--").ok_or_else(|| eyre!("no `--` before the command"))?;
    let (ours, command) = (&args[..split], &args[split + 1..]);
    let [size, ground, steps @ ..] = ours else {
        bail!(
            "usage: COLSxROWS dark|light [wait:TEXT|keys:KEYS|rest:SECONDS|shot:FILE|film:FILE]… -- COMMAND"
        )
    };
    let ground = Ground::named(ground).ok_or_else(|| eyre!("the ground is dark or light"))?;
    let (cols, rows) = size.split_once('x').ok_or_else(|| eyre!("size is COLSxROWS"))?;
    let (columns, lines): (std::num::NonZero<u16>, std::num::NonZero<u16>) = (cols.parse()?, rows.parse()?);
    let (cols, rows) = (columns.get(), lines.get());
    let [program, rest @ ..] = command else { bail!("no command") };

    let home = tempfile::tempdir()?;
    let open = |e: anyhow_like::Boxed| eyre!("{e}");
    let pair = native_pty_system()
        .openpty(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 })
        .map_err(|e| open(e.into()))?;
    let mut builder = CommandBuilder::new(std::fs::canonicalize(program).wrap_err("the binary")?);
    builder.args(rest);
    builder.cwd(home.path());
    builder.env("TERM", "xterm-256color");
    builder.env("COLORTERM", "truecolor");
    builder.env("HOME", home.path());
    builder.env("XDG_STATE_HOME", home.path().join("state"));
    builder.env("XDG_CONFIG_HOME", home.path().join("config"));
    builder.env("USER", "ops");
    let mut child = pair.slave.spawn_command(builder).map_err(|e| open(e.into()))?;
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().map_err(|e| open(e.into()))?;
    let mut writer = pair.master.take_writer().map_err(|e| open(e.into()))?;
    let parser = Arc::new(Mutex::new(vt100::Parser::new(lines, columns, 0)));
    let sink = Arc::clone(&parser);
    std::thread::spawn(move || {
        let mut buffer = [0; 16 * 1024];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            if let Ok(mut parser) = sink.lock() {
                parser.process(&buffer[..n]);
            }
        }
    });
    let screen = || parser.lock().map(|p| p.screen().clone()).map_err(|_| eyre!("the reader failed"));

    let mut film: Option<(&str, Film)> = None;
    for step in steps {
        if let Some(text) = step.strip_prefix("wait:") {
            let deadline = Instant::now() + LIMIT;
            while !screen()?.contents().contains(text) {
                if Instant::now() > deadline {
                    bail!("{text:?} did not appear; the screen:\n{}", screen()?.contents());
                }
                pause(Duration::from_millis(20), &mut film, &screen)?;
            }
        } else if let Some(keys) = step.strip_prefix("keys:") {
            writer.write_all(
                keys.replace("<enter>", "\r").replace("<esc>", "\x1b").replace("<tab>", "\t").as_bytes(),
            )?;
        } else if let Some(seconds) = step.strip_prefix("rest:") {
            pause(Duration::from_secs_f32(seconds.parse()?), &mut film, &screen)?;
        } else if let Some(file) = step.strip_prefix("shot:") {
            // What the last key led to is drawn within a frame.
            pause(Duration::from_millis(400), &mut film, &screen)?;
            let lines = rows_of(&screen()?, cols, rows, ground)?;
            let body: String = lines.into_iter().collect();
            std::fs::write(file, framed(&body, cols, rows, ground))?;
        } else if let Some(file) = step.strip_prefix("film:") {
            film = Some((file, Film::new(cols, rows, ground)));
        } else {
            bail!("unknown step {step:?}");
        }
    }
    if let Some((file, film)) = film {
        std::fs::write(file, film.developed())?;
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// Waits, and films meanwhile.
fn pause(
    time: Duration,
    film: &mut Option<(&str, Film)>,
    screen: &impl Fn() -> Result<vt100::Screen>,
) -> Result<()> {
    let until = Instant::now() + time;
    loop {
        if let Some((_, film)) = film {
            film.look(&screen()?)?;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(100)));
    }
}

/// Frames, row by row: what does not change from one to the next is there once.
struct Film {
    cols: u16,
    rows: u16,
    ground: &'static Ground,
    began: Instant,
    /// Of each row what it held, and from which frame to which.
    held: Vec<Vec<(String, usize, usize)>>,
    frames: usize,
}

impl Film {
    fn new(cols: u16, rows: u16, ground: &'static Ground) -> Self {
        let held = vec![Vec::new(); rows.into()];
        Self { cols, rows, ground, began: Instant::now(), held, frames: 0 }
    }

    /// Takes a frame, when a second has gone by.
    fn look(&mut self, screen: &vt100::Screen) -> Result<()> {
        if self.began.elapsed() < Duration::from_secs(self.frames as u64) {
            return Ok(());
        }
        let at = self.frames;
        for (row, held) in rows_of(screen, self.cols, self.rows, self.ground)?.into_iter().zip(&mut self.held)
        {
            match held.last_mut() {
                Some((known, _, to)) if *known == row => *to = at + 1,
                _ => held.push((row, at, at + 1)),
            }
        }
        self.frames += 1;
        Ok(())
    }

    /// The film as one picture that goes round and round.
    fn developed(&self) -> String {
        // The end is looked at for a while.
        let seconds = self.frames + 3;
        let mut body = String::new();
        for (row, from, to) in self.held.iter().flatten().filter(|(row, ..)| !row.is_empty()) {
            let end = if *to == self.frames { seconds } else { *to };
            if (*from, end) == (0, seconds) {
                body.push_str(row);
                continue;
            }
            let part = |at: usize| at as f64 / seconds as f64;
            let (values, times) = match (*from, end == seconds) {
                (0, _) => ("visible;hidden".to_owned(), format!("0;{:.5}", part(end))),
                (from, true) => ("hidden;visible".to_owned(), format!("0;{:.5}", part(from))),
                (from, false) => {
                    ("hidden;visible;hidden".to_owned(), format!("0;{:.5};{:.5}", part(from), part(end)))
                }
            };
            body.push_str(&format!(
                r#"<g visibility="{}"><animate attributeName="visibility" calcMode="discrete" dur="{seconds}s" repeatCount="indefinite" values="{values}" keyTimes="{times}"/>"#,
                // Where nothing moves, the end is shown.
                if end == seconds { "visible" } else { "hidden" },
            ));
            body.push('\n');
            body.push_str(row);
            body.push_str("</g>\n");
        }
        framed(&body, self.cols, self.rows, self.ground)
    }
}

/// portable-pty's errors, without naming its error crate.
mod anyhow_like {
    pub(crate) type Boxed = Box<dyn std::error::Error + Send + Sync>;
}

/// A picture round what is drawn in it.
fn framed(body: &str, cols: u16, rows: u16, ground: &Ground) -> String {
    let (width, height) = (f32::from(cols) * CELL.0 + 24.0, f32::from(rows) * CELL.1 + 24.0);
    let paper = ground.paper;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14"><rect width="100%" height="100%" rx="8" fill="{paper}"/>
{body}</svg>
"##
    )
}

/// The rows of the screen, each drawn.
fn rows_of(screen: &vt100::Screen, cols: u16, rows: u16, ground: &Ground) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for row in 0..rows {
        let y = f32::from(row) * CELL.1 + 12.0;
        let mut out = String::new();
        let mut col = 0;
        while col < cols {
            let Some(cell) = screen.cell(row, col) else { break };
            let style = look(cell, ground);
            let start = col;
            let mut text = String::new();
            while col < cols {
                let Some(next) = screen.cell(row, col) else { break };
                if look(next, ground) != style {
                    break;
                }
                if !next.is_wide_continuation() {
                    text.push_str(if next.has_contents() { next.contents() } else { " " });
                }
                col += 1;
            }
            let x = f32::from(start) * CELL.0 + 12.0;
            let run = f32::from(col - start) * CELL.0;
            if let Some(background) = style.background {
                writeln!(
                    out,
                    r#"<rect x="{x:.2}" y="{y:.2}" width="{run:.2}" height="{}" fill="{background}"/>"#,
                    CELL.1
                )?;
            }
            if !text.trim().is_empty() {
                let weight = if style.bold { r#" font-weight="bold""# } else { "" };
                let opacity = if style.dim { r#" opacity="0.6""# } else { "" };
                writeln!(
                    out,
                    r#"<text x="{x:.2}" y="{:.2}" textLength="{run:.2}" fill="{}"{weight}{opacity} xml:space="preserve">{}</text>"#,
                    y + 13.5,
                    style.foreground,
                    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
                )?;
            }
        }
        all.push(out);
    }
    Ok(all)
}

/// What a terminal writes on, and its sixteen colours.
struct Ground {
    paper: &'static str,
    ink: &'static str,
    colours: [&'static str; 16],
}

static DARK: Ground = Ground {
    paper: "#16181d",
    ink: "#d5d8de",
    colours: [
        "#2a2e36", "#e06c75", "#7fbf7f", "#d9b25f", "#6ca6e8", "#b58ad6", "#57b6c2", "#c8ccd4", "#6b717d",
        "#ff7b86", "#9fe09f", "#f2cf7e", "#8cc1ff", "#d3abf2", "#77d7e3", "#ffffff",
    ],
};

static LIGHT: Ground = Ground {
    paper: "#fbfaf7",
    ink: "#24292f",
    colours: [
        "#24292f", "#b3202c", "#1f7a34", "#7d5a00", "#0b5cad", "#7a3fa0", "#00707a", "#6b717d", "#57606a",
        "#cf222e", "#2da44e", "#9a6700", "#218bff", "#a475f9", "#3192aa", "#8c959f",
    ],
};

impl Ground {
    fn named(name: &str) -> Option<&'static Self> {
        match name {
            "dark" => Some(&DARK),
            "light" => Some(&LIGHT),
            _ => None,
        }
    }
}

#[derive(PartialEq)]
struct Look {
    foreground: String,
    background: Option<String>,
    bold: bool,
    dim: bool,
}

fn look(cell: &vt100::Cell, ground: &Ground) -> Look {
    let (mut foreground, mut background) = (paint(cell.fgcolor(), ground), paint(cell.bgcolor(), ground));
    if cell.inverse() {
        (foreground, background) = (
            Some(background.unwrap_or_else(|| ground.paper.into())),
            Some(foreground.unwrap_or_else(|| ground.ink.into())),
        );
    }
    Look {
        foreground: foreground.unwrap_or_else(|| ground.ink.into()),
        background,
        bold: cell.bold(),
        dim: cell.dim(),
    }
}

fn paint(color: Color, ground: &Ground) -> Option<String> {
    match color {
        Color::Default => None,
        Color::Idx(n @ 0..=15) => Some(ground.colours[usize::from(n)].into()),
        Color::Idx(n @ 16..=231) => {
            let level = |v: u8| if v == 0 { 0 } else { 55 + 40 * v };
            let n = n - 16;
            Some(format!("#{:02x}{:02x}{:02x}", level(n / 36), level(n / 6 % 6), level(n % 6)))
        }
        Color::Idx(n) => {
            let grey = 8 + 10 * (n - 232);
            Some(format!("#{grey:02x}{grey:02x}{grey:02x}"))
        }
        Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
    }
}
