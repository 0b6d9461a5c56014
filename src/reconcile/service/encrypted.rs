//! That K3s was started with an encryption line of ours. A disk that is not mounted hides the key, and with it the reason why the line
//! stays: it may be withdrawn then, and has to come back with the disk.

use std::path::Path;

use crate::reconcile::ledger::{Ledger, LedgerError};
use crate::reconcile::lock::Lock;
use crate::reconcile::{ENCRYPTED, Pass};
use crate::setting::configuration::{Line, parse};

use super::{last_data_dir, part};

/// Records at K3s's door the data dir whose Secrets this start encrypts by a line of ours.
///
/// # Errors
/// When the ledger cannot be written.
pub fn note(pass: &Pass<'_>, ledger: &mut Ledger, lock: &Lock) -> Result<(), LedgerError> {
    let node = pass.node;
    if node.data_dir_problem.is_none() && node.configuration_problem.is_none() {
        note_place(pass, &node.places.data_dir, ledger, lock)?;
    }
    Ok(())
}

/// The same where there is a key already, or was before the data dir moved: K3s may have been started by somebody who passed no door.
///
/// # Errors
/// When the ledger cannot be written.
pub fn note_under_key(
    pass: &Pass<'_>,
    ledger: &mut Ledger,
    lock: &Lock,
) -> Result<(), LedgerError> {
    let earlier = last_data_dir::noted(ledger, lock)?;
    let places = std::iter::once(pass.node.places.data_dir.clone()).chain(earlier);
    let mut keyed = places.filter(|data_dir| part::has_key(pass.host, data_dir));
    match keyed.next() {
        Some(data_dir) => note_place(pass, &data_dir, ledger, lock),
        None => Ok(()),
    }
}

/// Whether a line of ours says what is to be encrypted.
#[must_use]
pub fn is_by_us(pass: &Pass<'_>) -> bool {
    let has_line = |text: &str| parse(text).keys().any(Line::is_about_encryption);
    let present = part::present(pass);
    present.is_ok_and(|present| present.files.values().any(|file| has_line(&file.content)))
}

fn note_place(
    pass: &Pass<'_>,
    data_dir: &Path,
    ledger: &mut Ledger,
    lock: &Lock,
) -> Result<(), LedgerError> {
    let Some(data_dir) = data_dir.to_str().filter(|_| is_by_us(pass)) else {
        return Ok(());
    };
    if ledger.noted(ENCRYPTED, lock)?.as_deref() != Some(data_dir) {
        ledger.note(ENCRYPTED, data_dir, lock)?;
    }
    Ok(())
}
