//! A directory of ours, and its files by name.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{Mode, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::file::{FileIdentity, OwnFile};
use super::tighten;
use crate::host::{Durability, Entry, FileMode, HostError, Kind, Refusal};

/// A directory of ours that is there.
#[derive(Debug)]
pub struct OwnDirectory {
    descriptor: OwnedFd,
    path: PathBuf,
    durability: Durability,
}

/// Where a file of ours is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// With [`OwnFile::write_at`].
    Anywhere,
    /// With [`OwnFile::append`].
    AtTheEnd,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Only if it is there.
    Existing,
    /// Created empty if it is not there.
    OrCreate,
}

impl OwnDirectory {
    pub(super) const fn new(descriptor: OwnedFd, path: PathBuf, durability: Durability) -> Self {
        Self {
            descriptor,
            path,
            durability,
        }
    }

    /// Opens a regular file of ours for reading and writing.
    /// On a read-only mount it is opened for reading alone. Looser modes than 0600 are tightened.
    ///
    /// # Errors
    /// When a link, a FIFO, a device or a file with several names stands there, or the kernel refuses.
    pub fn open_file(
        &self,
        name: &str,
        writing: Writing,
        opening: Opening,
    ) -> Result<Option<OwnFile>, HostError> {
        let append = match writing {
            Writing::AtTheEnd => OFlag::O_APPEND,
            Writing::Anywhere => OFlag::empty(),
        };
        let create = match opening {
            Opening::Existing => OFlag::empty(),
            Opening::OrCreate => OFlag::O_CREAT,
        };
        let opened = match self.open_at(name, OFlag::O_RDWR | append | create) {
            Err(Errno::EROFS) => match self.open_at(name, OFlag::O_RDONLY) {
                // Not there and not to be made: the mount is what is wrong, and trying again makes it no better.
                Err(Errno::ENOENT) if opening == Opening::OrCreate => Err(Errno::EROFS),
                other => other,
            },
            other => other,
        };
        match opened {
            Ok(descriptor) => self.accept(name, File::from(descriptor)).map(Some),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.explain(name, errno)),
        }
    }

    /// Creates an empty file for appending; a leftover of the same name is removed first.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn create_anew(&self, name: &str) -> Result<OwnFile, HostError> {
        self.remove(name).map_err(|error| match error {
            // unlink(2) reports that before it looks for the name.
            HostError::System {
                errno: Errno::EROFS,
                path,
                ..
            } => HostError::system("create", &path, Errno::EROFS),
            other => other,
        })?;
        let flags = OFlag::O_RDWR | OFlag::O_APPEND | OFlag::O_CREAT | OFlag::O_EXCL;
        let descriptor = self
            .open_at(name, flags)
            .map_err(|errno| self.explain(name, errno))?;
        self.accept(name, File::from(descriptor))
    }

    /// Renames within the directory, over what stands there. Durable only after [`OwnDirectory::sync`].
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), HostError> {
        renameat(&self.descriptor, from, &self.descriptor, to)
            .map_err(|errno| HostError::system("rename", &self.path.join(from), errno))
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self, name: &str) -> Result<(), HostError> {
        match unlinkat(&self.descriptor, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(HostError::system("remove", &self.path.join(name), errno)),
        }
    }

    /// Makes names durable.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn sync(&self) -> Result<(), HostError> {
        if self.durability == Durability::PageCache {
            return Ok(());
        }
        nix::unistd::fsync(&self.descriptor)
            .map_err(|errno| HostError::system("sync", &self.path, errno))
    }

    /// Which file the name stands for now; `None` if there is none.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn identity(&self, name: &str) -> Result<Option<FileIdentity>, HostError> {
        let flags = nix::fcntl::AtFlags::AT_SYMLINK_NOFOLLOW;
        match nix::sys::stat::fstatat(&self.descriptor, name, flags) {
            Ok(stat) => Ok(Some(FileIdentity::of(&stat))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(HostError::system("inspect", &self.path.join(name), errno)),
        }
    }

    fn open_at(&self, name: &str, flags: OFlag) -> Result<OwnedFd, Errno> {
        let always = OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        openat(
            &self.descriptor,
            name,
            flags | always,
            Mode::from_bits_truncate(0o600),
        )
    }

    fn accept(&self, name: &str, file: File) -> Result<OwnFile, HostError> {
        let path = self.path.join(name);
        let stat = fstat(&file).map_err(|errno| HostError::system("inspect", &path, errno))?;
        let entry = Entry::new(&stat);
        if entry.kind != Kind::File {
            let (found, expected) = (entry.kind.name(), Kind::File.name());
            return Err(HostError::refused(&path, Refusal::Kind { found, expected }));
        }
        if entry.hard_links > 1 {
            let count = entry.hard_links;
            return Err(HostError::refused(&path, Refusal::HardLinks { count }));
        }
        tighten(&file, &stat, FileMode::new(0o600), &path)?;
        Ok(OwnFile::new(file, path, &stat, self.durability))
    }

    fn explain(&self, name: &str, errno: Errno) -> HostError {
        let path = self.path.join(name);
        if errno == Errno::ELOOP
            && let Ok(target) = readlinkat(&self.descriptor, name)
        {
            let target = PathBuf::from(target);
            return HostError::refused(&path, Refusal::SymbolicLink { target });
        }
        HostError::system("open", &path, errno)
    }
}
