//! Whether the running K3s read what is on disk now, and how we know.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::heard::{AUTO, Arguments};
use super::inputs::{Difference, Input, InputDigest};
use super::starts::SetOptions;
use crate::host::{HostError, Root};
use crate::k3s::SECRET;

/// How we know what the running K3s read, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The door was passed by this very start and left a digest.
    Door,
    /// The components' arguments in the journal.
    Journal,
    /// Nothing that K3s reads was changed since it started.
    Age,
}

/// Where the running K3s stands against the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It read what is there.
    InStep(Source),
    /// It read something else; never empty.
    Differs(Source, Vec<Difference>),
    /// Nobody knows. Never a reason to restart.
    Unknown(String),
}

/// A file or directory and when anything of it last changed (ctime, seconds since 1970). Directories belong to it, since
/// a file that is gone has left its trace only there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The path.
    pub path: PathBuf,
    /// The ctime in seconds.
    pub at_seconds: i64,
}

impl Changed {
    /// Looks at a path: at what it names and, where that is a link, at the link as well. `None` if nothing is there, see
    /// [`Changed::look_for_trace`].
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn look(root: &Root, path: &Path) -> Result<Option<Self>, HostError> {
        let entries = [root.look(path)?, root.look_through(path)?];
        let latest = entries.iter().flatten().map(|entry| entry.changed.0).max();
        Ok(latest.map(|at_seconds| Self {
            path: path.to_path_buf(),
            at_seconds,
        }))
    }

    /// The trace that a path which is not there would have left when it went: that something came into its directory, or
    /// went from it, since K3s made what it makes there itself at its start (`of_k3s`, by name). `None`: no trace.
    ///
    /// # Errors
    /// When the directory cannot be looked at.
    pub fn look_for_trace(
        root: &Root,
        path: &Path,
        of_k3s: &[&str],
    ) -> Result<Option<Self>, HostError> {
        for directory in path.ancestors().skip(1) {
            let Some(entry) = root.look_through(directory)? else {
                continue;
            };
            let mut made = None;
            for name in of_k3s {
                let own = root.look_through(&directory.join(name))?;
                made = made.max(own.map(|own| own.modified));
            }
            let is_trace = made.is_none_or(|made| entry.modified > made);
            return Ok(is_trace.then(|| Self {
                path: path.to_path_buf(),
                at_seconds: entry.modified.0,
            }));
        }
        Ok(None)
    }
}

/// How old the inputs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ages {
    /// K3s's main process was started no later than this, see [`started_no_later_than`].
    pub started_seconds: i64,
    /// What is merged: config file, drop-ins and their directory, unit, environment files.
    pub merged: Vec<Changed>,
    /// What is loaded as it is: audit policy, admission configuration, kubelet drop-ins and their directory, the binary.
    pub loaded: Vec<Changed>,
}

/// What there is to tell by.
#[derive(Debug, Clone, Default)]
pub struct Evidence<'a> {
    /// What the door wrote down for this invocation.
    pub door: Option<&'a InputDigest>,
    /// Something else was there for a while between the door and READY: the same as at the door proves nothing.
    pub overtaken: bool,
    /// The arguments from the journal of this invocation, and those that the next start would have.
    pub arguments: Option<(&'a Arguments, &'a Arguments)>,
    /// The options that were kept of this invocation, and those that the next start would have.
    pub options: Option<(&'a SetOptions, &'a SetOptions)>,
    /// How old everything is.
    pub ages: Option<&'a Ages>,
}

