//! Which configuration files K3s reads, in which order (`pkg/configfilearg/parser.go`).

mod location;
mod url;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::config_merge::repeats;
use super::files::{Files, Input};
use super::yaml::{Entry, YamlError, decode};
use super::{ConfigurationError, Ending, K3sVersion, Place};
use crate::host::{HostError, Kind};
use url::url_problem;

pub use location::{CONFIG_FILE_VARIABLE, DEFAULT_CONFIG_FILE, drop_in_directory, remote_address};
pub(super) use location::{Location, locate, locate_by_environment};

/// The first release that reads `config.yaml.d`.
const DROP_INS: K3sVersion = K3sVersion::new(21, 0);

/// From here on a named file that does not exist is no error (K3s e51494002).
const NAMED_FILE_MAY_BE_MISSING: K3sVersion = K3sVersion::new(30, 3);

/// From here on K3s looks for a file of the name before it reads it, so that it fetches no configuration any more, though
/// its documentation says so (K3s a0a1071aa: `os.Stat` before `readConfigFileData`).
const NO_REMOTE_FILE: K3sVersion = K3sVersion::new(21, 0);

/// A file that is gone when its turn comes makes K3s leave out all the others. Where somebody exchanges files just now that is over before
/// the next start: so often everything is read anew before nobody can say what is there.
const LOOKS: usize = 4;

/// One configuration file with its keys.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    pub(super) entries: Vec<Entry>,
    /// It gives lists of the files before it again: see [`FROM_YOUR_LIST`](super::FROM_YOUR_LIST).
    pub(super) repeats: bool,
}

/// What reading came to.
#[derive(Debug, PartialEq)]
pub(super) enum Reading {
    /// The files in K3s's order, the main file first.
    Files(Vec<ConfigFile>),
    /// K3s goes on without any configuration file.
    Nothing {
        /// A file of it is a dangling link, which makes K3s leave out all the others too.
        because_of: Option<PathBuf>,
    },
    /// K3s ends.
    Ends(Ending),
}

/// Reads the main file and its drop-ins; every path looked at is added to `inputs`.
pub(super) fn read(
    files: &Files<'_>,
    location: &Location,
    version: K3sVersion,
    inputs: &mut Vec<Input>,
) -> Result<Reading, ConfigurationError> {
    let mut reader = Reader {
        files,
        location,
        version,
        inputs,
        vanished: None,
    };
    reader.read()
}

