//! A unit from its files, line by line.

use std::path::{Path, PathBuf};

use super::exec_start::{self, Command, Refused};
use super::given_by_systemd::GivenBySystemd;
use super::lines::{self, Assignment};
use super::named_files::{self, EnvironmentFile};
use super::not_followed;
use super::repeated;
use super::specifier::Specifiers;
use super::split::Splitter;
use super::variables::{NotExpanded, Variables};
use super::{Loaded, Loading, Unit, environment_file, manager};
use crate::host::HostError;
use crate::k3s::environment::Environment;
use crate::k3s::files::{Files, Input};
use crate::k3s::{Place, Remark, Word};

/// The settings that decide what K3s is given.
const GIVES: [&str; 5] = [
    "ExecStart",
    "Environment",
    "EnvironmentFile",
    "UnsetEnvironment",
    "PassEnvironment",
];

/// What the files of a unit have come to so far.
pub(super) struct Loader<'a> {
    files: &'a Files<'a>,
    name: &'a str,
    specifiers: Specifiers<'a>,
    oneshot: bool,
    commands: Vec<Command>,
    /// The words that the drop-in which is being read repeats.
    beneath: Vec<Word>,
    /// `Environment=`, weaker than all files.
    own: Vec<(String, String, PathBuf)>,
    environment_files: Vec<EnvironmentFile>,
    unset: Vec<String>,
    by_systemd: GivenBySystemd,
    inputs: Vec<Input>,
    unread: Option<HostError>,
    remarks: Vec<Remark>,
}

impl<'a> Loader<'a> {
    pub(super) fn new(files: &'a Files<'a>, name: &'a str) -> Self {
        Self {
            files,
            name,
            specifiers: Specifiers::new(name, files),
            oneshot: false,
            commands: Vec::new(),
            beneath: Vec::new(),
            own: Vec::new(),
            environment_files: Vec::new(),
            unset: Vec::new(),
            by_systemd: GivenBySystemd::default(),
            inputs: Vec::new(),
            unread: None,
            remarks: Vec::new(),
        }
    }

    pub(super) fn remark(&mut self, text: impl Into<String>, from: Option<Place>) {
        self.remarks.push(Remark {
            text: text.into(),
            from,
        });
    }

    /// Takes a file line by line, up to one that systemd does not get over. What stands above it counts.
    pub(super) fn read(&mut self, path: &Path, content: &[u8]) -> Result<(), String> {
        let (assignments, bad) = lines::parse(path, content);
        let of_service = || {
            assignments
                .iter()
                .filter(|line| &*line.section == "Service")
        };
        // A drop-in that says nothing of what K3s is given, such as our door or a limit, is no input of it.
        let is_fragment = self.inputs.is_empty();
        if is_fragment || of_service().any(|line| GIVES.contains(&line.key.as_str())) {
            self.inputs.push(Input::new(path, Some(content)));
        }
        self.beneath = match self.commands.first() {
            Some(command) if repeated::repeats(content) => command.words.clone(),
            _ => Vec::new(),
        };
        for assignment in of_service() {
            self.take(assignment)?;
        }
        bad.map_or(Ok(()), |bad| Err(bad.to_string()))
    }

    /// One assignment of `[Service]`; an empty value empties a list.
    fn take(&mut self, assignment: &Assignment) -> Result<(), String> {
        let value = assignment.value.as_str();
        match assignment.key.as_str() {
            "Type" => self.oneshot = value == "oneshot",
            "ExecStart" if value.is_empty() => self.commands.clear(),
            "ExecStart" => {
                let (mut commands, refused) =
                    exec_start::parse(assignment, self.name, &self.specifiers);
                for command in &mut commands {
                    repeated::keep_places(&mut command.words, &self.beneath);
                }
                self.commands.extend(commands);
                if let Some(refused) = refused {
                    self.refuse(refused)?;
                }
            }
            "ExecStartPre" | "ExecStartPost" | "ExecCondition" | "ExecReload" | "ExecStop"
            | "ExecStopPost" => {
                let (_, refused) = exec_start::parse(assignment, self.name, &self.specifiers);
                if let Some(refused) = refused {
                    self.refuse(refused)?;
                }
            }
            "Environment" if value.is_empty() => self.own.clear(),
            "Environment" => self.take_environment(assignment),
            "EnvironmentFile" if value.is_empty() => self.environment_files.clear(),
            "EnvironmentFile" => {
                let Ok((value, _)) = self.specifiers.expand(value) else {
                    return Ok(());
                };
                self.environment_files
                    .extend(EnvironmentFile::parse(&value));
            }
            "UnsetEnvironment" if value.is_empty() => self.unset.clear(),
            "UnsetEnvironment" => self.unset.extend(plain_words(value, &self.specifiers)),
            "PassEnvironment" => self.take_passed(assignment),
            key if GivenBySystemd::is_decided_by(key) => {
                let words = plain_words(value, &self.specifiers);
                self.by_systemd.take(key, &words);
            }
            key => {
                let place = Place::File {
                    path: assignment.path.clone(),
                    line: assignment.line_at(0),
                };
                if let Some(why) = not_followed::why(key, value) {
                    self.remark(why, Some(place));
                }
            }
        }
        Ok(())
    }

