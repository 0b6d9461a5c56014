//! The version of the K3s binary, asked of the binary itself and remembered.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::host::process::{self, Limits, ProcessError};
use crate::host::records::{Records, STATE};
use crate::host::{Entry, HostError, Kind, Refusal, Root};
use crate::k3s::K3sVersion;

/// For a node on which nothing was applied yet.
const RECORDS: &str = "/run/k3warden/node";
const RECORD: &str = "k3s-version.json";
/// Where somebody waits: `k3s --version` unpacks nothing and answers in a few ms, but 70 MB of a cold SD card take their time.
pub const PATIENT: Duration = Duration::from_secs(60);
/// Where K3s's start, or systemd, waits for us.
pub const BRIEF: Duration = Duration::from_secs(5);

/// What a binary answered, and which binary that was: never found out by hashing 70 MB.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    version: String,
    identity: (u64, u64),
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// Why a version is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// The binary cannot be looked at, or others than root could have put it there: then it is not run.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It does not answer.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// The version of a binary of this machine; `None` if there is no such binary or it does not say.
///
/// # Errors
/// When it cannot be looked at or run, or does not answer in time.
pub(super) fn ask(
    root: &Root,
    binary: &Path,
    time: Duration,
) -> Result<Option<K3sVersion>, NoAnswer> {
    let Some(entry) = root.look_through(binary)? else {
        return Ok(None);
    };
    require_roots_own(root, binary, &entry)?;
    let records = [Records::at(root, STATE)?, Records::at(root, RECORDS)?];
    let known = records.iter().find_map(|records| {
        let answer = records.load::<Answer>(RECORD).record()?;
        (answer == Answer::of(answer.version.clone(), &entry)).then_some(answer.version)
    });
    if let Some(version) = known {
        return Ok(version.parse().ok());
    }
    let limits = Limits {
        time,
        output_bytes: 4096,
    };
    let output = process::run(binary, &["--version"], limits)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(version) = version_in(&text) else {
        return Ok(None);
    };
    let [state, of_boot] = records;
    // The record outlives a boot where there is one of ours already; looking alone leaves nothing on the disk.
    let kept = match root.kind(Path::new(STATE)) {
        Ok(Some(_)) => &state,
        _ => &of_boot,
    };
    // Not root, or a full disk: it is only asked again next time.
    let _ = kept.save(RECORD, &Answer::of(version.to_string(), &entry));
    Ok(Some(version))
}

impl Answer {
    fn of(version: String, entry: &Entry) -> Self {
        Self {
            version,
            identity: entry.identity,
            size_bytes: entry.size_bytes,
            modified: entry.modified,
            changed: entry.changed,
        }
    }
}

fn require_roots_own(root: &Root, binary: &Path, entry: &Entry) -> Result<(), HostError> {
    let directory = root.writable_parent(binary)?;
    let open = entry.kind != Kind::File
        || entry.attributes.uid != 0
        || entry.attributes.mode.bits() & 0o022 != 0;
    let directory = directory.or_else(|| open.then(|| binary.to_path_buf()));
    match directory {
        Some(directory) => Err(HostError::refused(
            binary,
            Refusal::WritableParent { directory },
        )),
        None => Ok(()),
    }
}

/// `k3s version v1.36.3+k3s1 (abcdef)` in the first line.
fn version_in(text: &str) -> Option<K3sVersion> {
    text.lines()
        .next()?
        .strip_prefix("k3s version ")?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_what_k3s_prints() {
        let text = "k3s version v1.31.4+k3s1 (a562d090)\ngo version go1.22.9\n";
        assert_eq!(version_in(text), Some(K3sVersion::new(31, 4)));
        assert_eq!(version_in("bash: k3s: not found"), None);
        assert_eq!(version_in(""), None);
    }
}
