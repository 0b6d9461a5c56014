//! After a start that failed with a part of ours which no start has proven: it is put in quarantine, and what last worked
//! is put back. Never an operator's file, and never without the encryption line once there may be a key.

use std::time::Duration;

use super::circumstances::{Knowledge, circumstances, now};
use super::{part, restore};
use crate::host::HostError;
use crate::reconcile::ledger::Ledger;
use crate::reconcile::restart::own_part::{OurPart, put_back};
use crate::reconcile::restart::proof::Quarantine;
use crate::reconcile::{Outcome, Pass, Plan, apply_within};

/// What became of it.
#[derive(Debug)]
pub struct RolledBack {
    /// The changes, each made or not.
    pub outcomes: Vec<Outcome>,
    /// Encryption lines that stay though what last worked does not have them.
    pub kept: Vec<String>,
    /// The part that failed.
    pub quarantine: Quarantine,
}

/// How a start failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// In K3s's words where it said something.
    pub reason: String,
    /// The last error lines of its journal.
    pub errors: Vec<String>,
}

/// Who puts back and how long it may wait.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    /// Others that wait for the lock read this.
    pub name: &'static str,
    /// How long a change of another process is waited for.
    pub patience: Duration,
}

/// Puts back what last worked, if what failed was ours and unproven; `None`: it was not, and nothing is touched.
///
/// # Errors
/// When the quarantine cannot be kept (then nothing is put back: the next pass would write it again), or a file cannot
/// be looked at.
pub fn roll_back(
    pass: &Pass<'_>,
    ledger: &mut Ledger,
    failed: &OurPart,
    failure: Failure,
    who: Who,
) -> Result<Option<RolledBack>, HostError> {
    let knowledge = Knowledge::of(&pass.host.root)?;
    if knowledge.proves(failed) {
        return Ok(None);
    }
    let quarantine = Quarantine::new(
        failed,
        circumstances(pass.policy, pass.catalogue, pass.node),
        failure.reason,
        failure.errors,
        now(pass.host),
    );
    quarantine.save(&knowledge.records)?;
    let present = part::present(pass)?;
    let (outcomes, kept) = restore_last(pass, ledger, knowledge.good_part(), &present, who)?;
    Ok(Some(RolledBack {
        outcomes,
        kept,
        quarantine,
    }))
}

/// Puts a part of ours in the place of the present one. Returns the outcomes, and the lines that had to stay.
///
/// # Errors
/// When a file cannot be looked at.
pub fn restore_last(
    pass: &Pass<'_>,
    ledger: &mut Ledger,
    last_good: Option<&OurPart>,
    present: &OurPart,
    who: Who,
) -> Result<(Vec<Outcome>, Vec<String>), HostError> {
    let key = part::encryption_key(pass.host, pass.node);
    let back = put_back(last_good, present, key);
    let plan = Plan {
        changes: restore::changes(pass.host, &back)?,
        refused: Vec::new(),
        unseen: Vec::new(),
    };
    let outcomes = apply_within(pass.host, ledger, plan, who.name, &|| false, who.patience);
    Ok((outcomes, back.kept))
}
