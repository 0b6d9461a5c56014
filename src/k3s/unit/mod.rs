//! The systemd unit that starts K3s, read from the file tree as systemd reads it.

mod as_loaded;
mod environment_file;
mod exec_start;
mod given_by_systemd;
mod glob;
mod lines;
mod loader;
mod manager;
mod named_files;
mod not_followed;
mod repeated;
mod rewrite;
mod search;
mod specifier;
mod split;
mod variables;
mod wrapped;

use std::collections::BTreeMap;
use std::path::PathBuf;

use self::loader::Loader;
pub use self::repeated::STANDS_FOR;
pub use self::rewrite::{AsWritten, Together, shown_command};
use self::search::Found;
pub use self::search::{DIRECTORIES as UNIT_DIRECTORIES, drop_in_directories, is_k3s_name};
use super::command_line::Word;
use super::environment::Environment;
use super::files::{Files, Input};
use super::{Invocation, Place, Remark, Role};
use crate::host::HostError;
use crate::host::systemd::UnitStatus;

/// A service unit as systemd would load it, or has it loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Its name: `k3s.service`.
    pub name: String,
    /// The unit file.
    pub fragment: PathBuf,
    /// Drop-ins in the order in which they apply.
    pub drop_ins: Vec<PathBuf>,
    /// The binary that it starts.
    pub binary: Word,
    /// The command with its binary, variables not put in: what `systemctl show` joins by blanks.
    pub command: Vec<String>,
    /// The words behind the binary, variables put in, each with its line.
    pub exec_start: Vec<Word>,
    /// The variable in it that only the running systemd knows; none is put in then.
    pub undecided: Option<String>,
    /// Words with a specifier that only the running machine decides: what is said of their values here says nothing there.
    pub unknown_at: Vec<Place>,
    /// How the command is written; `None` where it is not known from a file.
    pub as_written: Option<AsWritten>,
    /// What `Environment=` gives, by name.
    pub own_environment: BTreeMap<String, String>,
    /// The variables that K3s gets from the unit.
    pub environment: Environment,
    /// An environment file that cannot be looked at: the variables are not all known then.
    pub unread: Option<HostError>,
    /// What systemd says of the unit, where it could be asked.
    pub loading: Loading,
    /// Everything that was read.
    pub inputs: Vec<Input>,
    /// What an operator should know about the unit.
    pub remarks: Vec<Remark>,
}

impl Unit {
    /// Server or agent; `None` where the unit starts something else.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        let role = self.invocation().role().map(|(_, role)| role);
        role.filter(|_| wrapped::starts_itself(self))
    }

    /// What an operator should know about the unit, each with its place.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.remarks.iter().map(ToString::to_string)
    }

    /// What is on disk where systemd has something else loaded.
    #[must_use]
    pub fn on_disk(&self) -> Option<&Loaded> {
        match &self.loading {
            Loading::Otherwise { on_disk, .. } => Some(on_disk),
            Loading::NotAsked | Loading::AsOnDisk { .. } => None,
        }
    }

    /// Whether files were changed since systemd read them; `None` where it could not be asked.
    #[must_use]
    pub const fn needs_daemon_reload(&self) -> Option<bool> {
        match self.loading {
            Loading::NotAsked => None,
            Loading::AsOnDisk { need_daemon_reload }
            | Loading::Otherwise {
                need_daemon_reload, ..
            } => Some(need_daemon_reload),
        }
    }

    /// The command with its environment, for the merge.
    #[must_use]
    pub fn invocation(&self) -> Invocation {
        Invocation {
            words: self.exec_start.clone(),
            environment: self.environment.clone(),
        }
    }
}

/// How a unit stands between its files and systemd, whose next start takes what it has loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loading {
    /// systemd could not be asked (image, container, no systemd): the unit is as its files say.
    NotAsked,
    /// systemd has loaded what its files say.
    AsOnDisk {
        /// A file was touched since, which makes no difference to K3s.
        need_daemon_reload: bool,
    },
    /// systemd has loaded what this unit says, and on disk is something else.
    Otherwise {
        /// The files are newer; else we read them in another way than systemd does.
        need_daemon_reload: bool,
        /// What the files say.
        on_disk: Box<Loaded>,
    },
}

