//! The systemd unit that starts K3s, read from the file tree as systemd reads it.

mod as_loaded;
mod environment_file;
mod exec_start;
mod lines;
mod rewrite;
mod search;
mod specifier;
mod split;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::exec_start::Command;
use self::lines::Assignment;
pub use self::rewrite::{AsWritten, Together};
use self::search::Found;
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
    /// How the command is written; `None` where it is not known from a file.
    pub as_written: Option<AsWritten>,
    /// What `Environment=` gives, by name.
    pub own_environment: BTreeMap<String, String>,
    /// The variables that K3s gets from the unit.
    pub environment: Environment,
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
        self.invocation().role().map(|(_, role)| role)
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

/// The units of this tree that start a K3s server or agent, by name, as their files say.
///
/// # Errors
/// When a directory or file cannot be read.
pub fn find_k3s_units(files: &Files<'_>) -> Result<Vec<Unit>, HostError> {
    find_loaded_k3s_units(files, &|_| None)
}

/// The same as systemd has them loaded. `status` asks it for a unit; `None` where it cannot be asked.
///
/// # Errors
/// When a directory or file cannot be read.
pub fn find_loaded_k3s_units(
    files: &Files<'_>,
    status: &dyn Fn(&str) -> Option<UnitStatus>,
) -> Result<Vec<Unit>, HostError> {
    let mut units = Vec::new();
    for name in search::candidates(files)? {
        let mut loaded = load_unit(files, &name)?;
        // An operator's own `k3s-backup.service` concerns nobody, and an alias is asked for by its unit's name.
        let concerns = match &loaded {
            Loaded::Unit(unit) => unit.role().is_some(),
            Loaded::Alias(_) => false,
            Loaded::Missing | Loaded::Masked(_) | Loaded::Unusable { .. } => true,
        };
        if concerns && let Some(status) = status(&name) {
            loaded = as_loaded::take_over(loaded, &name, &status, files)?;
        }
        if let Loaded::Unit(unit) = loaded
            && unit.role().is_some()
        {
            units.push(*unit);
        }
    }
    Ok(units)
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
    let mut assignments = match loader.read(&fragment, &content) {
        Ok(assignments) => assignments,
        Err(problem) => return Ok(Loaded::Unusable { fragment, problem }),
    };
    let mut drop_ins = Vec::new();
    for path in search::drop_ins(files, name)? {
        if let Found::Content(content) = search::look(files, &path)? {
            match loader.read(&path, &content) {
                Ok(more) => assignments.extend(more),
                // systemd passes over a drop-in that it cannot parse.
                Err(problem) => loader.remark(problem, None),
            }
            drop_ins.push(path);
        }
    }
    for assignment in assignments.iter().filter(|line| line.section == "Service") {
        loader.take(assignment);
    }
    loader.finish(fragment, drop_ins)
}

struct Loader<'a> {
    files: &'a Files<'a>,
    name: &'a str,
    oneshot: bool,
    commands: Vec<Command>,
    /// `Environment=`, weaker than all files.
    own: Vec<(String, String, PathBuf)>,
    /// `EnvironmentFile=`, and whether it may be missing.
    environment_files: Vec<(PathBuf, bool)>,
    unset: Vec<String>,
    inputs: Vec<Input>,
    remarks: Vec<Remark>,
}

impl<'a> Loader<'a> {
    fn new(files: &'a Files<'a>, name: &'a str) -> Self {
        Self {
            files,
            name,
            oneshot: false,
            commands: Vec::new(),
            own: Vec::new(),
            environment_files: Vec::new(),
            unset: Vec::new(),
            inputs: Vec::new(),
            remarks: Vec::new(),
        }
    }

    fn remark(&mut self, text: impl Into<String>, from: Option<Place>) {
        self.remarks.push(Remark {
            text: text.into(),
            from,
        });
    }

    fn read(&mut self, path: &Path, content: &[u8]) -> Result<Vec<Assignment>, String> {
        self.inputs.push(Input::new(path, Some(content)));
        lines::parse(path, content).map_err(|bad| bad.to_string())
    }

    /// One assignment of `[Service]`; an empty value empties a list.
    fn take(&mut self, assignment: &Assignment) {
        let value = assignment.value.as_str();
        match assignment.key.as_str() {
            "Type" => self.oneshot = value == "oneshot",
            "ExecStart" if value.is_empty() => self.commands.clear(),
            "ExecStart" => {
                let commands =
                    exec_start::parse(assignment, self.name, self.files, &mut self.remarks);
                self.commands.extend(commands);
            }
            "Environment" if value.is_empty() => self.own.clear(),
            "Environment" => self.take_environment(assignment),
            "EnvironmentFile" if value.is_empty() => self.environment_files.clear(),
            "EnvironmentFile" => {
                let (value, _) = specifier::expand(value, self.name, self.files);
                let (path, optional) = match value.strip_prefix('-') {
                    Some(path) => (path, true),
                    None => (value.as_str(), false),
                };
                // systemd passes over a path that is not absolute.
                if path.starts_with('/') {
                    self.environment_files.push((path.into(), optional));
                }
            }
            "UnsetEnvironment" if value.is_empty() => self.unset.clear(),
            "UnsetEnvironment" => self.unset.extend(self.plain_words(value)),
            "PassEnvironment" => self.take_passed(assignment),
            _ => {}
        }
    }

