//! A thing on the machine and the states that it can be in.
//!
//! Every change is a thing taken from one state to another, and undoing it is the way back. That is why one pair of
//! types serves the plan, the change, the ledger and the revert.

use std::fmt;
use std::path::PathBuf;

use super::{FileMode, SysctlKey};

/// A thing whose state we may change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    /// A file or directory, by its path as seen inside the root.
    Path(PathBuf),
    /// A live kernel parameter.
    Sysctl(SysctlKey),
}

impl fmt::Display for Thing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "{}", path.display()),
            Self::Sysctl(key) => write!(formatter, "{}", key.path().display()),
        }
    }
}

/// Who owns a file, with what permission bits and which security label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    /// Permission bits.
    pub mode: FileMode,
    /// Owning user.
    pub uid: u32,
    /// Owning group.
    pub gid: u32,
}

impl Attributes {
    /// The bits that both grant, with the owner of the limit.
    #[must_use]
    pub const fn limited_to(&self, limit: &Self) -> Self {
        Self {
            mode: self.mode.intersection(limit.mode),
            uid: limit.uid,
            gid: limit.gid,
        }
    }
}

/// What a thing is, as far as we change or restore it.
#[derive(Clone, PartialEq, Eq)]
pub enum State {
    /// Nothing is there.
    Absent,
    /// A regular file with this content.
    File {
        /// Every byte.
        content: Vec<u8>,
        /// Owner and bits.
        attributes: Attributes,
    },
    /// A directory.
    Directory(Attributes),
    /// Owner and bits of something whose content is not ours.
    Attributes(Attributes),
    /// A kernel parameter's live value, without the line end.
    Value(String),
}

impl State {
    /// The same content or directory, with the owner and no more than the bits of a limit.
    #[must_use]
    pub fn limited_to(&self, limit: &Attributes) -> Self {
        match self {
            Self::File {
                content,
                attributes,
            } => Self::File {
                content: content.clone(),
                attributes: attributes.limited_to(limit),
            },
            Self::Directory(attributes) => Self::Directory(attributes.limited_to(limit)),
            Self::Attributes(attributes) => Self::Attributes(attributes.limited_to(limit)),
            Self::Absent | Self::Value(_) => self.clone(),
        }
    }

    /// Owner and bits, where there are any.
    #[must_use]
    pub const fn attributes(&self) -> Option<&Attributes> {
        match self {
            Self::File { attributes, .. }
            | Self::Directory(attributes)
            | Self::Attributes(attributes) => Some(attributes),
            Self::Absent | Self::Value(_) => None,
        }
    }
}

impl fmt::Debug for State {
    /// Contents may hold secrets and are never printed.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => formatter.write_str("Absent"),
            Self::File {
                content,
                attributes,
            } => {
                write!(formatter, "File({} bytes, {attributes:?})", content.len())
            }
            Self::Directory(attributes) => write!(formatter, "Directory({attributes:?})"),
            Self::Attributes(attributes) => write!(formatter, "{attributes:?}"),
            Self::Value(value) => write!(formatter, "Value({value})"),
        }
    }
}
