//! What the manager itself gives every unit: `DefaultEnvironment=` (`systemd-system.conf`). It is weaker than anything a unit
//! says of a variable (`exec_invoke` in execute.c merges the manager's environment first).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::lines;
use super::loader::{given, plain_words};
use super::specifier::Specifiers;
use crate::host::{HostError, Kind};
use crate::k3s::environment::Environment;
use crate::k3s::files::{Files, Input};

/// Where the manager's configuration lies, the strongest first (`CONF_PATHS` in constants.h).
const DIRECTORIES: [&str; 4] = [
    "/etc/systemd",
    "/run/systemd",
    "/usr/local/lib/systemd",
    "/usr/lib/systemd",
];

/// The variables that every unit starts with.
#[derive(Debug, Default)]
pub(super) struct Manager {
    pub(super) environment: Environment,
    /// The files that say something of them.
    pub(super) inputs: Vec<Input>,
    /// A file that cannot be looked at: the variables are not all known then.
    pub(super) unread: Option<HostError>,
}

/// Reads them as the manager does: the first main file that there is, then drop-ins by name, of one name the strongest.
pub(super) fn read(files: &Files<'_>) -> Result<Manager, HostError> {
    let mut manager = Manager::default();
    let specifiers = Specifiers::new("", files);
    let mut assigned: Vec<(String, String, PathBuf)> = Vec::new();
    for path in paths(files)? {
        let content = match files.read(&path) {
            Ok(content) => content.unwrap_or_default(),
            Err(error) if error.is_directory() => continue,
            Err(error) => {
                manager.unread.get_or_insert(error);
                continue;
            }
        };
        let (lines, _) = lines::parse(&path, &content);
        let is_ours = |line: &&lines::Assignment| {
            &*line.section == "Manager" && line.key == "DefaultEnvironment"
        };
        let mut says_it = false;
        for line in lines.iter().filter(is_ours) {
            says_it = true;
            if line.value.is_empty() {
                assigned.clear();
            }
            let words = plain_words(&line.value, &specifiers);
            assigned.extend(
                words
                    .iter()
                    .filter_map(|word| given(word))
                    .map(|(name, value)| (name, value, path.clone())),
            );
        }
        if says_it {
            manager.inputs.push(Input::new(&path, Some(&content)));
        }
    }
    for (name, value, path) in assigned {
        manager
            .environment
            .set(name, value, path.display().to_string());
    }
    Ok(manager)
}

fn paths(files: &Files<'_>) -> Result<Vec<PathBuf>, HostError> {
    let mut all = Vec::new();
    for directory in DIRECTORIES {
        let main = Path::new(directory).join("system.conf");
        if matches!(files.kind(&main)?, Some(kind) if kind != Kind::Directory) {
            all.push(main);
            break;
        }
    }
    let mut by_name: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in DIRECTORIES {
        let directory = Path::new(directory).join("system.conf.d");
        for entry in files.listing(&directory)?.unwrap_or_default() {
            let name = entry.name.to_string_lossy();
            if !entry.is_directory && !name.starts_with('.') && name.ends_with(".conf") {
                let path = directory.join(&entry.name);
                by_name.entry(entry.name).or_insert(path);
            }
        }
    }
    // A link to /dev/null masks a name.
    for path in by_name.into_values() {
        if files.kind(&path)? == Some(Kind::File) {
            all.push(path);
        }
    }
    Ok(all)
}
