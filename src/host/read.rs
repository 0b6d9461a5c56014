//! Reading files and directories whole.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::{Attributes, Entry, HostError, Kind, Refusal, Root};

/// The largest file that is ever read whole. K3s's own configuration is a few KiB.
pub const READ_LIMIT_BYTES: u64 = 1024 * 1024;

impl Root {
    /// Reads a whole regular file, following links inside the root; `None` if there is none.
    ///
    /// # Errors
    /// When it is no regular file, larger than the limit, or cannot be read.
    pub fn read(&self, path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, HostError> {
        let read = self.read_with_attributes(path, limit_bytes)?;
        Ok(read.map(|(content, _)| content))
    }

    /// Like [`Root::read`], with owner and bits of the very file that was read, so that nobody can exchange it between
    /// the look and the reading.
    ///
    /// # Errors
    /// When it is no regular file, larger than the limit, or cannot be read.
    pub fn read_with_attributes(
        &self,
        path: &Path,
        limit_bytes: u64,
    ) -> Result<Option<(Vec<u8>, Attributes)>, HostError> {
        // O_NONBLOCK: opening a FIFO must not wait for a writer.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
        match self.open_following(path, flags) {
            Ok(Some(descriptor)) => read_regular(descriptor, path, limit_bytes).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(self.explain_unopened(path, error)),
        }
    }

    /// A socket, and a device without a driver, cannot be opened at all (ENXIO); what they are says more.
    fn explain_unopened(&self, path: &Path, error: HostError) -> HostError {
        let unopened = matches!(
            &error,
            HostError::System {
                errno: Errno::ENXIO,
                ..
            }
        );
        match self.kind(path) {
            Ok(Some(found)) if unopened && found != Kind::File => HostError::refused(
                path,
                Refusal::Kind {
                    found: found.name(),
                    expected: Kind::File.name(),
                },
            ),
            _ => error,
        }
    }

    /// Reads a whole regular file that is no link; `None` if nothing is there.
    ///
    /// # Errors
    /// When it is no regular file, larger than the limit, or cannot be read.
    pub fn read_here(&self, path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, HostError> {
        let Some(located) = self.locate(path)? else {
            return Ok(None);
        };
        match located.open(OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
            Ok(descriptor) => {
                read_regular(descriptor, path, limit_bytes).map(|(content, _)| Some(content))
            }
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(HostError::system("open", path, errno)),
        }
    }
}

fn read_regular(
    descriptor: OwnedFd,
    path: &Path,
    limit_bytes: u64,
) -> Result<(Vec<u8>, Attributes), HostError> {
    let entry = Entry::of(&descriptor, path)?;
    if entry.kind != Kind::File {
        let reason = Refusal::Kind {
            found: entry.kind.name(),
            expected: Kind::File.name(),
        };
        return Err(HostError::refused(path, reason));
    }
    let mut content =
        Vec::with_capacity(usize::try_from(entry.size_bytes.min(limit_bytes)).unwrap_or(0));
    File::from(descriptor)
        .take(limit_bytes.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|error| HostError::io("read", path, &error))?;
    if content.len() as u64 > limit_bytes {
        return Err(HostError::refused(path, Refusal::TooLarge { limit_bytes }));
    }
    Ok((content, entry.attributes))
}
