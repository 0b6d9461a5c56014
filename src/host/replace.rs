//! Replacing a file: whoever opens the path sees the old file or the new one, never a part.

mod carried;

use std::ffi::OsString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, renameat};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, LinkatFlags, Uid, UnlinkatFlags, fchown, linkat, unlinkat};

use carried::Carried;

use super::located::Located;
use super::{Attributes, Durability, Entry, Found, HostError, Kind, Refusal, Root, Touches};

/// Temporary names start with this and end with [`TEMPORARY_SUFFIX`]: K3s loads and deploys `*.yaml` and `*.json`
/// only, sysctl `*.conf` only, and systemd ignores both forms in its directories.
const TEMPORARY_PREFIX: &str = ".k3warden-";
const TEMPORARY_SUFFIX: &str = ".tmp";

impl Root {
    /// Replaces a file, or creates it. Owner, mode and what else it has of the old one are right before it has a name.
    ///
    /// # Errors
    /// When the directory is absent or writable by others, when what stands there is no plain file of one name, or
    /// when the kernel refuses a step; the old file is then still there, whole.
    pub fn replace(
        &self,
        path: &Path,
        content: &[u8],
        attributes: &Attributes,
    ) -> Result<(), HostError> {
        let located = self.located_for_change(path)?;
        let old = self.changeable(&located, path, Kind::File)?;
        let (carried, target) = match old {
            Some(_) => (self.carried(&located, path)?, Target::Taken),
            None => (Carried::default(), Target::Free),
        };
        let new = NewFile {
            root: self,
            located: &located,
            path,
            target,
        };
        new.write(content, attributes, &carried)
            .map_err(|error| self.explain_denial(path, Touches::Name, error))
    }

    fn carried(&self, located: &Located, path: &Path) -> Result<Carried, HostError> {
        let opened = located.open(OFlag::O_RDONLY | OFlag::O_NONBLOCK);
        let read = opened.and_then(|file| Carried::of(&file));
        read.map_err(|errno| HostError::system("read the extended attributes of", path, errno))
    }

