//! `k3warden ledger`: what was changed, when, and that the record is whole.

use clap::Args;

use super::exit::CliError;
use super::session::Session;
use super::{Exit, Global};
use crate::reconcile::ledger::{LedgerError, is_kept};

/// Show what was changed and when, or verify that the record is whole.
#[derive(Debug, Args)]
pub struct LedgerCommand {
    /// Check every link of the hash chain.
    #[arg(long)]
    verify: bool,
}

impl LedgerCommand {
    pub(super) fn run(self, global: &Global) -> Result<Exit, CliError> {
        let session = Session::open(global)?;
        let kept = is_kept(&session.host.root);
        if matches!(kept, Ok(false)) {
            say!("Nothing was changed here yet: there is no ledger.");
            return Ok(Exit::Holds);
        }
        session.require_root("k3warden ledger")?;
        kept?;
        let mut ledger = session.open_ledger("k3warden ledger")?;
        let lock = session.lock("k3warden ledger")?;
        if self.verify {
            return match ledger.verify(&lock) {
                Ok(lines) => {
                    say!("The ledger is whole: {lines} lines.");
                    if let bytes @ 1.. = ledger.bytes_behind() {
                        say!(
                            "{bytes} bytes stand behind the last line: what an interrupted write left, or what somebody else \
                             wrote. They are no part of the record, and the next change cuts them off."
                        );
                    }
                    Ok(Exit::Holds)
                }
                Err(LedgerError::Broken(damage)) => {
                    say!("The ledger is broken: {damage}.");
                    Ok(Exit::DoesNotHold)
                }
                Err(error) => Err(error.into()),
            };
        }
        let damage = ledger.damage().cloned();
        let mut lines = Vec::new();
        ledger.each(&lock, |record| lines.push(record.to_string()))?;
        // Whoever reads may be a pager that somebody has left open, and every change of this machine waits for the lock.
        drop(lock);
        for line in lines {
            say!("{line}");
        }
        if let Some(damage) = damage {
            eprintln!("k3warden: the ledger is damaged: {damage}");
            return Ok(Exit::DoesNotHold);
        }
        Ok(Exit::Holds)
    }
}
