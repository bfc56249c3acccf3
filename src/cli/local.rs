//! `quell local`: the embedded AWS IoT alone.

use clap::Args;

use super::Common;

/// Flags of `quell local`.
#[derive(Args, Debug)]
pub struct LocalArgs {
    /// Print one JSON line when every listener is bound
    #[arg(long)]
    pub json: bool,
}

/// Runs the emulator until a signal ends it.
pub(super) fn run(args: LocalArgs, common: &Common) -> color_eyre::Result<u8> {
    let _ = (args, common);
    Ok(super::exit::USAGE)
}