    /// Removes what a killed process left in a directory: temporary files of ours. Returns how many.
    ///
    /// # Errors
    /// When the directory cannot be read or a file not be removed.
    pub fn sweep(&self, directory: &Path) -> Result<usize, HostError> {
        let mut removed = 0;
        for name in self.names(directory)?.unwrap_or_default() {
            let Some(text) = name.to_str() else { continue };
            if text.starts_with(TEMPORARY_PREFIX) && text.ends_with(TEMPORARY_SUFFIX) {
                self.remove_file(&directory.join(text))?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// The directory of a path that is about to be changed; it must exist and be root's alone.
    pub(super) fn located_for_change(&self, path: &Path) -> Result<Located, HostError> {
        self.located_for_removal(path)?
            .ok_or_else(|| HostError::system("open", path, Errno::ENOENT))
    }

    /// The same where nothing has to be there: `None` if the directory is absent.
    pub(super) fn located_for_removal(&self, path: &Path) -> Result<Option<Located>, HostError> {
        let Some(name) = path.file_name() else {
            return self.locate(path);
        };
        let way = self.way_for_change(path)?;
        if let Some(directory) = way.writable {
            let reason = Refusal::WritableParent { directory };
            return Err(HostError::refused(path, reason));
        }
        let name = name.to_os_string();
        Ok(way.parent.map(|parent| Located { parent, name }))
    }

    /// What stands at a located name, if it may be changed as the kind that it should be.
    pub(super) fn changeable(
        &self,
        located: &Located,
        path: &Path,
        expected: Kind,
    ) -> Result<Option<Entry>, HostError> {
        let Some(entry) = located.look(path)? else {
            return Ok(None);
        };
        match self.hazard(&entry, path, expected)? {
            Some(reason) => Err(HostError::refused(path, reason)),
            None => Ok(Some(entry)),
        }
    }

    /// Why what stands at a path must be left alone, whatever its state; `None` if it may be changed.
    ///
    /// # Errors
    /// When a link cannot be read.
    pub fn hazard(
        &self,
        entry: &Entry,
        path: &Path,
        expected: Kind,
    ) -> Result<Option<Refusal>, HostError> {
        if entry.kind == Kind::Link {
            let target = self.read_link(path)?.unwrap_or_default();
            return Ok(Some(Refusal::SymbolicLink { target }));
        }
        if entry.kind != expected {
            let (found, expected) = (entry.kind.name(), expected.name());
            return Ok(Some(Refusal::Kind { found, expected }));
        }
        if entry.kind == Kind::File && entry.hard_links > 1 {
            return Ok(Some(Refusal::HardLinks {
                count: entry.hard_links,
            }));
        }
        Ok(None)
    }

    /// The same, or that somebody else can exchange what stands there at any time, so that what is seen now says nothing.
    ///
    /// # Errors
    /// When a link cannot be read.
    pub fn hazard_or_exchange(
        &self,
        found: &Found,
        path: &Path,
        expected: Kind,
    ) -> Result<Option<Refusal>, HostError> {
        if let Some(refusal) = self.hazard(&found.entry, path, expected)? {
            return Ok(Some(refusal));
        }
        let directory = found.exchangeable_in.clone();
        Ok(directory.map(|directory| Refusal::WritableParent { directory }))
    }

    /// Finds out why the kernel denied a change, where it can be told.
    pub(super) fn explain_denial(
        &self,
        path: &Path,
        touches: Touches,
        error: HostError,
    ) -> HostError {
        let HostError::System { errno, .. } = &error else {
            return error;
        };
        if !matches!(errno, Errno::EROFS | Errno::EPERM) {
            return error;
        }
        match self.obstacle(path, touches) {
            Ok(Some(reason)) => HostError::refused(path, reason),
            _ => error,
        }
    }

    pub(super) fn sync_directory(&self, parent: &OwnedFd, path: &Path) -> Result<(), HostError> {
        if self.durability == Durability::PageCache {
            return Ok(());
        }
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        nix::fcntl::openat(parent, ".", flags, Mode::empty())
            .and_then(nix::unistd::fsync)
            .map_err(|errno| HostError::system("sync directory of", path, errno))
    }
}

/// A file on its way to its name.
struct NewFile<'a> {
    root: &'a Root,
    located: &'a Located,
    path: &'a Path,
    target: Target,
}

/// What its name stands for until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    /// Nothing: what somebody makes there meanwhile was never looked at and stays.
    Free,
    /// The old file.
    Taken,
}

impl NewFile<'_> {
    fn write(
        &self,
        content: &[u8],
        attributes: &Attributes,
        carried: &Carried,
    ) -> Result<(), HostError> {
        let temporary = temporary_name();
        let (descriptor, mut named) = self.create(&temporary)?;
        let result = self
            .fill(descriptor, content, attributes, carried)
            .and_then(|file| self.publish(&file, &temporary, &mut named));
        if result.is_err() && named {
            // The name would only be swept at the next start; nothing more can be done if this fails too.
            let _ = unlinkat(
                &self.located.parent,
                temporary.as_os_str(),
                UnlinkatFlags::NoRemoveDir,
            );
        }
        result
    }

    /// An unnamed file, or an exclusively created one where the file system has no O_TMPFILE. True if it has the name.
    fn create(&self, temporary: &OsString) -> Result<(OwnedFd, bool), HostError> {
        let parent = &self.located.parent;
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC;
        let unnamed = if self.root.without_unnamed_files {
            Err(Errno::EOPNOTSUPP)
        } else {
            nix::fcntl::openat(parent, ".", flags | OFlag::O_TMPFILE, Mode::empty())
        };
        match unnamed {
            Ok(descriptor) => return Ok((descriptor, false)),
            Err(Errno::EOPNOTSUPP | Errno::EISDIR | Errno::ENOENT | Errno::EINVAL) => {}
            Err(errno) => return Err(HostError::system("replace", self.path, errno)),
        }
        let flags = flags | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
        nix::fcntl::openat(parent, temporary.as_os_str(), flags, Mode::empty())
            .map(|descriptor| (descriptor, true))
            .map_err(|errno| HostError::system("replace", self.path, errno))
    }

