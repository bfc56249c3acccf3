//! What `quell --version` says: which source it was built from and what it can do, so that a report of a fault names both.

use std::sync::LazyLock;

/// Version, commit, date and features. Commit and date are the packager's to say (`QUELL_COMMIT` and `QUELL_DATE` while it is
/// built): asking git at every build would build everything anew with each commit.
pub(super) static VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("QUELL_COMMIT").unwrap_or("not named by whoever built this");
    let date = option_env!("QUELL_DATE").map(|date| format!(" of {date}")).unwrap_or_default();
    format!("{}\ncommit: {commit}{date}\nfeatures: {}", env!("CARGO_PKG_VERSION"), features())
});

fn features() -> &'static str {
    if cfg!(feature = "emulator") { "emulator" } else { "none (built without the local AWS IoT)" }
}
