//! `quell completions` and `quell man`: what a package ships beside the binary, made from the same definitions as `--help`.

use std::io;

use clap::{Args, CommandFactory as _};

use super::{Cli, exit, output};

/// Flags of `quell completions`.
#[derive(Args, Clone, Debug)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Prints the completions of a shell.
pub(super) fn completions(args: &CompletionsArgs) -> color_eyre::Result<u8> {
    let mut page = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "quell", &mut page);
    print(&page)
}

/// Prints the manual page, with each command's own section.
pub(super) fn man() -> color_eyre::Result<u8> {
    let mut page = Vec::new();
    // Not built as a whole: that would repeat the common flags under each command.
    let command = Cli::command();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        let man = clap_mangen::Man::new(sub.clone());
        page.extend_from_slice(format!(".SH \"QUELL {}\"\n", sub.get_name().to_uppercase()).as_bytes());
        let mut body = Vec::new();
        man.render_description_section(&mut body)?;
        man.render_options_section(&mut body)?;
        // Sections of a command stand one level below the page's own.
        let body = String::from_utf8_lossy(&body).replace("\n.SH ", "\n.SS ");
        let body = body.strip_prefix(".SH ").map_or(body.clone(), |rest| format!(".SS {rest}"));
        page.extend_from_slice(body.as_bytes());
    }
    print(&page)
}

fn print(page: &[u8]) -> color_eyre::Result<u8> {
    use io::Write as _;
    let mut out = io::stdout().lock();
    output::written(out.write_all(page).and_then(|()| out.flush()))?;
    Ok(exit::DONE)
}