/// What a unit name came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loaded {
    /// There is no such unit.
    Missing,
    /// The unit cannot be started: empty, or a link to `/dev/null`.
    Masked(PathBuf),
    /// Another name of a unit.
    Alias(PathBuf),
    /// systemd would refuse to start it, and why.
    Unusable {
        /// The unit file.
        fragment: PathBuf,
        /// One sentence.
        problem: String,
    },
    /// The unit.
    Unit(Box<Unit>),
}

/// What a tree has of units that may start K3s.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct K3sUnits {
    /// Those that start a K3s server or agent.
    pub units: Vec<Unit>,
    /// Units of which nobody can say what K3s they start, since systemd would not start them or something else does the rest: a
    /// sentence each, with the reason.
    pub unusable: Vec<String>,
}

/// The units of this tree that start a K3s server or agent, by name, as their files say.
///
/// # Errors
/// When a directory or file cannot be read.
pub fn find_k3s_units(files: &Files<'_>) -> Result<K3sUnits, HostError> {
    find_loaded_k3s_units(files, &|_| None)
}

/// The same as systemd has them loaded. `status` asks it for a unit; `None` where it cannot be asked.
///
/// # Errors
/// When a directory or file cannot be read.
pub fn find_loaded_k3s_units(
    files: &Files<'_>,
    status: &dyn Fn(&str) -> Option<UnitStatus>,
) -> Result<K3sUnits, HostError> {
    let mut found = K3sUnits::default();
    for name in search::candidates(files)? {
        let mut loaded = load_unit(files, &name)?;
        // An operator's own `k3s-backup.service` concerns nobody, and an alias is asked for by its unit's name.
        let concerns = match &loaded {
            Loaded::Unit(unit) => unit.role().is_some() || wrapped::problem(unit).is_some(),
            Loaded::Alias(_) => false,
            Loaded::Missing | Loaded::Masked(_) | Loaded::Unusable { .. } => true,
        };
        if concerns && let Some(status) = status(&name) {
            loaded = as_loaded::take_over(loaded, &name, &status, files)?;
        }
        match loaded {
            Loaded::Unit(unit) if unit.role().is_some() && unit.undecided.is_none() => {
                found.units.push(*unit)
            }
            Loaded::Unusable { fragment, problem } => found.unusable.push(format!(
                "systemd would not start {name}: {problem} ({})",
                fragment.display()
            )),
            Loaded::Unit(unit) => found.unusable.extend(wrapped::problem(&unit)),
            Loaded::Missing | Loaded::Masked(_) | Loaded::Alias(_) => {}
        }
    }
    Ok(found)
}

/// Loads a service unit with its drop-ins and environment files.
///
/// # Errors
/// When a file cannot be read.
pub fn load_unit(files: &Files<'_>, name: &str) -> Result<Loaded, HostError> {
    let (fragment, content) = match search::fragment(files, name)? {
        None => return Ok(Loaded::Missing),
        Some((path, Found::Masked)) => return Ok(Loaded::Masked(path)),
        Some((path, Found::Alias)) => return Ok(Loaded::Alias(path)),
        Some((_, Found::Nothing)) => return Ok(Loaded::Missing),
        Some((path, Found::Content(content))) => (path, content),
    };
    let mut loader = Loader::new(files, name);
    if let Err(problem) = loader.read(&fragment, &content) {
        return Ok(Loaded::Unusable { fragment, problem });
    }
    let mut drop_ins = Vec::new();
    for path in search::drop_ins(files, name)? {
        if let Found::Content(content) = search::look(files, &path)? {
            if let Err(problem) = loader.read(&path, &content) {
                let text = format!("systemd reads {} no further: {problem}", path.display());
                loader.remark(text, None);
            }
            drop_ins.push(path);
        }
    }
    loader.finish(fragment, drop_ins)
}

#[cfg(test)]
mod tests;
