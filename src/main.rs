//! The `quell` binary: parse arguments, install error and panic reports, hand over.

use std::process::ExitCode;

fn main() -> ExitCode {
    quell::cli::main()
}