impl Evidence<'_> {
    /// Weighs the evidence against what is on disk now.
    #[must_use]
    pub fn standing(&self, now: &InputDigest) -> Standing {
        let differences = self.door.map(|door| door.differences(now));
        if let Some(differences) = differences
            && !(self.overtaken && differences.is_empty())
        {
            return verdict(Source::Door, differences);
        }
        let arguments = self.arguments.filter(|(running, _)| !running.is_empty());
        let mut differences = Vec::new();
        if let Some((running, next)) = arguments {
            differences = argument_differences(running, next);
        }
        if let Some((running, next)) = self.options {
            differences.extend(option_differences(running, next));
        }
        if !differences.is_empty() {
            return Standing::Differs(Source::Journal, differences);
        }
        // The arguments name files, and what is in them the journal does not say. Nor does it say the options that are
        // no argument: from 1.32 on protect-kernel-defaults is in a file of the kubelet's (K pkg/daemons/agent/agent.go).
        self.by_age(match arguments {
            Some(_) => Source::Journal,
            None => Source::Age,
        })
    }

    fn by_age(&self, source: Source) -> Standing {
        let Some(ages) = self.ages else {
            return Standing::Unknown("nothing tells what the running K3s read".to_owned());
        };
        // Strictly older: both are whole seconds.
        let newer = |changed: &&Changed| changed.at_seconds >= ages.started_seconds;
        match ages.merged.iter().chain(&ages.loaded).find(newer) {
            None => Standing::InStep(source),
            Some(changed) => Standing::Unknown(format!(
                "{} was touched after K3s started, and nothing tells what K3s read",
                changed.path.display()
            )),
        }
    }
}

fn verdict(source: Source, differences: Vec<Difference>) -> Standing {
    if differences.is_empty() {
        Standing::InStep(source)
    } else {
        Standing::Differs(source, differences)
    }
}

/// The latest time, on the wall clock of the files, at which a process can have been started. The clock may have been
/// set since: the count back from now is right if it was not, what systemd noted then (`noted_seconds`, the ctime of the
/// invocation's link) is right for files written before it was. The earlier of both is safe: what is older than that was
/// there.
///
/// `started` is systemd's time since boot without sleep, `since_boot` ours with sleep, so sleep makes it earlier still.
#[must_use]
pub fn started_no_later_than(
    wall_seconds: i64,
    since_boot: Duration,
    started: Duration,
    noted_seconds: Option<i64>,
) -> i64 {
    let ago = since_boot.saturating_sub(started).as_secs();
    let counted = wall_seconds.saturating_sub_unsigned(ago);
    noted_seconds.map_or(counted, |noted| noted.min(counted))
}

/// What is different in the arguments of the components that the journal tells of. Values that only the machine knows
/// and secrets equal any.
#[must_use]
pub fn argument_differences(running: &Arguments, next: &Arguments) -> Vec<Difference> {
    let mut found = Vec::new();
    for (component, running) in running {
        let none = Vec::new();
        let next = next.get(component).unwrap_or(&none);
        let mut flags: Vec<&str> = running
            .iter()
            .chain(next)
            .map(|argument| flag(argument))
            .collect();
        flags.sort_unstable();
        flags.dedup();
        for name in flags {
            let (before, after) = (values(running, name), values(next, name));
            let free = |values: &[&str]| values.iter().any(|value| [AUTO, SECRET].contains(value));
            if before == after || free(&before) || free(&after) {
                continue;
            }
            let input = Input::Argument {
                component: component.name(),
                flag: name.to_owned(),
            };
            found.push(Difference::of(input, before.first(), after.first()));
        }
    }
    found
}

/// What differs in the options. Options that only hand arguments on are judged by those; a secret equals any other.
fn option_differences(running: &SetOptions, next: &SetOptions) -> Vec<Difference> {
    let is_secret = |values: Option<&Vec<String>>| {
        values.is_some_and(|values| values.iter().any(|value| value == SECRET))
    };
    let mut names: Vec<&String> = running.keys().chain(next.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names.retain(|name| !name.ends_with("-arg") && running.get(*name) != next.get(*name));
    let mut found = Vec::new();
    for name in names {
        let (before, after) = (running.get(name), next.get(name));
        if !(is_secret(before) && is_secret(after)) {
            found.push(Difference::of(Input::Option(name.clone()), before, after));
        }
    }
    found
}

fn flag(argument: &str) -> &str {
    argument.split_once('=').map_or(argument, |(flag, _)| flag)
}

fn values<'a>(arguments: &'a [String], name: &str) -> Vec<&'a str> {
    arguments
        .iter()
        .filter(|argument| flag(argument) == name)
        .map(|argument| argument.split_once('=').map_or("", |(_, value)| value))
        .collect()
}

#[cfg(test)]
mod tests;
