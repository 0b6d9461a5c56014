//! The root directory as a capability: every path is resolved below it.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;

use super::look::Look;
use super::{Attributes, Entry, HostError, Space};

/// Whether writes reach the disk before they count as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Files and directories are synced.
    #[default]
    Synced,
    /// The page cache is good enough: image builds that sync once at the end, measurements.
    PageCache,
}

/// A directory that is the machine: `/`, an image or a test tree.
///
/// Paths are given as they are seen inside the root and never lead out of it, whatever links say.
/// A clone is the same root: it shares the descriptor.
#[derive(Debug, Clone)]
pub struct Root {
    pub(super) descriptor: Arc<OwnedFd>,
    pub(super) directory: PathBuf,
    /// Who counts as root here, user and group: 0 on the machine itself, the owner of the top directory in a tree, so that an
    /// image unpacked by a build user and a test tree are judged by the same rules.
    superuser: (u32, u32),
    pub(super) sealed: Option<PathBuf>,
    /// Openat2 is not there: an older kernel, or a filter; learnt at the first attempt.
    pub(super) without_openat2: Arc<AtomicBool>,
    pub(super) durability: Durability,
    /// Pretends that the file system has no O_TMPFILE, as NFS, vfat and 9p have none. Tests only.
    pub(super) without_unnamed_files: bool,
    /// Directories that were looked at already, where this root is for one look alone.
    pub(super) look: Option<Arc<Look>>,
    /// What every file system has. Tests only.
    pub(super) pretended_space: Option<Space>,
}

impl Root {
    /// Opens a directory as the root of a machine.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn open(directory: &Path) -> Result<Self, HostError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let descriptor = nix::fcntl::open(directory, flags, Mode::empty())
            .map_err(|errno| HostError::system("open", directory, errno))?;
        let top = Entry::of(&descriptor, directory)?.attributes;
        let directory = directory
            .canonicalize()
            .unwrap_or_else(|_| directory.to_path_buf());
        let live = directory == Path::new("/");
        Ok(Self {
            descriptor: Arc::new(descriptor),
            directory,
            superuser: if live { (0, 0) } else { (top.uid, top.gid) },
            sealed: None,
            without_openat2: Arc::new(AtomicBool::new(false)),
            durability: Durability::Synced,
            without_unnamed_files: false,
            look: None,
            pretended_space: None,
        })
    }

    /// Below this directory (the K3s data dir) no link is followed when something is changed.
    #[must_use]
    pub fn sealed_below(mut self, directory: &Path) -> Self {
        self.sealed = Some(directory.to_path_buf());
        self
    }

    pub(super) fn with_look(&self, look: Option<Look>) -> Self {
        Self {
            look: look.map(Arc::new),
            ..self.clone()
        }
    }

    /// Chooses whether writes are synced.
    #[must_use]
    pub const fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Resolves paths component by component, as on a kernel without openat2.
    #[must_use]
    pub fn without_openat2(self) -> Self {
        self.without_openat2.store(true, Ordering::Relaxed);
        self
    }

    /// Whether this is `/` and not a directory given by the operator.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.directory == Path::new("/")
    }

    /// The directory outside, for messages about the root itself.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// User and group that count as root below this directory.
    #[must_use]
    pub const fn superuser(&self) -> (u32, u32) {
        self.superuser
    }

    /// Whether nobody but root can make, exchange or remove what is in a directory with this owner and these bits, and no
    /// access control list.
    #[must_use]
    pub fn only_root_writes(&self, attributes: &Attributes) -> bool {
        let mode = attributes.mode.bits();
        let group_is_root = attributes.gid == self.superuser.1;
        attributes.uid == self.superuser.0
            && mode & 0o002 == 0
            && (mode & 0o020 == 0 || group_is_root)
    }

    /// The same whatever access control list there is.
    #[must_use]
    pub const fn certainly_only_root_writes(&self, attributes: &Attributes) -> bool {
        attributes.uid == self.superuser.0 && attributes.mode.bits() & 0o022 == 0
    }
}
