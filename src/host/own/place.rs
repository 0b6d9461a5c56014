//! Where a directory of ours is, or will be.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, fstat, mkdirat};

use super::directory::OwnDirectory;
use super::{RUNTIME, STATE, tighten};
use crate::host::{Durability, FileMode, HostError, Refusal, Root};

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

impl OwnPlace {
    /// [`STATE`] below the root.
    ///
    /// # Errors
    /// As [`OwnPlace::below`].
    pub fn state(root: &Root) -> Result<Self, HostError> {
        Self::below(root, Path::new(STATE), FileMode::new(0o700))
    }

    /// [`RUNTIME`] below the root.
    ///
    /// # Errors
    /// As [`OwnPlace::below`].
    pub fn runtime(root: &Root) -> Result<Self, HostError> {
        Self::below(root, Path::new(RUNTIME), FileMode::new(0o755))
    }

    /// A place below the root; nothing is created yet. `mode` is the most that the directory may grant.
    ///
    /// # Errors
    /// When the root's descriptor cannot be duplicated.
    pub fn below(root: &Root, path: &Path, mode: FileMode) -> Result<Self, HostError> {
        // Links that root alone can have made lead on: `/var` on a data disk is normal. From the nearest directory that
        // is there none is followed.
        let root = root.outside_look();
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
        Err(HostError::system("open", path, Errno::ENOENT))
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
            None => Err(HostError::system(
                "create directory",
                &self.path,
                Errno::ENOENT,
            )),
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
            let stat =
                fstat(&current).map_err(|errno| HostError::system("inspect", &seen, errno))?;
            tighten(&current, &stat, self.mode, &seen)?;
        }
        Ok(Some(OwnDirectory::new(current, seen, self.durability)))
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
            Ok(target) => HostError::refused(
                seen,
                Refusal::SymbolicLink {
                    target: PathBuf::from(target),
                },
            ),
            Err(_) => HostError::refused(
                seen,
                Refusal::Kind {
                    found: "file",
                    expected: "directory",
                },
            ),
        }),
        Err(errno) => Err(HostError::system("open", seen, errno)),
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
        Err(errno) => return Err(HostError::system("create directory", seen, errno)),
    }
    if durability == Durability::Synced {
        nix::unistd::fsync(parent)
            .map_err(|errno| HostError::system("sync the parent of", seen, errno))?;
    }
    open_directory(parent.as_fd(), name, seen)
}

#[cfg(test)]
mod tests {
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