    fn fill(
        &self,
        descriptor: OwnedFd,
        content: &[u8],
        attributes: &Attributes,
        carried: &Carried,
    ) -> Result<File, HostError> {
        let failed = |errno| HostError::system("replace", self.path, errno);
        let mut file = File::from(descriptor);
        file.write_all(content)
            .map_err(|error| HostError::io("replace", self.path, &error))?;
        carried.give_access_list(&file).map_err(failed)?;
        let (uid, gid) = (Uid::from_raw(attributes.uid), Gid::from_raw(attributes.gid));
        fchown(&file, Some(uid), Some(gid)).map_err(failed)?;
        fchmod(&file, Mode::from_bits_truncate(attributes.mode.bits())).map_err(failed)?;
        carried.give_rest(&file).map_err(failed)?;
        if self.root.durability == Durability::Synced {
            file.sync_all()
                .map_err(|error| HostError::io("replace", self.path, &error))?;
        }
        Ok(file)
    }

    fn publish(
        &self,
        file: &File,
        temporary: &OsString,
        named: &mut bool,
    ) -> Result<(), HostError> {
        let failed = |errno| HostError::system("replace", self.path, errno);
        let (parent, name) = (&self.located.parent, &self.located.name);
        if !*named && self.target == Target::Free {
            // EEXIST: someone was faster.
            link_descriptor(file, parent, name).map_err(failed)?;
            return self.root.sync_directory(parent, self.path);
        }
        if !*named {
            link_descriptor(file, parent, temporary).map_err(failed)?;
            *named = true;
        }
        rename(parent, temporary, name, self.target).map_err(failed)?;
        *named = false;
        self.root.sync_directory(parent, self.path)
    }
}

/// Renames over what stands there; where nothing should stand, over nothing, if the file system knows how.
fn rename(parent: &OwnedFd, from: &OsString, to: &OsString, target: Target) -> Result<(), Errno> {
    let (from, to) = (from.as_os_str(), to.as_os_str());
    if target == Target::Free {
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(parent, from, parent, to, flags) {
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {}
            answer => return answer.map_err(|errno| Errno::from_raw(errno.raw_os_error())),
        }
    }
    renameat(parent, from, parent, to)
}

/// Gives an unnamed file a name. AT_EMPTY_PATH needs CAP_DAC_READ_SEARCH, the way over /proc needs /proc: one of the
/// two is there in a sandbox, in a chroot and for an unprivileged run on a tree.
fn link_descriptor(file: &File, parent: &OwnedFd, name: &OsString) -> Result<(), Errno> {
    let empty = LinkatFlags::from_bits_retain(AtFlags::AT_EMPTY_PATH.bits());
    match linkat(file.as_fd(), "", parent, name.as_os_str(), empty) {
        Err(Errno::ENOENT | Errno::EPERM | Errno::EINVAL) => {}
        answer => return answer,
    }
    let here = format!("/proc/self/fd/{}", file.as_raw_fd());
    let follow = LinkatFlags::AT_SYMLINK_FOLLOW;
    linkat(
        nix::fcntl::AT_FDCWD,
        here.as_str(),
        parent,
        name.as_os_str(),
        follow,
    )
}

fn temporary_name() -> OsString {
    use std::hash::{BuildHasher, RandomState};
    // RandomState is seeded by the kernel; a name needs no more than being unlikely to be taken.
    let number = RandomState::new().hash_one(std::process::id());
    OsString::from(format!("{TEMPORARY_PREFIX}{number:016x}{TEMPORARY_SUFFIX}"))
}

#[cfg(test)]
mod tests;
