//! Where the emulator is not AWS, or where AWS is not documented and a choice was made (docs/aws-iot.md#4.7).
//!
//! `quell local --deviations` prints this. Whoever makes a choice adds its row here.

mod cloud;
mod device;
mod neighbours;
mod watch;

/// One difference or choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deviation {
    /// What it is about.
    pub knob: &'static str,
    /// What AWS does, as far as it is known.
    pub aws: &'static str,
    /// What the emulator does. Durations are at speed 1 and shrink with `--speed`, unless said otherwise.
    pub emulator: &'static str,
}

const fn row(knob: &'static str, aws: &'static str, emulator: &'static str) -> Deviation {
    Deviation { knob, aws, emulator }
}

static HEAD: Deviation = row("", "AWS", "here");

/// The register, part by part.
pub fn register() -> impl Iterator<Item = &'static Deviation> + Clone {
    cloud::ROWS.iter().chain(device::ROWS).chain(watch::ROWS).chain(neighbours::ROWS)
}

/// The register as a table of plain text, as wide as its longest cells.
pub fn table() -> String {
    use std::fmt::Write as _;
    let width =
        |cell: fn(&Deviation) -> &str| register().map(|d| cell(d).chars().count()).max().unwrap_or_default();
    let (knob, aws) = (width(|d| d.knob), width(|d| d.aws));
    let mut out = String::new();
    for d in std::iter::once(&HEAD).chain(register()) {
        let _ = writeln!(out, "{:knob$}  {:aws$}  {}", d.knob, d.aws, d.emulator);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_has_one_row_in_the_table() {
        let mut knobs: Vec<_> = register().map(|d| d.knob).collect();
        knobs.sort_unstable();
        knobs.dedup();
        assert_eq!(knobs.len(), register().count());
        assert_eq!(table().lines().count(), register().count() + 1);
        assert!(table().contains("420 s"));
    }
}
