//! What stands at a path, without reading it: found as K3s finds it, or with links only where root alone could have put
//! them.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, readlinkat};

use super::located::Located;
use super::{Entry, Found, HostError, Kind, Root};

impl Root {
    /// A descriptor that names a directory and what it is, links to it followed inside the root; `None` if there is no
    /// such directory. It can be watched, not read.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn directory_descriptor(&self, path: &Path) -> Result<Option<(OwnedFd, Entry)>, HostError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let Some(descriptor) = self.open_following(path, flags)? else {
            return Ok(None);
        };
        let entry = Entry::of(&descriptor, path)?;
        Ok((entry.kind == Kind::Directory).then_some((descriptor, entry)))
    }

    /// Where a directory really is, all links on the way followed inside the root; `None` if there is no such directory.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn real_directory(&self, path: &Path) -> Result<Option<PathBuf>, HostError> {
        let Some((descriptor, _)) = self.directory_descriptor(path)? else {
            return Ok(None);
        };
        // The kernel's own name for an open directory, proc_pid_fd(5).
        let name = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        let real = std::fs::read_link(name).map_err(|error| HostError::io("find", path, &error))?;
        let inside = real.strip_prefix(&self.directory).ok();
        Ok(inside.map(|inside| Path::new("/").join(inside)))
    }

    /// What kind of thing a path names, following links inside the root; `None` if nothing.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn kind(&self, path: &Path) -> Result<Option<Kind>, HostError> {
        Ok(self.look_through(path)?.map(|entry| entry.kind))
    }

    /// What a name itself is, found as K3s finds it, a link not followed at the end; `None` if there is no such name.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn kind_of_name(&self, path: &Path) -> Result<Option<Kind>, HostError> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let Some(descriptor) = self.open_following(path, flags)? else {
            return Ok(None);
        };
        Ok(Some(Entry::of(&descriptor, path)?.kind))
    }

    /// Where a symbolic link points, found as systemd finds it; `None` if the name is none.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn link_target(&self, path: &Path) -> Result<Option<PathBuf>, HostError> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let Some(descriptor) = self.open_following(path, flags)? else {
            return Ok(None);
        };
        // An empty name reads the link that the descriptor itself stands for; EINVAL and ENOENT: it is none.
        match readlinkat(&descriptor, "") {
            Ok(target) => Ok(Some(target.into())),
            Err(Errno::EINVAL | Errno::ENOENT) => Ok(None),
            Err(errno) => Err(HostError::system("read link", path, errno)),
        }
    }

    /// What a path names, following links inside the root; `None` if nothing.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn look_through(&self, path: &Path) -> Result<Option<Entry>, HostError> {
        let Some(descriptor) = self.open_following(path, OFlag::O_PATH)? else {
            return Ok(None);
        };
        Entry::of(&descriptor, path).map(Some)
    }

    /// What stands at a path itself: a link is a link; `None` if nothing.
    ///
    /// # Errors
    /// When it cannot be looked at, or a link on the way may not be followed.
    pub fn look(&self, path: &Path) -> Result<Option<Entry>, HostError> {
        let Some(located) = self.locate(path)? else {
            return Ok(None);
        };
        located.look(path)
    }

    /// The same, with who else could exchange it: one way there for both answers.
    ///
    /// # Errors
    /// As [`Root::look`] and [`Root::writable_parent`].
    pub fn find(&self, path: &Path) -> Result<Option<Found>, HostError> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            let exchangeable_in = self.writable_parent(path)?;
            let entry = self.look(path)?;
            return Ok(entry.map(|entry| Found {
                entry,
                exchangeable_in,
            }));
        };
        let way = match &self.look {
            Some(look) => look.way_into(directory, || self.way_to(path))?,
            None => self.way_to(path)?,
        };
        let Some(parent) = way.parent else {
            return Ok(None);
        };
        let name = name.to_os_string();
        let entry = Located { parent, name }.look(path)?;
        Ok(entry.map(|entry| Found {
            entry,
            exchangeable_in: way.writable,
        }))
    }

    /// Where a link points; `None` if nothing is there.
    ///
    /// # Errors
    /// When it is no link or cannot be read.
    pub fn read_link(&self, path: &Path) -> Result<Option<PathBuf>, HostError> {
        let Some(located) = self.locate(path)? else {
            return Ok(None);
        };
        match readlinkat(&located.parent, located.name.as_os_str()) {
            Ok(target) => Ok(Some(PathBuf::from(target))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(HostError::system("read link", path, errno)),
        }
    }
}
