//! Where the configuration is: the main file, who named it, and the directory of its drop-ins.

use std::path::{Path, PathBuf};

use crate::k3s::Place;
use crate::k3s::command_line::Word;
use crate::k3s::environment::Environment;

/// Where K3s looks unless told otherwise.
pub const DEFAULT_CONFIG_FILE: &str = "/etc/rancher/k3s/config.yaml";

/// The variable that outranks `--config`.
pub const CONFIG_FILE_VARIABLE: &str = "K3S_CONFIG_FILE";

/// Where the configuration is, and who said so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::k3s) struct Location {
    pub(in crate::k3s) path: PathBuf,
    /// What named it, if it is not the default.
    pub(in crate::k3s) named: Option<Place>,
}

/// Finds the configuration file: environment, then `--config` or `-c` anywhere among the words, then the default.
/// `None` where `--config` names nothing: K3s then reads no file.
pub(in crate::k3s) fn locate(words: &[Word], environment: &Environment) -> Option<Location> {
    if let Some(location) = locate_by_environment(environment) {
        return Some(location);
    }
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if word.text == "--config" || word.text == "-c" {
            return words
                .next()
                .filter(|next| !next.text.is_empty())
                .map(|next| located(&next.text, &next.place));
        }
        let value = word.text.strip_prefix("--config=");
        if let Some(path) = value.or_else(|| word.text.strip_prefix("-c=")) {
            return (!path.is_empty()).then(|| located(path, &word.place));
        }
    }
    Some(Location {
        path: DEFAULT_CONFIG_FILE.into(),
        named: None,
    })
}

/// The file that the environment names, if it does.
pub(in crate::k3s) fn locate_by_environment(environment: &Environment) -> Option<Location> {
    let variable = environment.get(CONFIG_FILE_VARIABLE)?;
    (!variable.value.is_empty())
        .then(|| located(&variable.value, &variable.place(CONFIG_FILE_VARIABLE)))
}

pub(super) fn located(path: &str, place: &Place) -> Location {
    Location {
        // K3s's unit runs in the root directory.
        path: Path::new("/").join(path),
        named: Some(place.clone()),
    }
}

/// The directory of the drop-ins follows the name of the file: `other.yaml` has `other.yaml.d`.
#[must_use]
pub fn drop_in_directory(config_file: &Path) -> PathBuf {
    let mut name = config_file.as_os_str().to_os_string();
    name.push(".d");
    name.into()
}

/// The http(s) address that was named as the configuration file, if it is one.
#[must_use]
pub fn remote_address(config_file: &Path) -> Option<&str> {
    // The name was taken relative to the root directory.
    let name = config_file.to_str()?.strip_prefix('/')?;
    (name.starts_with("http://") || name.starts_with("https://")).then_some(name)
}
