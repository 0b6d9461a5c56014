//! Where metrics of ours may lie: noted beside the record, so that a file is removed when they are written elsewhere or nowhere by a
//! daemon that begins later, and when everything is put back. A collector would take them for those of now.

use std::path::{Path, PathBuf};

use crate::host::records::{Records, STATE};
use crate::host::{HostError, Kind, Root};
use crate::report::METRICS_BEGIN_WITH;

const NAME: &str = "metrics-file.json";
const LIMIT_BYTES: u64 = 1 << 20;

/// Where they may lie, as far as that is known.
#[must_use]
pub(super) fn noted(root: &Root) -> Vec<PathBuf> {
    let records = Records::at(root, STATE).ok();
    let noted = records.and_then(|records| records.load(NAME).record());
    noted.unwrap_or_default()
}

/// From now on they are written here alone: removes those that may lie elsewhere, and notes where some may lie, before the first are
/// written. A place that could not be cleared stays one: a sandbox opens what the policy names by now, and revert stands outside.
///
/// # Errors
/// When a place could not be cleared, or the note not be written. The next call tries again.
pub(super) fn keep_only(
    root: &Root,
    places: &mut Vec<PathBuf>,
    path: Option<&Path>,
) -> Result<(), HostError> {
    let mut failure = Ok(());
    let mut now: Vec<PathBuf> = path.iter().map(|path| path.to_path_buf()).collect();
    for place in places.iter().filter(|place| Some(place.as_path()) != path) {
        if let Err(error) = remove(root, place) {
            failure = Err(error);
            now.push(place.clone());
        }
    }
    if now != *places {
        note(root, &now)?;
        *places = now;
    }
    failure
}

fn note(root: &Root, places: &[PathBuf]) -> Result<(), HostError> {
    let records = Records::at(root, STATE)?;
    match places {
        [] => records.remove(NAME),
        _ => records.save(NAME, &places),
    }
}

/// Removes metrics of ours; whatever else is there by now stays: another file, a link, a directory. True if there were any.
fn remove(root: &Root, path: &Path) -> Result<bool, HostError> {
    if root.kind_of_name(path)? != Some(Kind::File) {
        return Ok(false);
    }
    let text = match root.read_here(path, LIMIT_BYTES) {
        Err(HostError::Refused { .. }) => None,
        text => text?,
    };
    let is_ours = text.is_some_and(|text| text.starts_with(METRICS_BEGIN_WITH.as_bytes()));
    if is_ours {
        root.remove_file(path)?;
    }
    Ok(is_ours)
}

/// Removes them from wherever they may lie; the places where some lay, or could not be removed. The note stays, since a daemon that
/// runs writes them again.
#[must_use]
pub fn withdraw(root: &Root) -> Vec<Result<PathBuf, HostError>> {
    let places = noted(root).into_iter();
    let removed =
        places.map(|place| remove(root, &place).map(|was_there| was_there.then_some(place)));
    removed.filter_map(Result::transpose).collect()
}
