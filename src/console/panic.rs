//! What is said when quell itself is at fault: where everybody can read it, with everything it quotes made safe, and without
//! colours, whatever stderr is.
//!
//! A panic in a task or in a thread of its own is caught there, and quell goes on: its report goes to the log, and the
//! operator is told. A panic of the main thread ends the process: the terminal is given back before anything is said.

use std::io::Write as _;
use std::panic::PanicHookInfo;

use parking_lot::Mutex;

use quell_fleet::text::SafeText;

use super::terminal;

/// What was survived and not told yet.
static SURVIVED: Mutex<Option<SafeText>> = Mutex::new(None);

/// Takes the place of the default report. Once, before anything else runs.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|info| {
        let text = report(info);
        // Set when RUST_BACKTRACE asks for one.
        let backtrace = std::backtrace::Backtrace::capture();
        let survived = std::thread::current().name() != Some("main") || tokio::task::try_id().is_some();
        tracing::error!(%backtrace, survived, "{text}");
        let on_screen = terminal::is_taken();
        if survived {
            *SURVIVED.lock() = Some(text.clone());
            if on_screen {
                // Told by the console; a report would be drawn across it.
                return;
            }
        } else {
            terminal::restore();
        }
        // Nobody may be left to read it: a report that fails must not be another panic.
        let _ = writeln!(std::io::stderr(), "quell: {text}");
    }));
}

/// What was survived since the last call, for the operator.
pub(super) fn survived() -> Option<SafeText> {
    SURVIVED.lock().take()
}

fn report(info: &PanicHookInfo<'_>) -> SafeText {
    let payload = info.payload();
    let quoted = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let place = info.location().map(|l| format!("{}:{}", l.file(), l.line()));
    sentence(quoted.unwrap_or("no reason given"), place.as_deref().unwrap_or("an unknown place"))
}

fn sentence(quoted: &str, place: &str) -> SafeText {
    SafeText::new(&format!("a fault in quell itself, at {place}: {quoted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_report_quotes_cannot_write_on_the_terminal() {
        let text = sentence("index 7 of \"\x1b]52;c;QUJD\x07\x1b[31m\"\n", "src/x.rs:1");
        assert_eq!(
            text.as_str(),
            "a fault in quell itself, at src/x.rs:1: index 7 of \"\\x1b]52;c;QUJD\\x07\\x1b[31m\"\\n"
        );
    }

    #[test]
    fn a_task_that_panics_is_reported_and_survived() {
        install();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ended = runtime.block_on(async { tokio::spawn(async { panic!("on \u{9b}31mpurpose") }).await });
        assert!(ended.unwrap_err().is_panic());
        let told = survived().unwrap();
        assert!(told.as_str().contains("on \\u{9b}31mpurpose"), "{told}");
        let _ = std::panic::take_hook();
    }
}
