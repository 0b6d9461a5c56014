//! The names of our drop-in, and what we wrote earlier.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::host::{Attributes, Host, HostError, Kind, READ_LIMIT_BYTES, Thing};
use crate::reconcile::Written;
use crate::setting::configuration::BEGINNING;

/// How our drop-ins of one kind are called.
#[derive(Debug, Clone, Copy)]
pub(in crate::reconcile) struct Names {
    /// Sorts after the names that people use.
    usual: &'static str,
    /// What every name of ours ends with.
    ending: &'static str,
    /// The endings, in lower case, of what is loaded beside ours.
    loaded: &'static [&'static str],
}

/// Of K3s's configuration; Rancher's agent uses `50-rancher.yaml`.
pub(in crate::reconcile) const CONFIGURATION: Names = Names {
    usual: "zz-k3warden.yaml",
    ending: "z-k3warden.yaml",
    loaded: &[".yaml", ".yml"],
};

/// Of its unit; `systemctl edit` uses `override.conf`.
pub(in crate::reconcile) const UNIT: Names = Names {
    usual: "zz-k3warden.conf",
    ending: "z-k3warden.conf",
    loaded: &[".conf"],
};

impl Names {
    /// Whether a name is one of ours.
    pub(in crate::reconcile) fn is_ours(self, name: &str) -> bool {
        name.ends_with(self.ending)
    }

    /// A name of ours that sorts after all of these, none of which is of a file of ours.
    pub(in crate::reconcile) fn last<'n>(self, names: impl Iterator<Item = &'n str>) -> String {
        let mut last = self.usual.to_owned();
        for name in names {
            let lower = name.to_lowercase();
            let is_loaded = self.loaded.iter().any(|ending| lower.ends_with(ending));
            if is_loaded && name >= last.as_str() {
                last = self.after(name);
            }
        }
        last
    }

    fn after(self, name: &str) -> String {
        let zs = name.bytes().take_while(|byte| *byte == b'z').count();
        let rest = self.usual.trim_start_matches('z');
        let plain = format!("{}{rest}", "z".repeat(zs + 1));
        if plain.as_str() > name && plain.ends_with(self.ending) {
            plain
        } else {
            format!("{name}{}", self.ending)
        }
    }
}

/// Whether a path is that of our drop-in for K3s's configuration.
#[must_use]
pub fn is_our_configuration(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| CONFIGURATION.is_ours(name))
}

/// Content and attributes by path.
pub(in crate::reconcile) type OwnFiles = BTreeMap<PathBuf, (Vec<u8>, Attributes)>;

/// The name that sorts last, and what we wrote earlier under this or another name. A file that has such a name, and neither says that it is
/// ours nor was written by us as far as the ledger knows, is the operator's own.
pub(in crate::reconcile) fn own_files(
    host: &Host,
    written: &Written,
    directory: &Path,
    names: Names,
) -> Result<(PathBuf, OwnFiles), HostError> {
    let mut own = OwnFiles::new();
    let mut others = Vec::new();
    for name in host.root.names(directory)?.unwrap_or_default() {
        let path = directory.join(&name);
        let Some(name) = name.to_str() else { continue };
        if !names.is_ours(name) {
            others.push(name.to_owned());
            continue;
        }
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
        let is_ours = content.starts_with(BEGINNING.as_bytes());
        if is_ours || written.has_written(&Thing::Path(path.clone())) {
            own.insert(path, (content, entry.attributes));
        } else {
            others.push(name.to_owned());
        }
    }
    let last = names.last(others.iter().map(String::as_str));
    Ok((directory.join(last), own))
}
