//! Why a policy or an operator's catalogue is not used.

use std::path::PathBuf;

use crate::catalogue::{CatalogueError, Problems};
use crate::host::{FileMode, HostError};

/// A policy that cannot be used. Nothing on the node is changed then.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// A file or directory cannot be looked at.
    #[error(transparent)]
    Host(#[from] HostError),
    /// Somebody else than root could have written the rules.
    #[error("{} belongs to user {uid}, not to root, and is not trusted; `chown root {}` mends it", path.display(), path.display())]
    ForeignOwner {
        /// The file or directory as seen inside the root.
        path: PathBuf,
        /// Who owns it.
        uid: u32,
    },
    /// Somebody else than root can write the rules.
    #[error("{} is writable by others than root (mode {mode}) and is not trusted; `chmod go-w {}` mends it", path.display(), path.display())]
    WritableByOthers {
        /// The file or directory as seen inside the root.
        path: PathBuf,
        /// Its bits.
        mode: FileMode,
    },
    /// A link in one of our directories that leads nowhere: rules that someone believes to be in force.
    #[error("{} is a link that leads nowhere; remove it or put the file back", path.display())]
    DanglingLink {
        /// The link as seen inside the root.
        path: PathBuf,
    },
    /// The file is not UTF-8.
    #[error("{}:{line}: this line is not UTF-8 text", path.display())]
    NotText {
        /// The file as seen inside the root.
        path: PathBuf,
        /// The first such line, counted from 1.
        line: usize,
    },
    /// What the files say is wrong.
    #[error("{0}")]
    Invalid(Problems),
    /// An operator's catalogue file is wrong.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
}
