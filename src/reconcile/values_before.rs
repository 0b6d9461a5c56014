//! Whether anybody saw what the kernel had before a file of ours set its parameters at a boot. In an image that is hardened before it
//! runs nobody does, and revert cannot tell then what a boot has changed.

use crate::host::{Host, State};
use crate::setting::Stage;

use super::ledger::{Ledger, LedgerError};
use super::lock::Lock;
use super::{Plan, PlannedChange};

const KEY: &str = "values-before";
const SEEN: &str = "seen";
const UNSEEN: &str = "unseen";

/// Notes it for a plan that makes such a file. A note that cannot be written costs revert a sentence.
pub(super) fn note(host: &Host, ledger: &mut Ledger, plan: &Plan, lock: &Lock) {
    let is_made = |planned: &PlannedChange| {
        planned.change.stage == Stage::PersistedSysctl && planned.change.before == State::Absent
    };
    if !plan.changes.iter().any(is_made) {
        return;
    }
    let now = if host.live.is_some() { SEEN } else { UNSEEN };
    let known = ledger.noted(KEY, lock).ok().flatten();
    if known.as_deref().unwrap_or(SEEN) != now {
        let _ = ledger.note(KEY, now, lock);
    }
}

/// Whether nobody saw them.
///
/// # Errors
/// When the ledger cannot be read.
pub fn are_unseen(ledger: &mut Ledger, lock: &Lock) -> Result<bool, LedgerError> {
    Ok(ledger.noted(KEY, lock)?.as_deref() == Some(UNSEEN))
}
