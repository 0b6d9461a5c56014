//! Where the metrics are: kept beside the record, so that a file of ours is removed when they are written elsewhere or nowhere by a
//! daemon that begins later, and when everything is put back. A collector would take them for those of now.

use std::path::{Path, PathBuf};

use crate::host::records::{Found, Records, STATE};
use crate::host::{HostError, Root};
use crate::report::METRICS_BEGIN_WITH;

const NAME: &str = "metrics-file.json";
const LIMIT_BYTES: u64 = 1 << 20;

/// Where they were written last, as far as that is known.
#[must_use]
pub(super) fn noted(root: &Root) -> Option<PathBuf> {
    let records = Records::at(root, STATE).ok()?;
    records.load(NAME).record()
}

/// Notes where they are written from now on.
///
/// # Errors
/// When the note cannot be written.
pub(super) fn note(root: &Root, path: Option<&Path>) -> Result<(), HostError> {
    let records = Records::at(root, STATE)?;
    match path {
        Some(path) => records.save(NAME, &path),
        None => records.remove(NAME),
    }
}

/// Removes metrics of ours from where they are not written any more. Whatever else is there by now stays. True if there were any.
///
/// # Errors
/// When the file cannot be looked at or removed.
pub(super) fn remove(root: &Root, path: &Path) -> Result<bool, HostError> {
    let text = root.read_here(path, LIMIT_BYTES)?;
    let is_ours = text.is_some_and(|text| text.starts_with(METRICS_BEGIN_WITH.as_bytes()));
    if is_ours {
        root.remove_file(path)?;
    }
    Ok(is_ours)
}

/// Removes what was written last, with its note; the place, if there was something. A daemon that runs writes it again.
///
/// # Errors
/// When it cannot be removed, or nobody knows any more where it is.
pub fn withdraw(root: &Root) -> Result<Option<PathBuf>, HostError> {
    let records = Records::at(root, STATE)?;
    let Found::Record(path): Found<PathBuf> = records.load(NAME) else {
        return Ok(None);
    };
    let was_there = remove(root, &path)?;
    records.remove(NAME)?;
    Ok(was_there.then_some(path))
}
