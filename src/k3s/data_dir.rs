//! Where K3s keeps its state, as its two halves see it.
//!
//! The `k3s` binary is a wrapper (`cmd/k3s/main.go`): it looks for `data-dir`, `debug` and `prefer-bundled-bin` by
//! itself, unpacks the real K3s into the state directory and runs it. It does not follow `--config`, and a file that it
//! cannot read ends K3s before the real one has started.

use std::path::{Path, PathBuf};

use super::config_file::{
    self, ConfigFile, DEFAULT_CONFIG_FILE, Location, Reading, locate_by_environment,
};
use super::environment::Environment;
use super::files::{Files, Input};
use super::go_value::boolean;
use super::yaml::to_text;
use super::{ConfigurationError, Ending, Invocation, K3sVersion, Merge};

/// K3s's own default.
pub const DEFAULT_DATA_DIR: &str = "/var/lib/rancher/k3s";

/// K3s's default with `rootless`, though root runs it (pkg/datadir/datadir.go LocalHome, pkg/cli/server/server.go).
const ROOTLESS_DATA_DIR: &str = "${HOME}/.rancher/k3s";

/// The wrapper looks into the configuration (K3s 332fd73d4).
const LOOKS: K3sVersion = K3sVersion::new(20, 2);
/// It looks into drop-ins too (K3s e1d4cff14).
const LOOKS_INTO_DROP_INS: K3sVersion = K3sVersion::new(27, 2);
/// It does not look when asked for help or version (K3s dc6c569b9).
const SKIPS_FOR_HELP: K3sVersion = K3sVersion::new(27, 3);
/// It reads `K3S_DATA_DIR`, and drop-ins without a main file (K3s e51494002).
const READS_VARIABLE: K3sVersion = K3sVersion::new(30, 3);
/// It takes the last `--data-dir`; before, the first.
const LAST_WINS: K3sVersion = K3sVersion::new(26, 0);

/// The state directory as both halves of K3s see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    /// Where the real K3s keeps `server` and `agent`; `None` where a file that might say so cannot be read, so that K3s
    /// would end.
    pub state: Option<PathBuf>,
    /// Where the wrapper unpacks `data`; another directory than `state` where only one of them sees the setting.
    pub unpacked: PathBuf,
}

impl DataDir {
    /// What the options say, once they are settled.
    pub(super) fn of_options(merge: &Merge, outer: Option<String>) -> Self {
        let last = |name: &str| {
            let option = merge.options.get(name)?;
            option.values.last().map(|value| value.value.as_str())
        };
        let is_rootless = last("rootless").is_some_and(|word| boolean(word) == Some(true));
        let state = match last("data-dir").unwrap_or_default() {
            "" if is_rootless => ROOTLESS_DATA_DIR,
            said => said,
        };
        Self {
            state: Some(absolute(state)),
            unpacked: absolute(outer.as_deref().unwrap_or_default()),
        }
    }

    /// What can be told where K3s ends before its options are settled: `words` are those of its command line, those of
    /// its files before them where `files_are_read`. A command line outranks every file, and the environment nothing.
    pub(super) fn of_words<'w>(
        words: impl Iterator<Item = &'w str>,
        files_are_read: bool,
        environment: &Environment,
        outer: Option<String>,
    ) -> Self {
        let variable = environment.get("K3S_DATA_DIR");
        let variable = variable.map(|variable| variable.value.clone());
        let said = in_words(words).last().filter(|value| !value.is_empty());
        let said = said.map(str::to_owned);
        let said = said.or(variable.filter(|_| files_are_read));
        Self {
            state: match said {
                None if !files_are_read => None,
                said => Some(absolute(said.as_deref().unwrap_or_default())),
            },
            unpacked: absolute(outer.as_deref().unwrap_or_default()),
        }
    }

    /// The state directory, or K3s's default where nobody knows.
    #[must_use]
    pub fn state_or_default(&self) -> PathBuf {
        self.state
            .clone()
            .unwrap_or_else(|| DEFAULT_DATA_DIR.into())
    }
}

/// `datadir.Resolve`: the home directory is root's, and K3s's unit runs in the root directory.
fn absolute(text: &str) -> PathBuf {
    if text.is_empty() {
        return DEFAULT_DATA_DIR.into();
    }
    let resolved = text
        .replace("$HOME", "/root")
        .replace("${HOME}", "/root")
        .replace('~', "/root");
    let mut path = PathBuf::from("/");
    for component in Path::new(&resolved).components() {
        match component {
            std::path::Component::Normal(name) => path.push(name),
            std::path::Component::ParentDir => {
                path.pop();
            }
            _ => {}
        }
    }
    path
}

/// What the wrapper found.
#[derive(Debug, Default)]
pub(super) struct OuterReading {
    /// `data-dir`, if it found one.
    pub(super) data_dir: Option<String>,
    /// It ends K3s.
    pub(super) ends: Option<Ending>,
    /// What it read.
    pub(super) inputs: Vec<Input>,
}

