//! The names of our drop-in, and what we wrote earlier.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::host::{Attributes, Host, HostError, Kind, READ_LIMIT_BYTES};

/// Sorts after the names that people and Rancher's agent (`50-rancher.yaml`) use.
const NAME: &str = "zz-k3warden.yaml";
/// What every name of ours ends with.
const ENDING: &str = "z-k3warden.yaml";

/// Content and attributes by path.
pub(in crate::reconcile) type OwnFiles = BTreeMap<PathBuf, (Vec<u8>, Attributes)>;

/// The name that sorts last, and what we wrote earlier under this or another name.
pub(in crate::reconcile) fn own_files(
    host: &Host,
    directory: &Path,
) -> Result<(PathBuf, OwnFiles), HostError> {
    let mut own = OwnFiles::new();
    let mut last = NAME.to_owned();
    for name in host.root.names(directory)?.unwrap_or_default() {
        let path = directory.join(&name);
        let Some(name) = name.to_str() else { continue };
        let lower = name.to_lowercase();
        if name.ends_with(ENDING) {
            let Some(entry) = host.root.look(&path)? else {
                continue;
            };
            if let Some(reason) = host.root.hazard(&entry, &path, Kind::File)? {
                return Err(HostError::refused(&path, reason));
            }
            let content = host
                .root
                .read_here(&path, READ_LIMIT_BYTES)?
                .unwrap_or_default();
            own.insert(path, (content, entry.attributes));
        } else if (lower.ends_with(".yaml") || lower.ends_with(".yml")) && *name > *last {
            last = after(name);
        }
    }
    Ok((directory.join(last), own))
}

/// A name of ours that sorts after another.
fn after(name: &str) -> String {
    let zs = name.bytes().take_while(|byte| *byte == b'z').count();
    let plain = format!("{}-k3warden.yaml", "z".repeat(zs + 1));
    if plain.as_str() > name && plain.ends_with(ENDING) {
        plain
    } else {
        format!("{name}z-k3warden.yaml")
    }
}
