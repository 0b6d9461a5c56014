//! The room on a file system.

use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::statvfs::fstatvfs;

use super::{HostError, Root};

/// Size and free room of a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total_bytes: u64,
    /// What a process without privilege can still write, as the kubelet counts it.
    pub available_bytes: u64,
}

impl Root {
    /// The file system that a path is on, or would be on: that of its nearest directory that exists. `None` in an image:
    /// it will not run on the file system that it is built on.
    ///
    /// # Errors
    /// When a directory on the way cannot be looked at.
    pub fn space(&self, path: &Path) -> Result<Option<Space>, HostError> {
        if self.pretended_space.is_some() || !self.is_live() {
            return Ok(self.pretended_space);
        }
        for directory in path.ancestors() {
            if let Some(descriptor) = self.open_following(directory, OFlag::O_PATH)? {
                let answer = fstatvfs(&descriptor)
                    .map_err(|errno| HostError::system("measure", directory, errno))?;
                let unit = answer.fragment_size();
                return Ok(Some(Space {
                    total_bytes: answer.blocks().saturating_mul(unit),
                    available_bytes: answer.blocks_available().saturating_mul(unit),
                }));
            }
        }
        Ok(None)
    }

    /// Answers with this room wherever it is asked. For tests, which have one file system only.
    #[must_use]
    pub const fn with_space(mut self, space: Space) -> Self {
        self.pretended_space = Some(space);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_is_that_of_the_nearest_directory_that_exists() {
        let machine = Root::open(Path::new("/")).unwrap();
        let there = machine.space(Path::new("/")).unwrap().unwrap();
        let below = machine
            .space(Path::new("/no-such/directory"))
            .unwrap()
            .unwrap();
        assert!(there.total_bytes > 0 && there.available_bytes <= there.total_bytes);
        assert_eq!(there.total_bytes, below.total_bytes);
    }

    #[test]
    fn an_image_does_not_know_what_it_will_run_on() {
        let directory = tempfile::tempdir().unwrap();
        let image = Root::open(directory.path()).unwrap();
        assert_eq!(image.space(Path::new("/var")).unwrap(), None);
    }
}
