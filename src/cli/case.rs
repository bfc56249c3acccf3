//! `quell case`: evidence kept before containment, added to, closed into one signed archive, checked and told.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use futures_util::future::BoxFuture;
use futures_util::{StreamExt as _, stream};

use crate::case::folder::{Folder, name};
use crate::case::sign::{Key, PublicKey, beside};
use crate::case::verify::{Verified, verify};
use crate::case::{keep, report};
use crate::cloud::{self, now_ms};
use crate::config::Settings;
use crate::response::{Intent, Target};
use quell_fleet::text::SafeText;

use super::respond_cmds::{Session, runtime, settings, targets};
use super::{Common, exit, output};

/// Things read at once: the budget of reads is shared, and a response waits for the last.
const AT_ONCE: usize = 8;

/// Arguments of `quell case`.
#[derive(Args, Debug)]
pub struct CaseArgs {
    /// What to do
    #[command(subcommand)]
    pub command: CaseCommand,
}

/// The subcommands of `quell case`.
#[derive(Debug, Subcommand)]
pub enum CaseCommand {
    /// Make the key that signs cases, and the public key that checks them
    Key {
        /// Where; beside the journal without it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Keep what containment destroys, in a new folder: sessions, shadows, policies, certificates, retained and last messages
    Open {
        /// The things
        #[arg(required = true, value_name = "THING")]
        things: Vec<String>,
        /// The folder; named after the time and the first thing without it
        #[arg(long = "in", value_name = "DIR")]
        folder: Option<PathBuf>,
        /// What there is to say
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Add to an open case
    Add {
        /// The case's folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// A recording (repeatable)
        #[arg(long, value_name = "FILE")]
        recording: Vec<PathBuf>,
        /// An alert as it came (repeatable)
        #[arg(long, value_name = "FILE")]
        alert: Vec<PathBuf>,
        /// Anything else (repeatable)
        #[arg(long, value_name = "FILE")]
        file: Vec<PathBuf>,
        /// What there is to say
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// Close a case into one signed archive, with the journal's plans and request ids about its things
    Close {
        /// The case's folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The key of `quell case key`; the one beside the journal without it
        #[arg(long, value_name = "FILE")]
        key: Option<PathBuf>,
        /// The archive; DIR.tar without it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Check an archive, offline, with the public key alone
    Verify {
        /// The archive
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The public key: its text, or the file of it
        #[arg(long, value_name = "KEY")]
        public_key: String,
        /// One JSON document
        #[arg(long)]
        json: bool,
    },
    /// Tell a case, from its archive or its folder
    Report {
        /// The archive or the folder
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// How
        #[arg(long, value_enum, default_value = "markdown")]
        format: Format,
        /// Check the archive first, with this public key: its text, or the file of it
        #[arg(long, value_name = "KEY")]
        public_key: Option<String>,
    },
}

/// Forms of a report.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// Markdown
    Markdown,
    /// One HTML page with its charts in it
    Html,
    /// An OCSF Incident Finding
    Json,
}

/// Runs `quell case`.
pub(super) fn run(args: CaseArgs, common: &Common) -> color_eyre::Result<u8> {
    match args.command {
        CaseCommand::Key { out } => with_settings(common, |settings| key(out, settings)),
        CaseCommand::Open { things, folder, note } => {
            with_settings(common, |settings| open(&things, folder, note.as_deref(), settings))
        }
        CaseCommand::Add { folder, recording, alert, file, note } => {
            let kinds = [("recording", &recording), ("alert", &alert), ("file", &file)];
            add(&folder, kinds, note.as_deref())
        }
        CaseCommand::Close { folder, key, out } => {
            with_settings(common, |settings| close(&folder, key, out, settings))
        }
        CaseCommand::Verify { file, public_key, json } => check(&file, &public_key, json),
        CaseCommand::Report { file, format, public_key } => tell(&file, format, public_key.as_deref()),
    }
}

fn with_settings(
    common: &Common,
    run: impl FnOnce(&Settings) -> color_eyre::Result<u8>,
) -> color_eyre::Result<u8> {
    match settings(common) {
        Ok(settings) => run(&settings),
        Err(code) => Ok(code),
    }
}

fn fail(text: &str, code: u8) -> color_eyre::Result<u8> {
    writeln!(io::stderr(), "quell: {}", SafeText::new(text))?;
    Ok(code)
}

/// Where the key is unless it is said: beside the journal, which is as private.
fn usual_key(settings: &Settings) -> PathBuf {
    settings.journal.with_file_name("case.key")
}

fn key(out: Option<PathBuf>, settings: &Settings) -> color_eyre::Result<u8> {
    let path = out.unwrap_or_else(|| usual_key(settings));
    let key = Key::generate()?;
    match key.save(&path) {
        Ok(public) => {
            output::text(&format!(
                "{}\n{}\nGive the public key to whoever checks your cases; keep {} to yourself.\n",
                key.public().line(),
                public.display(),
                path.display()
            ))?;
            Ok(exit::DONE)
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => fail(
            &format!(
                "{} or {} is there already: a key is never overwritten",
                path.display(),
                beside(&path).display()
            ),
            exit::USAGE,
        ),
        Err(e) => fail(&format!("{}: {e}", path.display()), exit::FAILED),
    }
}

fn open(
    things: &[String],
    folder: Option<PathBuf>,
    note: Option<&str>,
    settings: &Settings,
) -> color_eyre::Result<u8> {
    let path = folder.unwrap_or_else(|| PathBuf::from(name(things, now_ms())));
    runtime()?.block_on(Box::pin(async {
        let session = Session::open(settings).await?;
        let intent =
            session.acquaint(Intent::Isolate { things: targets(things), group: None, time: None }).await;
        let case = match kept(&session, intent.things(), &path).await {
            Ok(case) => case,
            Err(e) => return fail(&format!("{}: {e}", path.display()), exit::FAILED),
        };
        if let Some(note) = note {
            case.note(note, now_ms())?;
        }
        output::text(&format!("{}\n", path.display()))?;
        Ok(exit::DONE)
    }))
}

/// Keeps what AWS tells of `things` and what was heard of them, in a new case.
///
/// # Errors
/// The case cannot be written. What AWS does not tell is written down as unknown, with the reason.
pub(super) async fn kept(session: &Session, things: &[Target], path: &Path) -> io::Result<Folder> {
    let aws = session.clients();
    let names: Vec<String> = things.iter().map(|target| target.thing.raw().to_owned()).collect();
    let we = cloud::read::caller_identity(aws).await.ok();
    let place = we.as_ref().map(|we| (we.account.to_string(), we.region.to_string()));
    let arn = we.as_ref().map(|we| we.arn.as_str());
    let case = Folder::create(path, &names, place, arn, now_ms())?;
    let folders: Vec<String> = case.about().things.iter().map(|kept| kept.folder.clone()).collect();
    // What was heard first: it is what goes first.
    for (target, folder) in things.iter().zip(&folders) {
        let heard = session.heard(|fleet| keep::heard(fleet, target));
        case.keep(&format!("{folder}/messages.json"), &heard, now_ms())?;
    }
    // Boxed, so that whoever awaits this may be sent to another thread.
    let mut reads: Vec<BoxFuture<'_, (&String, keep::Parts)>> = Vec::new();
    for (target, folder) in things.iter().zip(&folders) {
        reads.push(Box::pin(async move { (folder, Box::pin(keep::read(aws, target)).await) }));
    }
    let mut reads = stream::iter(reads).buffer_unordered(AT_ONCE);
    while let Some((folder, parts)) = reads.next().await {
        for (part, content) in parts {
            case.keep(&format!("{folder}/{part}.json"), &content, now_ms())?;
        }
    }
    Ok(case)
}

fn add(folder: &Path, kinds: [(&str, &Vec<PathBuf>); 3], note: Option<&str>) -> color_eyre::Result<u8> {
    let case = match Folder::open(folder) {
        Ok(case) => case,
        Err(e) => return fail(&e.to_string(), exit::USAGE),
    };
    if note.is_none() && kinds.iter().all(|(_, files)| files.is_empty()) {
        return fail("say what to add: --recording, --alert, --file or --note", exit::USAGE);
    }
    for (kind, files) in kinds {
        for file in files {
            match case.add(kind, file, now_ms()) {
                Ok(name) => output::text(&format!("{name}\n"))?,
                Err(e) => return fail(&format!("{}: {e}", file.display()), exit::FAILED),
            }
        }
    }
    if let Some(note) = note
        && let Err(e) = case.note(note, now_ms())
    {
        return fail(&e.to_string(), exit::FAILED);
    }
    Ok(exit::DONE)
}

fn close(
    folder: &Path,
    key: Option<PathBuf>,
    out: Option<PathBuf>,
    settings: &Settings,
) -> color_eyre::Result<u8> {
    let case = match Folder::open(folder) {
        Ok(case) => case,
        Err(e) => return fail(&e.to_string(), exit::USAGE),
    };
    let path = key.unwrap_or_else(|| usual_key(settings));
    let key = match Key::load(&path) {
        Ok(key) => key,
        Err(e) => {
            let text = format!("{}: {e}; `quell case key` makes one", path.display());
            return fail(&text, exit::USAGE);
        }
    };
    let out = out.unwrap_or_else(|| {
        let mut name = folder.components().as_path().as_os_str().to_owned();
        name.push(".tar");
        name.into()
    });
    match case.close(&out, &key, &settings.journal, now_ms()) {
        Ok(()) => {
            output::text(&format!("{}\n", out.display()))?;
            Ok(exit::DONE)
        }
        Err(e) => fail(&format!("{}: {e}", out.display()), exit::FAILED),
    }
}

/// A public key as it was given: its text, or the file that holds it.
fn public(given: &str) -> Result<PublicKey, String> {
    PublicKey::parse(given).or_else(|why| {
        let held = std::fs::metadata(given).map_err(|e| format!("{given}: {why}, and no file of it: {e}"))?;
        if held.len() > 4096 {
            return Err(format!("{given}: not a public key"));
        }
        let text = std::fs::read_to_string(given).map_err(|e| format!("{given}: {e}"))?;
        PublicKey::parse(&text).map_err(|why| format!("{given}: {why}"))
    })
}

fn check(file: &Path, key: &str, json: bool) -> color_eyre::Result<u8> {
    let key = match public(key) {
        Ok(key) => key,
        Err(why) => return fail(&why, exit::USAGE),
    };
    match verify(file, &key) {
        Ok(found) if json => {
            let told = serde_json::json!({"verified": true, "case": found.about, "trustedComment": found.trusted,
                "files": found.files, "bytes": found.bytes, "custodyEntries": found.custody, "key": key.id()});
            output::text(&format!("{}\n", output::ascii_json(&told)))?;
            Ok(exit::DONE)
        }
        Ok(found) => {
            output::text(&told(&found, &key))?;
            Ok(exit::DONE)
        }
        Err(why) if json => {
            let told = serde_json::json!({"verified": false, "why": why});
            output::text(&format!("{}\n", output::ascii_json(&told)))?;
            Ok(exit::FAILED)
        }
        Err(why) => fail(&format!("{}: NOT whole: {why}", file.display()), exit::FAILED),
    }
}

fn told(found: &Verified, key: &PublicKey) -> String {
    let things: Vec<&str> = found.about.things.iter().map(|kept| kept.thing.as_str()).collect();
    format!(
        "{} is whole: {} files of {} bytes and {} custody entries are as they were signed with the key {} ({})\nabout {}\n",
        SafeText::new(&found.about.case),
        found.files,
        found.bytes,
        found.custody,
        key.id(),
        SafeText::new(&found.trusted),
        SafeText::new(&things.join(", "))
    )
}

fn tell(file: &Path, format: Format, key: Option<&str>) -> color_eyre::Result<u8> {
    if key.is_some() && file.is_dir() {
        let text =
            format!("{}: an open case has no signature to check: leave --public-key off", file.display());
        return fail(&text, exit::USAGE);
    }
    let verified = match key.map(public).transpose() {
        Ok(key) => key.map(|key| verify(file, &key)).transpose(),
        Err(why) => return fail(&why, exit::USAGE),
    };
    let verified = match verified {
        Ok(verified) => verified,
        Err(why) => return fail(&format!("{}: NOT whole: {why}", file.display()), exit::FAILED),
    };
    let told = match report::read(file, verified, matches!(format, Format::Html)) {
        Ok(told) => told,
        Err(e) => return fail(&format!("{}: {e}", file.display()), exit::FAILED),
    };
    let text = match format {
        Format::Markdown => told.markdown(),
        Format::Html => told.html(),
        Format::Json => format!("{}\n", output::ascii_json(&told.ocsf())),
    };
    output::text(&text)?;
    Ok(exit::DONE)
}
