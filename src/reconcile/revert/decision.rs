//! What becomes of a thing when its turn comes: decided as a value, then carried out or shown.

use crate::host::{HostError, State, Thing};
use crate::reconcile::ledger::{Ending, LedgerError};
use crate::reconcile::lock::LockError;
use crate::reconcile::service::stay::Need;

/// Why a thing stays whose record of before is not proven.
pub const UNPROVEN: &str = "what it was before stands in the damaged part of the ledger";

/// What becomes of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// How it ends.
    pub end: PutBack,
    /// What is written for that; `None` where nothing is touched.
    pub put: Option<Put>,
    /// What the ledger is told.
    pub afterwards: Afterwards,
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// What the thing is now.
    pub from: State,
    /// What it will be.
    pub to: State,
    /// Whether the thing stays ours in part: then it is written anew by us, and a later revert must know it as ours.
    pub stays_ours: bool,
}

/// How a thing is put back, or why it stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutBack {
    /// It is what it was before, or what others need of it.
    Restored(State),
    /// It was that already.
    Already,
    /// It stays for now and goes with the last of what needs it, or on the machine that it is of.
    Waits(Reason),
    /// It stays.
    Stays(Reason),
}

impl PutBack {
    /// Whether something is changed.
    #[must_use]
    pub const fn is_restored(&self) -> bool {
        matches!(self, Self::Restored(_))
    }
}

/// Why a thing is not put back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There is no running kernel in an image.
    #[error("it is a value of the running kernel: revert on the machine itself")]
    RunningKernel,
    /// Controls that are not reverted need it, and it cannot be divided.
    #[error("needed by {}", .0.join(", "))]
    NeededBy(Vec<String>),
    /// It is a directory, and something that we changed and did not put back is in it.
    #[error("something of k3warden's is in it")]
    HoldsOurs,
    /// It is a directory that was not there, and somebody else has put something into it.
    #[error("it is not empty any more")]
    NotEmpty,
    /// Only its owner and bits were ours.
    #[error("it is not there any more")]
    NotThere,
    /// It can be taken back later.
    #[error("it was changed by somebody else since; --force takes it back")]
    Theirs,
    /// K3s would not start without it.
    #[error(transparent)]
    Needed(#[from] Need),
}

/// What the ledger is told of a thing that had its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Afterwards {
    /// It is ours no longer.
    End(Ending),
    /// The reverted controls need it no longer; the record of what was there before is still needed.
    GiveUp,
    /// It stays ours.
    Nothing,
}

impl Decision {
    /// Nothing is touched.
    pub(super) const fn left(end: PutBack, afterwards: Afterwards) -> Self {
        Self {
            end,
            put: None,
            afterwards,
        }
    }
}

/// Why a thing could not be put back.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    /// The host refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// What was there before cannot be read from the ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Somebody else changes things.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The operator or systemd wants us to end.
    #[error("{0} is not put back: interrupted")]
    Interrupted(Thing),
    /// The record of what was there before is not proven: what is written there now may be anybody's.
    #[error("{0} stays: {UNPROVEN}")]
    Unproven(Thing),
    /// It was put back and is something else again.
    #[error("{0} was put back but is not what it was")]
    NotVerified(Thing),
}
