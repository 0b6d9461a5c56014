//! What a start of K3s reads, as digests: enough to tell which input differs, nothing to read a secret from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::host::Entry;
use crate::k3s::K3sVersion;
use crate::reconcile::ledger::Hash;

/// How a file takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reading {
    /// K3s merges it into its configuration: config file, drop-ins, the unit's environment files.
    Merged,
    /// It is used as it is: audit policy, admission configuration, kubelet drop-ins.
    Loaded,
}

/// A file that a start reads, or would if it were there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    reading: Reading,
    /// `None`: it is not there.
    content: Option<Hash>,
}

/// Which binary it is, without reading its 70 MiB. A change of content changes at least the ctime, but so does each chmod,
/// label or new name of it; which of both it was, the version tells that it gives itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    path: String,
    device: u64,
    inode: u64,
    size_bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// Records of an earlier release have none.
    #[serde(default)]
    version: Option<String>,
}

impl Binary {
    /// The binary at a path, as the kernel describes it, and the version that it says it is.
    #[must_use]
    pub fn of(path: &Path, entry: &Entry, version: K3sVersion) -> Self {
        Self {
            version: Some(version.to_string()),
            path: path.to_string_lossy().into_owned(),
            device: entry.identity.0,
            inode: entry.identity.1,
            size_bytes: entry.size_bytes,
            modified: entry.modified,
            changed: entry.changed,
        }
    }

    /// Whether another one is there now. One that was written over in place with a time of last change set back is
    /// known by its version alone.
    fn is_other(&self, now: &Self) -> bool {
        let content = |binary: &Self| (binary.device, binary.inode, binary.size_bytes);
        let is_untouched = self.changed == now.changed;
        let is_same_version = self.version.is_none() || self.version == now.version;
        self.path != now.path
            || content(self) != content(now)
            || self.modified != now.modified
            || !(is_untouched || is_same_version)
    }
}

/// Everything that a start of K3s reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputDigest {
    files: BTreeMap<String, File>,
    binary: Option<Binary>,
    command_line: Option<Hash>,
    environment: BTreeMap<String, Hash>,
    effective: Option<Hash>,
}

impl InputDigest {
    /// Adds a file; `None` for one that is not there.
    #[must_use]
    pub fn with_file(mut self, path: &Path, reading: Reading, content: Option<Hash>) -> Self {
        let path = path.to_string_lossy().into_owned();
        self.files.insert(path, File { reading, content });
        self
    }

    /// Adds the binary.
    #[must_use]
    pub fn with_binary(mut self, binary: Binary) -> Self {
        self.binary = Some(binary);
        self
    }

    /// Adds the unit's command line.
    #[must_use]
    pub fn with_command_line<W: AsRef<str>>(mut self, words: &[W]) -> Self {
        let joined: Vec<u8> = words
            .iter()
            .flat_map(|word| word.as_ref().bytes().chain([0]))
            .collect();
        self.command_line = Some(Hash::of(&joined));
        self
    }

    /// Adds a variable of the unit's environment.
    #[must_use]
    pub fn with_variable(mut self, name: &str, value: &str) -> Self {
        self.environment
            .insert(name.to_owned(), Hash::of(value.as_bytes()));
        self
    }

    /// Adds the digest of what comes out of the merge: options and component arguments. Where both sides have it and it
    /// is the same, a changed comment or a line that another one overrides is no difference.
    #[must_use]
    pub fn with_effective(mut self, digest: Hash) -> Self {
        self.effective = Some(digest);
        self
    }

    /// Whether a file belongs to it.
    #[must_use]
    pub fn reads(&self, path: &Path) -> bool {
        self.files.contains_key(&*path.to_string_lossy())
    }

    /// What is different on disk `now` from what this start read.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let same_outcome = self.effective.is_some() && self.effective == now.effective;
        let mut found = Vec::new();
        let is_other = match (&self.binary, &now.binary) {
            (Some(before), Some(now)) => before.is_other(now),
            (before, now) => before.is_some() != now.is_some(),
        };
        if is_other {
            found.push(Difference::of(Input::Binary, Some(()), Some(())));
        }
        if !same_outcome {
            found.extend(self.unit_differences(now));
        }
        for path in keys(&self.files, &now.files) {
            let (before, after) = (self.files.get(path), now.files.get(path));
            let merged = [before, after]
                .iter()
                .flatten()
                .all(|file| file.reading == Reading::Merged);
            let content = |file: Option<&File>| file.and_then(|file| file.content);
            let (before, after) = (content(before), content(after));
            if before != after && !(merged && same_outcome) {
                found.push(Difference::of(Input::File(path.to_owned()), before, after));
            }
        }
        found
    }

    fn unit_differences(&self, now: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        if self.command_line != now.command_line {
            found.push(Difference::of(Input::CommandLine, Some(()), Some(())));
        }
        for name in keys(&self.environment, &now.environment) {
            let (before, after) = (self.environment.get(name), now.environment.get(name));
            if before != after {
                found.push(Difference::of(
                    Input::Variable(name.to_owned()),
                    before,
                    after,
                ));
            }
        }
        found
    }
}

fn keys<'a, T>(
    first: &'a BTreeMap<String, T>,
    second: &'a BTreeMap<String, T>,
) -> impl Iterator<Item = &'a str> {
    let only_second = second.keys().filter(|key| !first.contains_key(*key));
    first.keys().chain(only_second).map(String::as_str)
}

/// One thing that a start reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A file, by its path.
    File(String),
    /// The K3s binary.
    Binary,
    /// The unit's command line.
    CommandLine,
    /// A variable of the unit's environment; its value may be a secret.
    Variable(String),
    /// An option of K3s, by its long name.
    Option(String),
    /// An argument of a component, as its journal line had it.
    Argument {
        /// `kube-apiserver`.
        component: &'static str,
        /// `--audit-log-maxage`.
        flag: String,
    },
}

/// What became of an input since K3s started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// It is another.
    Changed,
}

/// An input that differs. Reads as one sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which input.
    pub input: Input,
    /// What became of it.
    pub became: Became,
}

impl Difference {
    pub(super) fn of<T>(input: Input, before: Option<T>, after: Option<T>) -> Self {
        let became = match (before, after) {
            (None, Some(_)) => Became::Added,
            (Some(_), None) => Became::Removed,
            _ => Became::Changed,
        };
        Self { input, became }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.input {
            Input::File(path) => formatter.write_str(path)?,
            Input::Binary => formatter.write_str("the K3s binary")?,
            Input::CommandLine => formatter.write_str("the unit's command line")?,
            Input::Variable(name) => write!(formatter, "the unit's variable {name}")?,
            Input::Option(name) => write!(formatter, "the option {name}")?,
            Input::Argument { component, flag } => write!(formatter, "{component} {flag}")?,
        }
        formatter.write_str(match self.became {
            Became::Added => " was added since this K3s started",
            Became::Removed => " was removed since this K3s started",
            Became::Changed => " changed since this K3s started",
        })
    }
}

/// The first differences as one text; a long list is cut.
#[must_use]
pub fn sentence(differences: &[Difference]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<String> = differences
        .iter()
        .take(SHOWN)
        .map(Difference::to_string)
        .collect();
    let more = differences.len().saturating_sub(SHOWN);
    match more {
        0 => shown.join("; "),
        _ => format!("{}; and {more} more", shown.join("; ")),
    }
}

#[cfg(test)]
mod tests;