/// What the wrapper reads before it starts the real K3s.
pub(super) fn outer_reading(
    files: &Files<'_>,
    invocation: &Invocation,
    version: K3sVersion,
) -> Result<OuterReading, ConfigurationError> {
    let mut outer = OuterReading::default();
    let asks_only = |word: &str| matches!(word, "--help" | "-h" | "--version" | "-v");
    let skips =
        version >= SKIPS_FOR_HELP && invocation.words.iter().any(|word| asks_only(&word.text));
    if version >= LOOKS && !skips {
        let found = find_in_files(files, invocation, version, &mut outer.inputs)?;
        match found {
            Ok(value) => outer.data_dir = value,
            Err(ending) => outer.ends = Some(ending),
        }
    }
    let variable = invocation
        .environment
        .get("K3S_DATA_DIR")
        .filter(|variable| version >= READS_VARIABLE && !variable.value.is_empty());
    if let Some(variable) = variable {
        outer.data_dir = Some(variable.value.clone());
        return Ok(outer);
    }
    let mut given = in_words(invocation.words.iter().map(|word| word.text.as_str()));
    let given = match version >= LAST_WINS {
        true => given.last(),
        false => given.next(),
    };
    if let Some(value) = given.filter(|value| !value.is_empty()) {
        outer.data_dir = Some(value.to_owned());
    }
    Ok(outer)
}

fn find_in_files(
    files: &Files<'_>,
    invocation: &Invocation,
    version: K3sVersion,
    inputs: &mut Vec<Input>,
) -> Result<Result<Option<String>, Ending>, ConfigurationError> {
    let location = locate_by_environment(&invocation.environment).unwrap_or(Location {
        path: DEFAULT_CONFIG_FILE.into(),
        named: None,
    });
    let main_exists = !matches!(files.kind(&location.path), Ok(None));
    if !main_exists && version < READS_VARIABLE {
        // The real K3s reads drop-ins without a main file in these releases too, the wrapper does not.
        return Ok(match location.named {
            None => Ok(None),
            named => Err(Ending::new(
                format!(
                    "stat {}: no such file or directory",
                    location.path.display()
                ),
                named,
            )),
        });
    }
    // Without drop-ins K3s reads as 1.20 did.
    let reads_as = if version < LOOKS_INTO_DROP_INS {
        K3sVersion::new(20, 0)
    } else {
        version
    };
    Ok(
        match config_file::read(files, &location, reads_as, inputs)? {
            Reading::Files(read) => Ok(find(&read, version)),
            Reading::Nothing { because_of: None } => Ok(None),
            Reading::Nothing {
                because_of: Some(path),
            } => Err(Ending::new(
                format!("open {}: no such file or directory", path.display()),
                None,
            )),
            Reading::Ends(ending) => Err(ending),
        },
    )
}

/// `FindString` for `data-dir`: the last key wins, and `data-dir+` is joined with a comma; up to 1.27.1 the first wins.
fn find(files: &[ConfigFile], version: K3sVersion) -> Option<String> {
    let mut entries = files.iter().flat_map(|file| &file.entries);
    if version < LOOKS_INTO_DROP_INS {
        return entries
            .find(|entry| entry.key == "data-dir")
            .map(|entry| to_text(&entry.value.value));
    }
    let mut last = None;
    for entry in entries {
        let text = to_text(&entry.value.value);
        match entry.key.as_str() {
            "data-dir" => last = Some(text),
            "data-dir+" => last = Some(format!("{},{text}", last.unwrap_or_default())),
            _ => {}
        }
    }
    last
}

/// What the words of a command line give for `data-dir`, in order.
fn in_words<'w>(mut words: impl Iterator<Item = &'w str>) -> impl Iterator<Item = &'w str> {
    let of_option = |word: &'w str| {
        let given = word.strip_prefix("--data-dir=");
        given.or_else(|| word.strip_prefix("-d="))
    };
    std::iter::from_fn(move || {
        loop {
            let word = words.next()?;
            if matches!(word, "--data-dir" | "-d") {
                return words.next();
            }
            if let Some(value) = of_option(word) {
                return Some(value);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::{Place, SetOption, Sourced};

    #[test]
    fn a_state_directory_becomes_an_absolute_path() {
        for (text, path) in [
            ("", DEFAULT_DATA_DIR),
            ("/data/", "/data"),
            ("data", "/data"),
            ("/a/../b", "/b"),
            ("~/k3s", "/root/k3s"),
        ] {
            assert_eq!(absolute(text), Path::new(path));
        }
    }

    /// Asked of a real 1.24.4 and 1.36.3 that root ran.
    #[test]
    fn without_root_the_state_is_at_home() {
        for (options, state) in [
            (&[("rootless", "true")][..], "/root/.rancher/k3s"),
            (&[("rootless", "1")], "/root/.rancher/k3s"),
            (&[("rootless", "false")], DEFAULT_DATA_DIR),
            (&[("rootless", "true"), ("data-dir", "/data")], "/data"),
        ] {
            let mut merge = Merge::default();
            for (name, value) in options {
                let value = Sourced {
                    value: (*value).to_owned(),
                    place: Place::Default,
                };
                let option = SetOption {
                    list: false,
                    values: vec![value],
                    overrode: Vec::new(),
                    outranked_by: None,
                };
                merge.options.insert((*name).to_owned(), option);
            }
            let found = DataDir::of_options(&merge, None);
            assert_eq!(
                found.state.as_deref(),
                Some(Path::new(state)),
                "{options:?}"
            );
        }
    }
}
