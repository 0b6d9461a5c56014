//! Whether this is the first server of a new cluster: decided again and again until K3s first starts, and kept from then
//! on as long as the cluster has its data, so that holding does not end when the cluster begins.

use std::path::Path;

use crate::host::Root;
use crate::node::Node;
use crate::policy::Policy;
use crate::reconcile::ledger::{Ledger, LedgerError};
use crate::reconcile::lock::Lock;

const KEY: &str = "new-cluster";
/// A start that began a cluster has passed K3s's door.
const YES: &str = "yes";
/// A start that began none has.
const NO: &str = "no";
/// A cluster would have begun with the next start, when somebody last looked who is not the door.
const EXPECTED: &str = "expected";

/// Whether a server keeps data here. What cannot be looked at may be data.
#[must_use]
pub fn has_data(root: &Root, data_dir: &Path) -> bool {
    !matches!(root.kind(&data_dir.join("server/db")), Ok(None))
}

/// Takes the decision of the first start over, while the data of that cluster is there. Where a start passed no door, what was
/// expected of it counts as long as nothing says that the server joined another one.
///
/// # Errors
/// When the ledger cannot be read.
pub fn recall(
    root: &Root,
    policy: &Policy,
    node: &mut Node,
    ledger: &mut Ledger,
    lock: &Lock,
) -> Result<(), LedgerError> {
    let said_not = policy
        .new_cluster
        .as_ref()
        .is_some_and(|given| !given.value);
    let concerns = !said_not && node.surroundings.is_machine();
    if concerns && !node.new_cluster && has_data(root, &node.places.data_dir) {
        node.new_cluster = match ledger.noted(KEY, lock)?.as_deref() {
            Some(YES) => true,
            Some(EXPECTED) => node.own_cluster,
            _ => false,
        };
    }
    Ok(())
}

/// Records at the door of a first start what was decided. Without data on this node every start may be the first.
///
/// # Errors
/// When the ledger cannot be written.
pub fn decide(
    root: &Root,
    node: &Node,
    ledger: &mut Ledger,
    lock: &Lock,
) -> Result<(), LedgerError> {
    // Where nobody knows what K3s's options are, nobody knows what begins with them.
    let unknown = node.configuration_problem.is_some();
    if unknown || has_data(root, &node.places.data_dir) {
        return Ok(());
    }
    let decision = if node.new_cluster { YES } else { NO };
    let noted = ledger.noted(KEY, lock)?;
    // Nothing noted is as good as no.
    if noted.as_deref().unwrap_or(NO) != decision {
        ledger.note(KEY, decision, lock)?;
    }
    Ok(())
}

/// Records before a first start what would begin with it, for one that passes no door: its drop-in may have been removed. K3s
/// makes `server/db` a while before the encryption key, and whoever looks in between must not take the cluster for
/// somebody else's.
///
/// # Errors
/// When the ledger cannot be written.
pub fn expect(node: &Node, ledger: &mut Ledger, lock: &Lock) -> Result<(), LedgerError> {
    let known = node.is_installed() && node.configuration_problem.is_none();
    if !known || !node.surroundings.is_machine() {
        return Ok(());
    }
    let news = match (node.new_cluster, ledger.noted(KEY, lock)?.as_deref()) {
        (true, Some(YES | EXPECTED)) => None,
        (true, _) => Some(EXPECTED),
        (false, Some(EXPECTED)) => Some(NO),
        (false, _) => None,
    };
    news.map_or(Ok(()), |news| ledger.note(KEY, news, lock))
}
