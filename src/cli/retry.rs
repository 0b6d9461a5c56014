//! `k3warden retry`: write once more what K3s did not live with.

use clap::Args;

use super::exit::CliError;
use super::session::Session;
use super::{Exit, Global};
use crate::host::records::{Found, Records, STATE};
use crate::reconcile::restart::proof::Quarantine;

/// Lift the quarantine of a change that was put back because K3s did not live with it.
#[derive(Debug, Args)]
pub struct Retry {}

impl Retry {
    pub(super) fn run(self, global: &Global) -> Result<Exit, CliError> {
        let session = Session::open(global)?;
        session.require_root("k3warden retry")?;
        let records = Records::at(&session.host.root, STATE)?;
        let found = Quarantine::load(&records);
        if matches!(found, Found::Nothing) {
            say!("Nothing is in quarantine.");
            return Ok(Exit::Holds);
        }
        let _lock = session.lock("k3warden retry")?;
        Quarantine::lift(&records)?;
        match found {
            Found::Record(quarantine) => {
                say!(
                    "Lifted. K3s did not live with it because: {}",
                    quarantine.reason
                );
                for error in &quarantine.errors {
                    say!("  {error}");
                }
            }
            Found::Unreadable(reason) => say!("Lifted, though it could not be read: {reason}"),
            Found::Nothing => {}
        }
        say!("The daemon, `k3warden apply` or the next start of K3s writes it again.");
        Ok(Exit::Holds)
    }
}