struct Reader<'a> {
    files: &'a Files<'a>,
    location: &'a Location,
    version: K3sVersion,
    inputs: &'a mut Vec<Input>,
    /// A name that was there and is gone now that it is read.
    vanished: Option<PathBuf>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<Reading, ConfigurationError> {
        let earlier = self.inputs.len();
        for _ in 0..LOOKS {
            self.vanished = None;
            let reading = self.look()?;
            if self.vanished.is_none() {
                return Ok(reading);
            }
            self.inputs.truncate(earlier);
        }
        Err(ConfigurationError::Changing(self.location.path.clone()))
    }

    fn look(&mut self) -> Result<Reading, ConfigurationError> {
        let main = &self.location.path;
        if let Some(address) = remote_address(main).filter(|_| self.version < NO_REMOTE_FILE) {
            return Err(ConfigurationError::Remote(address.to_owned()));
        }
        let mut paths = match self.drop_ins()? {
            Ok(paths) => paths,
            Err(ending) => return Ok(Reading::Ends(ending)),
        };
        match self.files.kind(main) {
            Ok(Some(_)) => paths.insert(0, main.clone()),
            Ok(None) => {
                self.inputs.push(Input::new(main, None));
                if paths.is_empty() {
                    return Ok(self.missing(main, None));
                }
            }
            Err(error) => return self.unreadable(error, main),
        }
        let mut read = Vec::new();
        for path in paths {
            match self.read_one(&path)? {
                Ok(Some(file)) => read.push(file),
                Ok(None) => return Ok(self.missing(&path, Some(&path))),
                Err(ending) => return Ok(Reading::Ends(ending)),
            }
        }
        Ok(Reading::Files(read))
    }

    /// A file that is not there: fatal up to 1.30.2 where the configuration was named, else all files are left out.
    fn missing(&self, path: &Path, because_of: Option<&Path>) -> Reading {
        if self.location.named.is_some() && self.version < NAMED_FILE_MAY_BE_MISSING {
            return Reading::Ends(Ending::new(
                format!("stat {}: no such file or directory", path.display()),
                self.location.named.clone(),
            ));
        }
        Reading::Nothing {
            because_of: because_of.map(Path::to_path_buf),
        }
    }

    /// Drop-ins in byte order: every name ending in `.yaml` or `.yml` that is no directory, dot-files too.
    fn drop_ins(&self) -> Result<Result<Vec<PathBuf>, Ending>, ConfigurationError> {
        if self.version < DROP_INS {
            return Ok(Ok(Vec::new()));
        }
        let directory = drop_in_directory(&self.location.path);
        let is_other = matches!(
            self.files.kind(&directory),
            Ok(Some(kind)) if kind != Kind::Directory
        );
        if is_other {
            return Ok(Err(Ending::new(
                format!("readdir {}: not a directory", directory.display()),
                None,
            )));
        }
        match self.files.listing(&directory) {
            Ok(None) if self.leads_through_a_file(&directory) => Ok(Err(Ending::new(
                format!("open {}: not a directory", directory.display()),
                self.location.named.clone(),
            ))),
            Ok(names) => Ok(Ok(names
                .unwrap_or_default()
                .into_iter()
                .filter(|name| !name.is_directory && is_yaml(&name.name))
                .map(|name| directory.join(name.name))
                .collect())),
            Err(HostError::System { errno, .. }) => Ok(Err(Ending::new(
                format!("open {}: {}", directory.display(), errno.desc()),
                None,
            ))),
            Err(error) => Err(error.into()),
        }
    }

    /// A path through a file is none, which is more than a directory that is not there (`os.ReadDir`). Only a path that
    /// somebody named is looked at.
    fn leads_through_a_file(&self, directory: &Path) -> bool {
        let is_file = |path: &Path| matches!(self.files.kind(path), Ok(Some(kind)) if kind != Kind::Directory);
        self.location.named.is_some() && directory.ancestors().skip(1).any(is_file)
    }

    fn read_one(
        &mut self,
        path: &Path,
    ) -> Result<Result<Option<ConfigFile>, Ending>, ConfigurationError> {
        if let Some(problem) = url_problem(path) {
            return Ok(Err(Ending::new(
                format!(
                    "failed to parse config location {}: {problem}",
                    path.display()
                ),
                None,
            )));
        }
        if self.files.kind(path).ok().flatten() == Some(Kind::Directory) {
            return Ok(Err(Ending::new(
                format!("read {}: is a directory", path.display()),
                None,
            )));
        }
        let content = match self.files.read(path) {
            Ok(content) => content,
            Err(HostError::System {
                errno: Errno::ENOENT,
                ..
            }) => None,
            Err(error) => {
                return match self.unreadable(error, path)? {
                    Reading::Ends(ending) => Ok(Err(ending)),
                    _ => Ok(Ok(None)),
                };
            }
        };
        self.inputs.push(Input::new(path, content.as_deref()));
        let Some(content) = content else {
            // A link that leads nowhere stays one.
            if self.files.link_target(path)?.is_none() {
                self.vanished = Some(path.to_path_buf());
            }
            return Ok(Ok(None));
        };
        Ok(keys_of(path, &content)?.map(Some))
    }

    /// What the kernel refuses us, it refuses K3s, unless we have less privilege than K3s; what we refuse (too large, a
    /// device), we cannot judge.
    fn unreadable(&self, error: HostError, path: &Path) -> Result<Reading, ConfigurationError> {
        match error {
            HostError::System { errno, .. } if !error.is_permission_denied() => {
                Ok(Reading::Ends(Ending::new(
                    format!("open {}: {}", path.display(), errno.desc()),
                    self.location.named.clone(),
                )))
            }
            error => Err(error.into()),
        }
    }
}

/// The keys of a file, or why K3s ends over it.
fn keys_of(path: &Path, content: &[u8]) -> Result<Result<ConfigFile, Ending>, ConfigurationError> {
    match decode(content) {
        Ok(entries) => Ok(Ok(ConfigFile {
            path: path.to_path_buf(),
            entries,
            repeats: repeats(content),
        })),
        Err(
            error @ (YamlError::TooDeep { .. }
            | YamlError::TooMany { .. }
            | YamlError::TooLarge { .. }),
        ) => Err(ConfigurationError::Yaml {
            path: path.to_path_buf(),
            error,
        }),
        Err(YamlError::Invalid {
            line,
            column,
            problem,
        }) => Ok(Err(Ending::new(
            format!(
                "{}: line {line}, column {column}: {problem}",
                path.display()
            ),
            Some(Place::File {
                path: path.to_path_buf(),
                line,
            }),
        ))),
    }
}

fn is_yaml(name: &OsStr) -> bool {
    let name = name.as_bytes().to_ascii_lowercase();
    name.ends_with(b".yaml") || name.ends_with(b".yml")
}

#[cfg(test)]
mod tests;
