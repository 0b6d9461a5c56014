//! Files of our own below the root: a directory that only its owner enters, appended to, synced, never through a link.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat, renameat};
use nix::sys::stat::{FileStat, Mode, fchmod, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{Durability, Entry, FileMode, HostError, Kind, Refusal, Root};

/// Where a directory of ours is, or will be at the first need.
#[derive(Debug)]
pub struct OwnPlace {
    /// The nearest directory that was there: the place's parent, or the root.
    start: Arc<OwnedFd>,
    start_path: PathBuf,
    path: PathBuf,
    mode: FileMode,
    durability: Durability,
}

/// A directory of ours that is there.
#[derive(Debug)]
pub struct OwnDirectory {
    descriptor: OwnedFd,
    path: PathBuf,
    durability: Durability,
}

/// An open file of ours, mode 0600.
#[derive(Debug)]
pub struct OwnFile {
    file: File,
    path: PathBuf,
    identity: FileIdentity,
    durability: Durability,
}

/// Which file a name stands for: tells whether somebody renamed another over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    const fn of(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// Only if it is there.
    Existing,
    /// Created empty if it is not there.
    OrCreate,
}

impl OwnPlace {
    /// A place below the root; nothing is created yet. `mode` is the most that the directory may grant.
    ///
    /// # Errors
    /// When the root's descriptor cannot be duplicated.
    pub fn below(root: &Root, path: &Path, mode: FileMode) -> Result<Self, HostError> {
        // Links that root alone can have made lead on: `/var` on a data disk is normal. From the nearest directory that
        // is there none is followed.
        for below in path.ancestors() {
            if let (Some(located), Some(parent)) = (root.locate(below)?, below.parent()) {
                return Ok(Self {
                    start: located.parent,
                    start_path: parent.to_path_buf(),
                    path: path.to_path_buf(),
                    mode,
                    durability: root.durability,
                });
            }
        }
        Err(system("open", path, Errno::ENOENT))
    }

    /// The path as seen inside the root.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the directory; `None` if it is not there.
    ///
    /// # Errors
    /// When a link or something else stands in the way, or the kernel refuses.
    pub fn open(&self) -> Result<Option<OwnDirectory>, HostError> {
        self.walk(false)
    }

    /// Opens the directory and creates what is missing; what was created is synced into its parent.
    ///
    /// # Errors
    /// As [`OwnPlace::open`].
    pub fn create(&self) -> Result<OwnDirectory, HostError> {
        match self.walk(true)? {
            Some(directory) => Ok(directory),
            None => Err(system("create directory", &self.path, Errno::ENOENT)),
        }
    }

    fn walk(&self, create: bool) -> Result<Option<OwnDirectory>, HostError> {
        let mut seen = self.start_path.clone();
        let mut current = open_directory(self.start.as_fd(), Path::new("."), &seen)?;
        let rest = self
            .path
            .strip_prefix(&self.start_path)
            .unwrap_or(&self.path);
        let names = rest.components().filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        });
        let mut created = false;
        for name in names {
            seen.push(name);
            created = false;
            current = match open_directory(current.as_fd(), Path::new(name), &seen) {
                Err(HostError::System {
                    errno: Errno::ENOENT,
                    ..
                }) if create => {
                    created = true;
                    let mode = if seen == self.path {
                        self.mode
                    } else {
                        FileMode::new(0o755)
                    };
                    create_directory(&current, Path::new(name), &seen, mode, self.durability)?
                }
                Err(HostError::System {
                    errno: Errno::ENOENT,
                    ..
                }) => return Ok(None),
                other => other?,
            };
        }
        if !created {
            let stat = fstat(&current).map_err(|errno| system("inspect", &seen, errno))?;
            tighten(&current, &stat, self.mode, &seen)?;
        }
        Ok(Some(OwnDirectory {
            descriptor: current,
            path: seen,
            durability: self.durability,
        }))
    }
}

impl OwnDirectory {
    /// Opens a regular file of ours for reading and appending (`write_at` for files that are not appended to).
    /// On a read-only mount it is opened for reading alone. Looser modes than 0600 are tightened.
    ///
    /// # Errors
    /// When a link, a FIFO, a device or a file with several names stands there, or the kernel refuses.
    pub fn open_file(
        &self,
        name: &str,
        append: bool,
        opening: Opening,
    ) -> Result<Option<OwnFile>, HostError> {
        let append = if append {
            OFlag::O_APPEND
        } else {
            OFlag::empty()
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
        self.remove(name)?;
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
            .map_err(|errno| system("rename", &self.path.join(from), errno))
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self, name: &str) -> Result<(), HostError> {
        match unlinkat(&self.descriptor, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(system("remove", &self.path.join(name), errno)),
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
        nix::unistd::fsync(&self.descriptor).map_err(|errno| system("sync", &self.path, errno))
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
            Err(errno) => Err(system("inspect", &self.path.join(name), errno)),
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
        let stat = fstat(&file).map_err(|errno| system("inspect", &path, errno))?;
        let entry = Entry::new(&stat);
        if entry.kind != Kind::File {
            let (found, expected) = (entry.kind.name(), Kind::File.name());
            return Err(refused(&path, Refusal::Kind { found, expected }));
        }
        if entry.hard_links > 1 {
            let count = entry.hard_links;
            return Err(refused(&path, Refusal::HardLinks { count }));
        }
        tighten(&file, &stat, FileMode::new(0o600), &path)?;
        Ok(OwnFile {
            file,
            path,
            identity: FileIdentity::of(&stat),
            durability: self.durability,
        })
    }

    fn explain(&self, name: &str, errno: Errno) -> HostError {
        let path = self.path.join(name);
        if errno == Errno::ELOOP
            && let Ok(target) = readlinkat(&self.descriptor, name)
        {
            let target = PathBuf::from(target);
            return refused(&path, Refusal::SymbolicLink { target });
        }
        system("open", &path, errno)
    }
}

impl OwnFile {
    /// The path as seen inside the root.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Which file this is, whatever its name stands for by now.
    #[must_use]
    pub const fn identity(&self) -> FileIdentity {
        self.identity
    }

    /// Size in bytes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn size_bytes(&self) -> Result<u64, HostError> {
        Ok(self.metadata()?.len())
    }

    /// Writes all bytes at the end.
    ///
    /// # Errors
    /// When the kernel refuses; a part may have been written.
    pub fn append(&self, bytes: &[u8]) -> Result<(), HostError> {
        let written = (&self.file).write_all(bytes);
        written.map_err(|error| failed("append to", &self.path, &error))
    }

    /// Writes all bytes at an offset; not for files that were opened for appending.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), HostError> {
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(|error| failed("write", &self.path, &error))
    }

