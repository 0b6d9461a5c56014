//! A file of ours, mode 0600.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::FileStat;

use crate::host::{Durability, HostError};

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
    pub(super) const fn of(stat: &FileStat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
        }
    }
}

/// What the kernel says of a file's content without looking at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileState {
    /// Size in bytes.
    pub size_bytes: u64,
    /// When content or attributes were changed last (`st_ctime`), which nobody can set: seconds and nanoseconds.
    changed_at: (i64, i64),
}

impl OwnFile {
    pub(super) const fn new(
        file: File,
        path: PathBuf,
        stat: &FileStat,
        durability: Durability,
    ) -> Self {
        Self {
            file,
            path,
            identity: FileIdentity::of(stat),
            durability,
        }
    }

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

    /// Size and time of the last change.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn state(&self) -> Result<FileState, HostError> {
        use std::os::unix::fs::MetadataExt;
        let metadata = self.metadata()?;
        Ok(FileState {
            size_bytes: metadata.len(),
            changed_at: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Writes all bytes at the end.
    ///
    /// # Errors
    /// When the kernel refuses; a part may have been written.
    pub fn append(&self, bytes: &[u8]) -> Result<(), HostError> {
        let written = (&self.file).write_all(bytes);
        written.map_err(
            |error| match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
                // Where the disk is read-only it was opened for reading, see `OwnDirectory::open_file`.
                Errno::EBADF => HostError::system("append to", &self.path, Errno::EROFS),
                _ => HostError::io("append to", &self.path, &error),
            },
        )
    }

    /// Writes all bytes at an offset; not for files that were opened for appending.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), HostError> {
        let written = self.file.write_all_at(bytes, offset);
        written.map_err(|error| HostError::io("write", &self.path, &error))
    }

    /// Reads exactly as many bytes from an offset.
    ///
    /// # Errors
    /// When the kernel refuses or the file is shorter.
    pub fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>, HostError> {
        let mut bytes = vec![0; length];
        let read = self.file.read_exact_at(&mut bytes, offset);
        read.map_err(|error| HostError::io("read", &self.path, &error))?;
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
        cut.map_err(|error| HostError::io("truncate", &self.path, &error))
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
        synced.map_err(|error| HostError::io("sync", &self.path, &error))
    }

    /// The plain file, for locks.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    fn metadata(&self) -> Result<std::fs::Metadata, HostError> {
        let metadata = self.file.metadata();
        metadata.map_err(|error| HostError::io("inspect", &self.path, &error))
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