    fn plain_words(&self, value: &str) -> Vec<String> {
        let words = split::split(value).unwrap_or_default();
        words
            .into_iter()
            .map(|word| specifier::expand(&word.text, self.name, self.files).0)
            .collect()
    }

    fn take_environment(&mut self, assignment: &Assignment) {
        for word in self.plain_words(&assignment.value) {
            match word.split_once('=') {
                Some((name, value)) if environment_file::is_name(name) => {
                    let source = assignment.path.clone();
                    self.own.push((name.to_owned(), value.to_owned(), source));
                }
                _ => {}
            }
        }
    }

    /// What the manager itself has in its environment is not to be seen in files.
    fn take_passed(&mut self, assignment: &Assignment) {
        for name in self.plain_words(&assignment.value) {
            if name.starts_with("K3S_") || name.starts_with("AWS_") {
                let place = Place::Environment {
                    source: assignment.path.display().to_string(),
                    variable: name.clone(),
                };
                let text =
                    format!("{name} is passed on from systemd's own environment, unseen here");
                self.remark(text, Some(place));
            }
        }
    }

    /// Files outrank `Environment=`, wherever the lines stand; a later file outranks an earlier.
    fn environment(&mut self) -> Result<Result<Environment, String>, HostError> {
        let mut environment = Environment::default();
        for (name, value, source) in &self.own {
            environment.set(name, value, source.display().to_string());
        }
        for (path, optional) in std::mem::take(&mut self.environment_files) {
            for path in matching(self.files, &path)? {
                let content = self.files.read(&path)?;
                self.inputs.push(Input::new(&path, content.as_deref()));
                let Some(content) = content else {
                    if optional {
                        continue;
                    }
                    let problem = format!("{} does not exist", path.display());
                    return Ok(Err(problem));
                };
                let content = String::from_utf8_lossy(&content);
                for (name, value) in environment_file::parse(&content) {
                    environment.set(name, value, path.display().to_string());
                }
            }
        }
        self.unset_variables(&mut environment);
        Ok(Ok(environment))
    }

    fn unset_variables(&self, environment: &mut Environment) {
        for unset in &self.unset {
            let (name, value) = match unset.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (unset.as_str(), None),
            };
            let matches = environment
                .get(name)
                .is_some_and(|variable| value.is_none_or(|value| variable.value == value));
            if matches {
                environment.unset(name);
            }
        }
    }

    fn finish(mut self, fragment: PathBuf, drop_ins: Vec<PathBuf>) -> Result<Loaded, HostError> {
        let unusable = |problem: &str| Loaded::Unusable {
            fragment: fragment.clone(),
            problem: problem.to_owned(),
        };
        let environment = match self.environment()? {
            Ok(environment) => environment,
            Err(problem) => return Ok(unusable(&problem)),
        };
        if self.commands.len() > 1 && !self.oneshot {
            return Ok(unusable("it has more than one ExecStart= command"));
        }
        let Some(command) = self.commands.first() else {
            return Ok(unusable("it has no ExecStart= command"));
        };
        let Some(exec_start) = command.expanded(&environment) else {
            return Ok(unusable("its command is longer than the kernel takes"));
        };
        Ok(Loaded::Unit(Box::new(Unit {
            name: self.name.to_owned(),
            binary: command.binary.clone(),
            command: command.texts(),
            exec_start,
            // A oneshot's further commands would be lost.
            as_written: (self.commands.len() == 1)
                .then(|| command.as_written(&environment))
                .flatten(),
            own_environment: self
                .own
                .into_iter()
                .map(|(name, value, _)| (name, value))
                .collect(),
            fragment,
            drop_ins,
            environment,
            loading: Loading::NotAsked,
            inputs: self.inputs,
            remarks: self.remarks,
        })))
    }
}

/// `EnvironmentFile=` may hold a pattern in its last part.
fn matching(files: &Files<'_>, pattern: &Path) -> Result<Vec<PathBuf>, HostError> {
    let (Some(directory), Some(name)) = (pattern.parent(), pattern.file_name()) else {
        return Ok(vec![pattern.to_path_buf()]);
    };
    let name = name.to_string_lossy();
    if !name.contains(['*', '?', '[']) {
        return Ok(vec![pattern.to_path_buf()]);
    }
    let entries = files.names(directory)?.unwrap_or_default();
    Ok(entries
        .into_iter()
        .filter(|entry| glob::matches(&name, &entry.name.to_string_lossy()))
        .map(|entry| directory.join(entry.name))
        .collect())
}

mod glob;

#[cfg(test)]
mod tests;
