//! The version of the K3s binary, asked of the binary itself and remembered.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::host::process::{self, Limits};
use crate::host::records::Records;
use crate::host::{Entry, HostError, Kind, Refusal, Root};
use crate::k3s::K3sVersion;

/// Gone with the boot, and asked again then.
const RECORDS: &str = "/run/k3warden/node";
const RECORD: &str = "k3s-version.json";
/// `k3s --version` unpacks nothing and answers in a few ms; a cold disk may take longer.
const LIMITS: Limits = Limits {
    time: Duration::from_secs(5),
    output_bytes: 4096,
};

/// What a binary answered, and which binary that was: never found out by hashing 70 MB.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    version: String,
    identity: (u64, u64),
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The version of a binary of this machine; `None` if there is no such binary or it does not say.
///
/// # Errors
/// When it cannot be looked at, or others than root could have put it there: then it is not run.
pub(super) fn ask(root: &Root, binary: &Path) -> Result<Option<K3sVersion>, HostError> {
    let Some(entry) = root.look_through(binary)? else {
        return Ok(None);
    };
    require_roots_own(root, binary, &entry)?;
    let records = Records::at(root, RECORDS)?;
    if let Some(answer) = records.load::<Answer>(RECORD).record()
        && answer == Answer::of(answer.version.clone(), &entry)
    {
        return Ok(answer.version.parse().ok());
    }
    let Ok(output) = process::run(binary, &["--version"], LIMITS) else {
        return Ok(None);
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let Some(version) = version_in(&text) else {
        return Ok(None);
    };
    // Not root, or a full /run: it is only asked again next time.
    let _ = records.save(RECORD, &Answer::of(version.to_string(), &entry));
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
