//! After a start that failed with a part of ours which no start has proven: it is put in quarantine, and what last worked
//! is put back. Never an operator's file, and never without the encryption line once there may be a key.

use std::time::Duration;

use super::circumstances::{Knowledge, circumstances, now};
use super::way_back::way_back;
use super::{part, restore};
use crate::host::HostError;
use crate::host::systemd::{InvocationId, UnitName, invocation};
use crate::k3s::Role;
use crate::reconcile::ledger::Ledger;
use crate::reconcile::restart::own_part::{EncryptionKey, OurPart};
use crate::reconcile::restart::proof::Quarantine;
use crate::reconcile::{Outcome, Pass, Plan, apply_within};

/// What became of a start that failed.
#[derive(Debug)]
pub enum RollBack {
    /// What last worked was put back now.
    Done(RolledBack),
    /// The same part failed before and stands back already: somebody else was quicker.
    Already(Quarantine),
    /// What failed was proven, or nothing of ours that could go: nothing is touched.
    NotOurs,
}

/// What was put back.
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
    /// The run that ended; `None` where no other can have begun since.
    pub run: Option<InvocationId>,
}

/// Who puts back and how long it may wait.
#[derive(Debug, Clone, Copy)]
pub struct Who {
    /// Others that wait for the lock read this.
    pub name: &'static str,
    /// How long a change of another process is waited for.
    pub patience: Duration,
}

/// Puts back what last worked, if what failed was ours and unproven.
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
) -> Result<RollBack, HostError> {
    let knowledge = Knowledge::of(&pass.host.root)?;
    if knowledge.proves(failed) {
        return Ok(RollBack::NotOurs);
    }
    let circumstances = circumstances(pass.policy, pass.catalogue, pass.node);
    let before = Quarantine::load(&knowledge.records).record();
    let left = |before: &Quarantine| before.left(failed, &circumstances);
    if before.as_ref().is_some_and(left) {
        return Ok(RollBack::NotOurs);
    }
    // It ends before it reads anything of ours, and what would work in the place of ours nobody can tell.
    if matches!(pass.effective(), Ok(effective) if effective.unsettled().is_some()) {
        return Ok(RollBack::NotOurs);
    }
    let back = way_back(pass, knowledge.good_part(), key(pass, failure.run.as_ref()))?;
    if back.is_nothing() {
        if let Some(before) = before.filter(|before| before.part == failed.digest()) {
            return Ok(RollBack::Already(before));
        }
        // What is left, such as the encryption line under a key, may fail as well; the quarantine is not about that. But
        // where what failed is gone already (a line that the node was not fit for by then), it must not come again.
        if part::present(pass)?.digest() == failed.digest() {
            return Ok(RollBack::NotOurs);
        }
    }
    let quarantine = Quarantine::new(
        failed,
        &back.part,
        circumstances,
        failure.reason,
        failure.errors,
        now(pass.host),
    );
    quarantine.save(&knowledge.records)?;
    let plan = Plan {
        changes: restore::changes(pass.host, &back)?,
        refused: Vec::new(),
        unseen: Vec::new(),
    };
    let outcomes = apply_within(pass.host, ledger, plan, who.name, &|| false, who.patience);
    Ok(RollBack::Done(RolledBack {
        outcomes,
        kept: back.kept,
        quarantine,
    }))
}

/// Whether there may be a key. A run that has begun since has read the encryption line already, and makes its key yet.
fn key(pass: &Pass<'_>, failed: Option<&InvocationId>) -> EncryptionKey {
    let unit = pass.node.places.unit.as_deref();
    let unit: Option<UnitName> = unit.and_then(|unit| unit.parse().ok());
    let now = unit.map_or(Ok(None), |unit| invocation(&pass.host.root, &unit));
    match (failed, now) {
        (None, _) | (_, Ok(None)) => part::encryption_key(pass),
        (Some(failed), Ok(Some(now))) if now == *failed => part::encryption_key(pass),
        _ if pass
            .node
            .role
            .as_ref()
            .is_some_and(|role| role.value == Role::Agent) =>
        {
            EncryptionKey::Absent
        }
        _ => EncryptionKey::MayExist,
    }
}
