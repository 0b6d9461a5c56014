//! Things and their states as the ledger writes them.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::base64;
use super::hash::Hash;
use crate::host::{Attributes, FileMode, State, SysctlKey, Thing};

/// A thing's name in the ledger.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ThingName {
    Path(String),
    /// A path that is not UTF-8, which JSON cannot hold.
    PathBase64(String),
    Sysctl(SysctlKey),
}

impl ThingName {
    pub(super) fn of(thing: &Thing) -> Self {
        match thing {
            Thing::Sysctl(key) => Self::Sysctl(key.clone()),
            Thing::Path(path) => match path.to_str() {
                Some(text) => Self::Path(text.to_owned()),
                None => Self::PathBase64(base64::encode(path.as_os_str().as_bytes())),
            },
        }
    }

    pub(super) fn thing(self) -> Option<Thing> {
        Some(match self {
            Self::Sysctl(key) => Thing::Sysctl(key),
            Self::Path(text) => Thing::Path(PathBuf::from(text)),
            Self::PathBase64(text) => {
                Thing::Path(PathBuf::from(OsString::from_vec(base64::decode(&text)?)))
            }
        })
    }
}

/// Owner and bits as the ledger writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Access {
    #[serde(with = "octal")]
    mode: FileMode,
    uid: u32,
    gid: u32,
}

impl Access {
    const fn of(attributes: &Attributes) -> Self {
        Self {
            mode: attributes.mode,
            uid: attributes.uid,
            gid: attributes.gid,
        }
    }

    const fn attributes(self) -> Attributes {
        Attributes {
            mode: self.mode,
            uid: self.uid,
            gid: self.gid,
        }
    }
}

/// Every mode, also with the bits that a catalogue never asks for.
mod octal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::host::FileMode;

    pub(super) fn serialize<S: Serializer>(mode: &FileMode, into: S) -> Result<S::Ok, S::Error> {
        into.collect_str(mode)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<FileMode, D::Error> {
        let text = String::deserialize(from)?;
        let bits = u32::from_str_radix(&text, 8).map_err(D::Error::custom)?;
        Ok(FileMode::new(bits))
    }
}

/// A state whole, so that it can be put back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Image {
    Absent,
    File {
        #[serde(flatten)]
        access: Access,
        content: String,
    },
    Directory(Access),
    Attributes(Access),
    Value(String),
}

impl Image {
    pub(super) fn of(state: &State) -> Self {
        match state {
            State::Absent => Self::Absent,
            State::File {
                content,
                attributes,
            } => Self::File {
                access: Access::of(attributes),
                content: base64::encode(content),
            },
            State::Directory(attributes) => Self::Directory(Access::of(attributes)),
            State::Attributes(attributes) => Self::Attributes(Access::of(attributes)),
            State::Value(value) => Self::Value(value.clone()),
        }
    }

    /// The state; `None` if the text in it is not what we write.
    pub(super) fn state(&self) -> Option<State> {
        Some(match self {
            Self::Absent => State::Absent,
            Self::File { access, content } => State::File {
                content: base64::decode(content)?,
                attributes: access.attributes(),
            },
            Self::Directory(access) => State::Directory(access.attributes()),
            Self::Attributes(access) => State::Attributes(access.attributes()),
            Self::Value(value) => State::Value(value.clone()),
        })
    }
}

/// What was there before the first of two changes, given the images of both: attributes alone leave the content to
/// the later image, which saw it.
pub(super) fn earlier_over_later(earlier: State, later: State) -> State {
    match (earlier, later) {
        (State::Attributes(attributes), State::File { content, .. }) => State::File {
            content,
            attributes,
        },
        (State::Attributes(attributes), State::Directory(_)) => State::Directory(attributes),
        (State::Attributes(_), State::Absent) => State::Absent,
        (earlier, _) => earlier,
    }
}

/// A state in short: enough to recognise it, not to restore it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Short {
    Absent,
    File {
        #[serde(flatten)]
        access: Access,
        bytes: u64,
        sha256: Hash,
    },
    Directory(Access),
    Attributes(Access),
    Value(String),
}

