//! Why the ledger cannot be written or trusted.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::scan::Damage;
use crate::host::{HostError, Root, Thing};

/// Where the ledger is, as seen inside the root.
pub const FILE: &str = "/var/lib/k3warden/ledger.jsonl";

/// How far the file must reach; see [`super::head`].
const HEAD_FILE: &str = "/var/lib/k3warden/ledger.head";

/// What ends the trouble with a damaged ledger: a new one is begun when none is there.
pub const WAY_OUT: &str = "move it out of the way with `mv -t /root /var/lib/k3warden/ledger.*`";

/// Whether there is a ledger, or what is left of one.
///
/// # Errors
/// When its files cannot be looked for.
pub fn is_kept(root: &Root) -> Result<bool, HostError> {
    let there = |path: &str| root.look(Path::new(path)).map(|found| found.is_some());
    Ok(there(FILE)? || there(HEAD_FILE)?)
}

/// A failed operation on the ledger. Reads as one sentence.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LedgerError {
    /// The disk, a quota or a file size limit leaves no room.
    #[error("no room to record what was there before ({operation} {}: {}); nothing new is changed", path.display(), errno.desc())]
    Full {
        /// What was tried.
        operation: &'static str,
        /// The path as seen inside the root.
        path: PathBuf,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The ledger has reached its limit and everything in it is still needed.
    #[error(
        "the ledger's limit of {limit_bytes} bytes leaves no room for another {wanted_bytes} bytes: {kept_bytes} bytes of it are needed to undo changes; revert some, or raise the limit"
    )]
    LimitReached {
        /// The limit of the file.
        limit_bytes: u64,
        /// What cannot be dropped.
        kept_bytes: u64,
        /// What was to be added.
        wanted_bytes: u64,
    },
    /// The record is not whole.
    #[error("the ledger {FILE} is damaged: {0}")]
    Broken(Damage),
    /// The ledger's files cannot be used.
    #[error(transparent)]
    Host(HostError),
    /// There is no record of a first state of this thing.
    #[error("the ledger knows nothing to undo for {0}")]
    NotTouched(Thing),
}

impl From<HostError> for LedgerError {
    fn from(error: HostError) -> Self {
        match error {
            HostError::System {
                operation,
                path,
                errno: errno @ (Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG),
            } => Self::Full {
                operation,
                path,
                errno,
            },
            error => Self::Host(error),
        }
    }
}