    fn refuse(&mut self, refused: Refused) -> Result<(), String> {
        let Refused {
            problem,
            place,
            is_fatal,
        } = refused;
        if is_fatal {
            return Err(format!("{problem} ({place})"));
        }
        let text =
            format!("{problem}, so systemd does not take this command; correct it, or take it out");
        self.remark(text, Some(place));
        Ok(())
    }

    fn take_environment(&mut self, assignment: &Assignment) {
        let words = plain_words(&assignment.value, &self.specifiers);
        let given = words.iter().filter_map(|word| given(word));
        self.own
            .extend(given.map(|(name, value)| (name, value, assignment.path.clone())));
    }

    /// What the manager itself has in its environment is not to be seen in files.
    fn take_passed(&mut self, assignment: &Assignment) {
        for name in plain_words(&assignment.value, &self.specifiers) {
            if name.starts_with("K3S_") || name.starts_with("AWS_") {
                let place = Place::Environment {
                    source: assignment.path.display().to_string(),
                    variable: name.clone(),
                };
                let text = format!(
                    "{name} is passed on from systemd's own environment, unseen here; write it into Environment="
                );
                self.remark(text, Some(place));
            }
        }
    }

    /// Files outrank `Environment=`, wherever the lines stand; a later file outranks an earlier. All of them outrank what the
    /// manager gives every unit.
    fn environment(&mut self) -> Result<Result<Environment, String>, HostError> {
        let manager = manager::read(self.files)?;
        let mut environment = manager.environment;
        self.inputs.extend(manager.inputs);
        self.unread = manager.unread;
        for (name, value, source) in &self.own {
            environment.set(name, value, source.display().to_string());
        }
        let lines = std::mem::take(&mut self.environment_files);
        for EnvironmentFile { path, optional } in named_files::named(self.files, lines)? {
            let content = match self.files.read(&path) {
                Ok(content) => content,
                // systemd cannot read it either: as good as missing.
                Err(error) if error.is_directory() => None,
                // Whether K3s may be started without it or not: what it says nobody knows.
                Err(error) => {
                    self.unread.get_or_insert(error);
                    continue;
                }
            };
            self.inputs.push(Input::new(&path, content.as_deref()));
            let Some(content) = content else {
                if optional {
                    continue;
                }
                let problem = format!(
                    "{} does not exist; put it there, or write EnvironmentFile=- before it",
                    path.display()
                );
                return Ok(Err(problem));
            };
            let content = String::from_utf8_lossy(&content);
            for (name, value) in environment_file::parse(&content) {
                environment.set(name, value, path.display().to_string());
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

    /// What the command is expanded with.
    fn variables<'e>(&'e self, environment: &'e Environment) -> Variables<'e> {
        Variables {
            unit: self.name,
            environment,
            by_systemd: Some(&self.by_systemd),
        }
    }

    pub(super) fn finish(
        mut self,
        fragment: PathBuf,
        drop_ins: Vec<PathBuf>,
    ) -> Result<Loaded, HostError> {
        let unusable = |problem: &str| Loaded::Unusable {
            fragment: fragment.clone(),
            problem: problem.to_owned(),
        };
        let environment = match self.environment()? {
            Ok(environment) => environment,
            Err(problem) => return Ok(unusable(&problem)),
        };
        if self.commands.len() > 1 && !self.oneshot {
            return Ok(unusable(
                "it has more than one ExecStart= command; empty the list by ExecStart= first",
            ));
        }
        let Some(command) = self.commands.first() else {
            return Ok(unusable("it has no ExecStart= command; give it one"));
        };
        let undecided_words = command.undecided.clone();
        for (letter, place) in &undecided_words {
            self.remarks.push(Remark {
                text: format!(
                    "%{letter} in this word cannot be decided here; write what it stands for"
                ),
                from: Some(place.clone()),
            });
        }
        let variables = self.variables(&environment);
        let (exec_start, undecided) = match command.expanded(&variables) {
            Ok(exec_start) => (exec_start, None),
            Err(NotExpanded::TooLong) => {
                return Ok(unusable("its command is longer than the kernel takes"));
            }
            Err(NotExpanded::Undecided(variable)) => (command.words.clone(), Some(variable)),
        };
        Ok(Loaded::Unit(Box::new(Unit {
            name: self.name.to_owned(),
            binary: command.binary.clone(),
            command: command.texts(),
            exec_start,
            undecided,
            // A oneshot's further commands would be lost.
            as_written: (self.commands.len() == 1)
                .then(|| command.as_written(&variables))
                .flatten(),
            own_environment: self
                .own
                .into_iter()
                .map(|(name, value, _)| (name, value))
                .collect(),
            fragment,
            drop_ins,
            environment,
            unread: self.unread,
            loading: Loading::NotAsked,
            inputs: self.inputs,
            unknown_at: undecided_words
                .iter()
                .map(|(_, place)| place.clone())
                .collect(),
            remarks: self.remarks,
        })))
    }
}

/// The words up to one that systemd cannot take; one with a specifier that there is not is passed over.
pub(super) fn plain_words(value: &str, specifiers: &Specifiers<'_>) -> Vec<String> {
    let mut splitter = Splitter::new(value);
    let words = std::iter::from_fn(|| splitter.next_strict_word().ok().flatten());
    words
        .filter_map(|word| specifiers.expand(&word.text).ok())
        .map(|(text, _)| text)
        .collect()
}

/// The variable that a word gives, and its value.
pub(super) fn given(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    environment_file::is_name(name).then(|| (name.to_owned(), value.to_owned()))
}
