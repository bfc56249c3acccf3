//! Makes the README's pictures from a real run: starts the real binary in a pty, types keys, waits for words, and draws the
//! terminal's cells as SVG.
//!
//! ```text
//! cargo run --example screenshot -- docs/overview.svg 160x48 'wait:ALARM' 'keys:a' -- target/debug/quell demo
//! ```

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
    let [out, size, steps @ ..] = ours else {
        bail!("usage: OUT COLSxROWS [wait:TEXT|keys:KEYS|rest:SECONDS]… -- COMMAND")
    };
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

    for step in steps {
        if let Some(text) = step.strip_prefix("wait:") {
            let deadline = Instant::now() + LIMIT;
            while !screen()?.contents().contains(text) {
                if Instant::now() > deadline {
                    bail!("{text:?} did not appear; the screen:\n{}", screen()?.contents());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        } else if let Some(keys) = step.strip_prefix("keys:") {
            writer.write_all(
                keys.replace("<enter>", "\r").replace("<esc>", "\x1b").replace("<tab>", "\t").as_bytes(),
            )?;
        } else if let Some(seconds) = step.strip_prefix("rest:") {
            std::thread::sleep(Duration::from_secs_f32(seconds.parse()?));
        } else {
            bail!("unknown step {step:?}");
        }
    }
    std::fs::write(out, svg(&screen()?, cols, rows)?)?;
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// portable-pty's errors, without naming its error crate.
mod anyhow_like {
    pub(crate) type Boxed = Box<dyn std::error::Error + Send + Sync>;
}

fn svg(screen: &vt100::Screen, cols: u16, rows: u16) -> Result<String> {
    let (width, height) = (f32::from(cols) * CELL.0 + 24.0, f32::from(rows) * CELL.1 + 24.0);
    let mut out = String::new();
    writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14"><rect width="100%" height="100%" rx="8" fill="#16181d"/>"##
    )?;
    for row in 0..rows {
        let y = f32::from(row) * CELL.1 + 12.0;
        let mut col = 0;
        while col < cols {
            let Some(cell) = screen.cell(row, col) else { break };
            let style = look(cell);
            let start = col;
            let mut text = String::new();
            while col < cols {
                let Some(next) = screen.cell(row, col) else { break };
                if look(next) != style {
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
    }
    out.push_str("</svg>\n");
    Ok(out)
}

#[derive(PartialEq)]
struct Look {
    foreground: String,
    background: Option<String>,
    bold: bool,
    dim: bool,
}

fn look(cell: &vt100::Cell) -> Look {
    let (mut foreground, mut background) = (paint(cell.fgcolor()), paint(cell.bgcolor()));
    if cell.inverse() {
        (foreground, background) = (
            Some(background.unwrap_or_else(|| "#16181d".into())),
            Some(foreground.unwrap_or_else(|| "#d5d8de".into())),
        );
    }
    Look {
        foreground: foreground.unwrap_or_else(|| "#d5d8de".into()),
        background,
        bold: cell.bold(),
        dim: cell.dim(),
    }
}

fn paint(color: Color) -> Option<String> {
    const BASE: [&str; 16] = [
        "#2a2e36", "#e06c75", "#7fbf7f", "#d9b25f", "#6ca6e8", "#b58ad6", "#57b6c2", "#c8ccd4", "#6b717d",
        "#ff7b86", "#9fe09f", "#f2cf7e", "#8cc1ff", "#d3abf2", "#77d7e3", "#ffffff",
    ];
    match color {
        Color::Default => None,
        Color::Idx(n @ 0..=15) => Some(BASE[usize::from(n)].into()),
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
