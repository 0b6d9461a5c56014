//! Whether the running K3s read what is on disk now, and how we know.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::heard::{AUTO, Arguments};
use super::inputs::{Difference, Input, InputDigest};
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
    /// Looks at a path: at what it names and, where that is a link, at the link as well. `None` if nothing is there; then
    /// its directory has to be looked at.
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
    /// The arguments from the journal of this invocation, and those that the next start would have.
    pub arguments: Option<(&'a Arguments, &'a Arguments)>,
    /// How old everything is.
    pub ages: Option<&'a Ages>,
}

impl Evidence<'_> {
    /// Weighs the evidence against what is on disk now.
    #[must_use]
    pub fn standing(&self, now: &InputDigest) -> Standing {
        if let Some(door) = self.door {
            return verdict(Source::Door, door.differences(now));
        }
        if let Some((running, next)) = self.arguments.filter(|(running, _)| !running.is_empty()) {
            let differences = argument_differences(running, next);
            if !differences.is_empty() {
                return Standing::Differs(Source::Journal, differences);
            }
            // The arguments name files; what is in them the journal does not say.
            return self.by_age(Source::Journal, |ages| [&ages.loaded, &[][..]]);
        }
        self.by_age(Source::Age, |ages| [&ages.merged, &ages.loaded])
    }

    fn by_age(&self, source: Source, which: impl Fn(&Ages) -> [&[Changed]; 2]) -> Standing {
        let Some(ages) = self.ages else {
            return Standing::Unknown("nothing tells what the running K3s read".to_owned());
        };
        // Strictly older: both are whole seconds.
        let newer = |changed: &&Changed| changed.at_seconds >= ages.started_seconds;
        match which(ages).into_iter().flatten().find(newer) {
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
