//! The book in `docs/`: pages made from the program are what it says, links lead somewhere, and commands do what stands there.

#![expect(clippy::panic, reason = "a page that cannot be read or does not do what it says has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Local, commands};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: &str) -> String {
    std::fs::read_to_string(root().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"))
}

/// The pages for people: all of `docs/` and those at the top.
fn pages() -> Vec<String> {
    let mut all: Vec<String> =
        ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(String::from).into();
    let inside = std::fs::read_dir(root().join("docs")).unwrap();
    all.extend(
        inside
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".md"))
            .map(|name| format!("docs/{name}")),
    );
    all.sort();
    all
}

fn quell(args: &[&str]) -> String {
    let empty = tempfile::tempdir().unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_quell"))
        .args(args)
        .env("HOME", empty.path())
        .env("XDG_CONFIG_HOME", empty.path())
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    assert!(out.status.success(), "quell {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Holds a page against what the program says; `UPDATE_DOCS=1` writes it.
fn is_generated(page: &str, text: &str) {
    let path = root().join(page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let held = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(held == text, "{page} is not what the program says: UPDATE_DOCS=1 cargo test --test local docs");
}

/// The help of a command without the options every command has.
fn own_help(args: &[&str]) -> String {
    let help = quell(&[args, &["--help"]].concat());
    let own: Vec<&str> = help
        .split("\nGlobal options:\n")
        .enumerate()
        // What follows the global options, after an empty line, is the command's own again.
        .map(|(n, part)| if n == 0 { part } else { part.split_once("\n\n").map_or("", |(_, after)| after) })
        .collect();
    own.join("\n").trim().to_owned()
}

#[test]
fn the_page_of_commands_is_the_help() {
    let mut page = "# Commands\n\nWhat `quell --help` and `quell COMMAND --help` print; the global options stand once.\n\n\
                    ```text\n"
        .to_owned();
    page += quell(&["--help"]).trim();
    page += "\n```\n";
    for command in commands() {
        page += &format!("\n## quell {command}\n\n```text\n{}\n```\n", own_help(&[&command]));
    }
    is_generated("docs/commands.md", &page);
}

#[test]
fn the_page_of_keys_is_the_keymap() {
    let keys = quell(&["keys"]);
    let page = format!(
        "# Keys\n\nWhat `quell keys` prints for the default keymap. `--keymap` takes another by name, or a file of one's \
         own; `?` in the console shows those of the view.\n\n```text\n{}\n```\n",
        keys.trim_end()
    );
    is_generated("docs/keys.md", &page);
}

#[test]
fn the_page_of_the_configuration_is_the_template() {
    let template = quell(&["config", "--template"]);
    let page = format!(
        "# Configuration\n\nWhat `quell config --template` prints: every key with its meaning, and the flag and variables \
         that win over it. The file is `~/.config/quell/config.toml`; `quell config` tells where each value in force comes \
         from, `quell config --schema` prints a JSON schema.\n\n```toml\n{}\n```\n",
        template.trim_end()
    );
    is_generated("docs/configuration.md", &page);
}

/// The anchors of a page, as GitHub and mdBook make them of its headings, and those written as HTML.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for heading in text.lines().filter(|line| line.starts_with('#')) {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        all.insert(kept.collect::<String>().replace(' ', "-"));
    }
    all.extend(text.split("<a id=\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())));
    all
}

#[test]
fn every_link_leads_somewhere() {
    let (mut links, mut wrong) = (0, Vec::new());
    for page in pages() {
        let text = read(&page);
        let folder = Path::new(&page).parent().unwrap().to_owned();
        for target in text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0)) {
            if target.contains("://") || target.contains(char::is_whitespace) {
                continue;
            }
            links += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if file.is_empty() { page.clone().into() } else { folder.join(file) };
            if !root().join(&path).exists() {
                wrong.push(format!("{page}: {target}: no such file"));
            } else if !anchor.is_empty() && path.extension().is_some_and(|e| e == "md") {
                let there = anchors(&read(path.to_str().unwrap()));
                if !there.contains(anchor) {
                    wrong.push(format!("{page}: {target}: no such heading"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(links > 40, "only {links}");
}

#[test]
fn the_table_of_contents_names_every_page() {
    let summary = read("docs/SUMMARY.md");
    let missing: Vec<String> = pages()
        .into_iter()
        .filter_map(|page| page.strip_prefix("docs/").map(str::to_owned))
        .filter(|page| page != "SUMMARY.md" && !summary.contains(&format!("]({page})")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// A block of commands, and what it must print.
struct Block {
    line: usize,
    script: String,
    prints: Vec<String>,
}

/// The `sh` blocks of a page; a `text` block right behind one is what it prints.
fn blocks(page: &str) -> Vec<Block> {
    let text = read(page);
    let mut found: Vec<Block> = Vec::new();
    let (mut open, mut held, mut begun, mut behind) = (None, Vec::<&str>::new(), 0, false);
    for (n, line) in text.lines().enumerate() {
        match (open, line.strip_prefix("```")) {
            (None, Some(kind)) => (open, held, begun) = (Some(kind), Vec::new(), n + 1),
            (Some(kind), Some("")) => {
                match kind {
                    "sh" => found.push(Block { line: begun, script: held.join("\n"), prints: Vec::new() }),
                    "text" if behind => {
                        let last = found.last_mut().expect("a block before it");
                        last.prints = held.iter().map(|line| (*line).to_owned()).collect();
                    }
                    _ => {}
                }
                (open, behind) = (None, kind == "sh");
            }
            (Some(_), _) => held.push(line),
            (None, None) => behind = false,
        }
    }
    found
}

/// True when the line is in the output after `from`; where the search goes on. `…` stands for anything within a line.
fn printed(output: &[&str], from: usize, line: &str) -> Option<usize> {
    let fits = |said: &str| {
        let mut rest = said;
        line.split('…').all(|part| match rest.split_once(part.trim()) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    };
    (from..output.len()).find(|n| fits(output[*n])).map(|n| n + 1)
}

/// Runs a page's blocks, one shell for all of them, on a local cloud of their own.
fn does_what_it_says(page: &str) {
    const MARK: &str = "@@block ";
    let blocks = blocks(page);
    assert!(!blocks.is_empty(), "{page} has no block to run");
    let local = Local::start(&["--speed", "20", "--scenario", "workshop"]);
    let http = local.ready["http"].as_str().unwrap();
    let place = tempfile::tempdir().unwrap();
    let home = place.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let script: String =
        blocks.iter().map(|b| format!("echo; echo '{MARK}{}'\n{}\n", b.line, b.script)).collect();
    let programs = Path::new(env!("CARGO_BIN_EXE_quell")).parent().unwrap();
    let path = std::env::join_paths(
        std::iter::once(programs.to_owned()).chain(std::env::split_paths(&std::env::var("PATH").unwrap())),
    );
    let out = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &format!("exec 2>&1\n{script}")])
        .current_dir(place.path())
        .env_clear()
        .env("PATH", path.unwrap())
        .env("HOME", &home)
        .envs([
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", http),
            ("LANG", "C.UTF-8"),
        ])
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{page}: a block failed, the last of\n{output}");
    for block in blocks {
        let (_, from) = output.split_once(&format!("{MARK}{}\n", block.line)).unwrap();
        let own: Vec<&str> = from.split(MARK).next().unwrap().lines().collect();
        let mut at = 0;
        for line in &block.prints {
            at = printed(&own, at, line).unwrap_or_else(|| {
                panic!("{page}:{}: {line:?} is not printed:\n{}", block.line, own.join("\n"))
            });
        }
    }
}

/// A test for each page that has commands, and one that none is forgotten.
macro_rules! run {
    ($($name:ident = $page:literal),* $(,)?) => {
        $(#[test]
        fn $name() {
            does_what_it_says($page);
        })*

        #[test]
        fn every_page_with_commands_is_run() {
            let held: BTreeSet<String> =
                pages().into_iter().filter(|page| !blocks(page).is_empty()).collect();
            assert_eq!(held, BTreeSet::from([$($page.to_owned()),*]));
        }
    };
}

run! {
    what_installing_says = "docs/install.md",
    what_the_first_connection_says = "docs/first-connection.md",
    what_the_runbook_says = "docs/runbook.md",
    what_the_local_cloud_says = "docs/local-cloud.md",
    what_the_page_about_cases_says = "docs/case.md",
    what_the_page_about_policies_says = "docs/policy.md",
}
