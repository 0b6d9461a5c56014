//! A name in an open directory: the directory is found once, whatever its path becomes meanwhile.

use std::ffi::OsString;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{Mode, fstatat};

use super::{Entry, HostError};

/// A name in an open directory. What stands there may be anything or nothing.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) parent: Arc<OwnedFd>,
    pub(super) name: OsString,
}

impl Located {
    /// Opens what stands there, links not followed.
    pub(super) fn open(&self, flags: OFlag) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        nix::fcntl::openat(&self.parent, self.name.as_os_str(), flags, Mode::empty())
    }

    /// What stands there; the path is for the message.
    pub(super) fn look(&self, path: &Path) -> Result<Option<Entry>, HostError> {
        match fstatat(
            self.parent.as_fd(),
            self.name.as_os_str(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Ok(stat) => Ok(Some(Entry::new(&stat))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(HostError::system("inspect", path, errno)),
        }
    }
}
