//! `k3warden effective`: the arguments K3s really runs with, and which file and line gave each.

use clap::Args;

use super::exit::CliError;
use super::session::Session;
use super::{Exit, Format, Global};
use crate::report::{EffectiveReport, Reported, to_json};

/// Show what K3s really runs with, and which file and line gave each value.
#[derive(Debug, Args)]
pub struct Effective {
    /// How to write it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Effective {
    pub(super) fn run(self, global: &Global) -> Result<Exit, CliError> {
        let session = Session::open(global)?;
        let effective = session.node.effective(&session.host)?;
        let report = EffectiveReport::of(Reported {
            next: &effective,
            unit: session.node.unit.as_ref(),
            on_disk: session.node.effective_on_disk(&session.host),
            running: &session.pass().running(),
            warnings: &session.node.warnings,
        });
        match self.format {
            Format::Json => tell!("{}", to_json(&report)),
            Format::Table => tell!("{}", report.text()),
        }
        Ok(if report.ends.is_some() {
            Exit::DoesNotHold
        } else {
            Exit::Holds
        })
    }
}