/// A state in short: a file's content stands as size and SHA-256. Recognises the state, cannot restore it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(Short);

impl Fingerprint {
    /// The short form of a state.
    #[must_use]
    pub fn of(state: &State) -> Self {
        Self(Short::of(state))
    }

    /// Whether a state that is observed now is this one. Where only attributes were written, only they are compared.
    #[must_use]
    pub fn matches(&self, observed: &State) -> bool {
        match (&self.0, observed) {
            (
                Short::Attributes(access),
                State::File { attributes, .. } | State::Directory(attributes),
            ) => *access == Access::of(attributes),
            (short, observed) => *short == Short::of(observed),
        }
    }

    /// Whether `now` is what a killed change of ours leaves on its way from `before` to this state, or on the way back:
    /// the bits that both grant, with the owner of before.
    #[must_use]
    pub fn is_halfway(&self, before: &State, now: &State) -> bool {
        let access = match &self.0 {
            Short::Attributes(access) | Short::Directory(access) => access,
            Short::File {
                access,
                bytes,
                sha256,
            } => match now {
                State::File { content, .. }
                    if *bytes == content.len() as u64 && *sha256 == Hash::of(content) =>
                {
                    access
                }
                _ => return false,
            },
            Short::Absent | Short::Value(_) => return false,
        };
        let written = access.attributes();
        let (Some(before), Some(now)) = (before.attributes(), now.attributes()) else {
            return false;
        };
        (now.uid, now.gid) == (before.uid, before.gid)
            && now.mode == before.mode.intersection(written.mode)
    }

    /// Whether it is of a file with this content, whoever owns it now.
    #[must_use]
    pub fn has_content(&self, content: &[u8]) -> bool {
        matches!(&self.0, Short::File { bytes, sha256, .. }
            if *bytes == content.len() as u64 && *sha256 == Hash::of(content))
    }

    /// Whether it is of a file whose content was written, and not only its owner or bits.
    #[must_use]
    pub const fn is_of_content(&self) -> bool {
        matches!(self.0, Short::File { .. })
    }

    pub(super) const fn from_short(short: Short) -> Self {
        Self(short)
    }

    /// Becomes what is there after a later change: a change of attributes leaves the content as it was.
    pub(super) fn extend(&mut self, later: Short) {
        match (&mut self.0, later) {
            (Short::File { access, .. } | Short::Directory(access), Short::Attributes(later)) => {
                *access = later;
            }
            (known, later) => *known = later,
        }
    }

    /// Whether a later change leaves it as it is.
    pub(super) fn is_kept_by(&self, later: &Short) -> bool {
        match (&self.0, later) {
            (Short::File { access, .. } | Short::Directory(access), Short::Attributes(later)) => {
                access == later
            }
            (known, later) => known == later,
        }
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Short::Absent => formatter.write_str("absent"),
            Short::File {
                access,
                bytes,
                sha256,
            } => write!(
                formatter,
                "file of {bytes} bytes, sha256 {sha256}, {access}"
            ),
            Short::Directory(access) => write!(formatter, "directory, {access}"),
            Short::Attributes(access) => write!(formatter, "{access}"),
            Short::Value(value) => formatter.write_str(value),
        }
    }
}

impl std::fmt::Display for Access {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} {}:{}", self.mode, self.uid, self.gid)
    }
}

impl Short {
    pub(super) fn of(state: &State) -> Self {
        match state {
            State::Absent => Self::Absent,
            State::File {
                content,
                attributes,
            } => Self::File {
                access: Access::of(attributes),
                bytes: content.len() as u64,
                sha256: Hash::of(content),
            },
            State::Directory(attributes) => Self::Directory(Access::of(attributes)),
            State::Attributes(attributes) => Self::Attributes(Access::of(attributes)),
            State::Value(value) => Self::Value(value.clone()),
        }
    }
}
