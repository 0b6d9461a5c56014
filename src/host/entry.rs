//! What stands at a path.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use nix::sys::stat::{FileStat, SFlag, fstat};

use super::{Attributes, FileMode, HostError};

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
    /// A block or character device.
    Device,
}

impl Kind {
    /// The word for it in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::File => "regular file",
            Self::Directory => "directory",
            Self::Link => "symbolic link",
            Self::Fifo => "FIFO",
            Self::Socket => "socket",
            Self::Device => "device",
        }
    }
}

/// What stands at a path, as the kernel describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What kind of thing it is.
    pub kind: Kind,
    /// Owner and permission bits.
    pub attributes: Attributes,
    /// Number of names of a file.
    pub hard_links: u64,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Device and inode: what it is, whatever its name.
    pub identity: (u64, u64),
    /// Time of the last change of content, seconds and nanoseconds since 1970.
    pub modified: (i64, i64),
    /// Time of the last change of anything, seconds and nanoseconds since 1970.
    pub changed: (i64, i64),
}

/// What stands at a path, and who else than root could put something else there at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is.
    pub entry: Entry,
    /// The first directory on the way that others write.
    pub exchangeable_in: Option<PathBuf>,
}

impl Entry {
    /// What a descriptor stands for; the path is for the message.
    pub(super) fn of(descriptor: impl AsFd, path: &Path) -> Result<Self, HostError> {
        match fstat(descriptor) {
            Ok(stat) => Ok(Self::new(&stat)),
            Err(errno) => Err(HostError::system("inspect", path, errno)),
        }
    }

    // The integer types of stat differ between 32 and 64 bit machines.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    pub(super) fn new(stat: &FileStat) -> Self {
        let kind = match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFREG => Kind::File,
            SFlag::S_IFDIR => Kind::Directory,
            SFlag::S_IFLNK => Kind::Link,
            SFlag::S_IFIFO => Kind::Fifo,
            SFlag::S_IFSOCK => Kind::Socket,
            _ => Kind::Device,
        };
        Self {
            kind,
            attributes: Attributes {
                mode: FileMode::new(stat.st_mode),
                uid: stat.st_uid,
                gid: stat.st_gid,
            },
            hard_links: stat.st_nlink as u64,
            size_bytes: u64::try_from(stat.st_size).unwrap_or(0),
            identity: (stat.st_dev as u64, stat.st_ino as u64),
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}
