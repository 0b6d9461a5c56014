//! Where K3s's data dir was when its configuration could last be read. An operator's slip hides it, and so does a unit
//! that is being replaced. What we hold there has to be held in the meantime too, and the encryption key lies there.

use std::path::PathBuf;

use crate::node::Node;
use crate::reconcile::ledger::{Ledger, LedgerError};
use crate::reconcile::lock::Lock;

const KEY: &str = "data-dir";

/// Records where it is, where that is known and news.
///
/// # Errors
/// When the ledger cannot be written.
pub fn note(node: &Node, ledger: &mut Ledger, lock: &Lock) -> Result<(), LedgerError> {
    let known = node.is_installed() && node.data_dir_problem.is_none();
    let Some(data_dir) = node.places.data_dir.to_str().filter(|_| known) else {
        return Ok(());
    };
    if ledger.noted(KEY, lock)?.as_deref() != Some(data_dir) {
        ledger.note(KEY, data_dir, lock)?;
    }
    Ok(())
}

/// The recorded place.
///
/// # Errors
/// When the ledger cannot be read.
pub fn noted(ledger: &mut Ledger, lock: &Lock) -> Result<Option<PathBuf>, LedgerError> {
    let noted = ledger.noted(KEY, lock)?.map(PathBuf::from);
    Ok(noted.filter(|path| path.is_absolute()))
}

/// Takes the recorded place for the one that nobody can tell now.
///
/// # Errors
/// When the ledger cannot be read.
pub fn recall(node: &mut Node, ledger: &mut Ledger, lock: &Lock) -> Result<(), LedgerError> {
    if node.is_installed() && node.data_dir_problem.is_none() {
        return Ok(());
    }
    if let Some(data_dir) = noted(ledger, lock)? {
        node.places.data_dir = data_dir;
        node.data_dir_problem = None;
    }
    Ok(())
}
