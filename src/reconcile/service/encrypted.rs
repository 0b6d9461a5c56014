//! That K3s was started with an encryption line of ours. A disk that is not mounted hides the key, and with it the reason why the line
//! stays: it may be withdrawn then, and has to come back with the disk.

use crate::reconcile::ledger::{Ledger, LedgerError};
use crate::reconcile::lock::Lock;
use crate::reconcile::{ENCRYPTED, Pass};
use crate::setting::configuration::{Line, parse};

use super::part;

/// Records at K3s's door the data dir whose Secrets this start encrypts by a line of ours.
///
/// # Errors
/// When the ledger cannot be written.
pub fn note(pass: &Pass<'_>, ledger: &mut Ledger, lock: &Lock) -> Result<(), LedgerError> {
    let node = pass.node;
    let known = node.data_dir_problem.is_none() && node.configuration_problem.is_none();
    let Some(data_dir) = node.places.data_dir.to_str().filter(|_| known) else {
        return Ok(());
    };
    let Ok(present) = part::present(pass) else {
        return Ok(());
    };
    let has_line = |text: &str| parse(text).keys().any(Line::is_about_encryption);
    let encrypts = present.files.values().any(|file| has_line(&file.content));
    if encrypts && ledger.noted(ENCRYPTED, lock)?.as_deref() != Some(data_dir) {
        ledger.note(ENCRYPTED, data_dir, lock)?;
    }
    Ok(())
}