    /// Reads exactly as many bytes from an offset.
    ///
    /// # Errors
    /// When the kernel refuses or the file is shorter.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, HostError> {
        let mut bytes = vec![0; length];
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map_err(|error| failed("read", &self.path, &error))?;
        Ok(bytes)
    }

    /// A reader from an offset that shares no position with anybody.
    #[must_use]
    pub fn reader(&self, offset: u64) -> impl Read + '_ {
        ReaderAt {
            file: &self.file,
            offset,
        }
    }

    /// Cuts the file to a length.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn truncate(&self, length: u64) -> Result<(), HostError> {
        let cut = self.file.set_len(length);
        cut.map_err(|error| failed("truncate", &self.path, &error))
    }

    /// Makes content and size durable.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn sync(&self) -> Result<(), HostError> {
        if self.durability == Durability::PageCache {
            return Ok(());
        }
        let synced = self.file.sync_data();
        synced.map_err(|error| failed("sync", &self.path, &error))
    }

    /// The plain file, for locks.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    fn metadata(&self) -> Result<std::fs::Metadata, HostError> {
        let metadata = self.file.metadata();
        metadata.map_err(|error| failed("inspect", &self.path, &error))
    }
}

struct ReaderAt<'a> {
    file: &'a File,
    offset: u64,
}

impl Read for ReaderAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

fn open_directory(
    parent: impl AsFd + Copy,
    name: &Path,
    seen: &Path,
) -> Result<OwnedFd, HostError> {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    match openat(parent, name, flags, Mode::empty()) {
        Ok(descriptor) => Ok(descriptor),
        Err(Errno::ELOOP | Errno::ENOTDIR) => Err(match readlinkat(parent, name) {
            Ok(target) => refused(
                seen,
                Refusal::SymbolicLink {
                    target: PathBuf::from(target),
                },
            ),
            Err(_) => refused(
                seen,
                Refusal::Kind {
                    found: "file",
                    expected: "directory",
                },
            ),
        }),
        Err(errno) => Err(system("open", seen, errno)),
    }
}

fn create_directory(
    parent: &OwnedFd,
    name: &Path,
    seen: &Path,
    mode: FileMode,
    durability: Durability,
) -> Result<OwnedFd, HostError> {
    match mkdirat(parent, name, Mode::from_bits_truncate(mode.bits())) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(system("create directory", seen, errno)),
    }
    if durability == Durability::Synced {
        nix::unistd::fsync(parent).map_err(|errno| system("sync the parent of", seen, errno))?;
    }
    open_directory(parent.as_fd(), name, seen)
}

/// Takes away what is granted beyond the limit. Only the owner can; anybody else sees what there is to see.
fn tighten(
    opened: impl AsFd,
    stat: &FileStat,
    limit: FileMode,
    path: &Path,
) -> Result<(), HostError> {
    let mode = FileMode::new(stat.st_mode);
    if mode.within(limit) || stat.st_uid != nix::unistd::geteuid().as_raw() {
        return Ok(());
    }
    let tight = Mode::from_bits_truncate(mode.intersection(limit).bits());
    match fchmod(opened, tight) {
        Err(errno) if errno != Errno::EROFS => Err(system("change the mode of", path, errno)),
        _ => Ok(()),
    }
}

fn refused(path: &Path, reason: Refusal) -> HostError {
    HostError::Refused {
        path: path.to_path_buf(),
        reason,
    }
}

fn system(operation: &'static str, path: &Path, errno: Errno) -> HostError {
    HostError::System {
        operation,
        path: path.to_path_buf(),
        errno,
    }
}

fn failed(operation: &'static str, path: &Path, error: &io::Error) -> HostError {
    system(operation, path, errno_of(error))
}

/// A short write or read has no errno of its own.
fn errno_of(error: &io::Error) -> Errno {
    match (error.raw_os_error(), error.kind()) {
        (Some(raw), _) => Errno::from_raw(raw),
        (None, io::ErrorKind::WriteZero) => Errno::ENOSPC,
        (None, _) => Errno::EIO,
    }
}

#[cfg(test)]
mod link_tests {
    use super::*;

    #[test]
    fn a_link_on_the_way_that_root_made_is_followed() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("data")).unwrap();
        std::os::unix::fs::symlink("/data", tree.path().join("var")).unwrap();
        let root = Root::open(tree.path()).unwrap();
        let place = OwnPlace::below(&root, Path::new("/var/lib/ours"), FileMode::new(0o700));
        place.unwrap().create().unwrap();
        assert!(tree.path().join("data/lib/ours").is_dir());
    }
}
