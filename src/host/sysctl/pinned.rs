//! A kernel parameter that stays open.
//!
//! The descriptor does two things: it keeps the kernel from forgetting the entry, and an inotify watch with it (the
//! watch of a reclaimed procfs entry dies without a word), and a read through it costs a microsecond.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::host::HostError;

/// The values that we hold are numbers; of a longer one the beginning tells whether it changed.
const VALUE_LIMIT_BYTES: usize = 512;

/// A kernel parameter that stays open.
#[derive(Debug)]
pub struct PinnedSysctl {
    file: File,
    path: PathBuf,
}

impl PinnedSysctl {
    pub(super) fn new(descriptor: OwnedFd, path: PathBuf) -> Self {
        Self {
            file: File::from(descriptor),
            path,
        }
    }

    /// The value now, without its line end.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub fn read(&self) -> Result<String, HostError> {
        let mut buffer = [0_u8; VALUE_LIMIT_BYTES];
        let length = self
            .file
            .read_at(&mut buffer, 0)
            .map_err(|error| HostError::io("read", &self.path, &error))?;
        let text = String::from_utf8_lossy(buffer.get(..length).unwrap_or_default());
        Ok(text.trim_end_matches(['\n', '\r']).to_owned())
    }
}

impl AsFd for PinnedSysctl {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
