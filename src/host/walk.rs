//! A path walked component by component, each one opened without following it, so that every link on the way is judged.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{OFlag, readlinkat};
use nix::sys::stat::Mode;

use super::located::Located;
use super::{Entry, HostError, Kind, Refusal, Root};

/// As many as the kernel follows (MAXSYMLINKS, path_resolution(7)).
const LINK_LIMIT: usize = 40;

/// Which links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Links {
    /// Every link, the last component included.
    All,
    /// Every link but the last component.
    AllButLast,
    /// Links that only root can have made, and none below the sealed directory.
    Trusted,
}

/// A walk from the root to the directory of a path.
pub(super) struct Walk<'a> {
    root: &'a Root,
    path: &'a Path,
    links: Links,
    followed: usize,
    /// The directories entered so far, so that `..` leads back and never above the root.
    at: Vec<(Arc<OwnedFd>, PathBuf)>,
    /// Every directory entered, those that an absolute link led away from too.
    pub(super) seen: Vec<Seen>,
}

/// A directory on the way.
pub(super) struct Seen {
    pub path: PathBuf,
    pub others_write: bool,
    pub is_sticky: bool,
}

impl<'a> Walk<'a> {
    pub(super) const fn new(root: &'a Root, path: &'a Path, links: Links) -> Self {
        Self {
            root,
            path,
            links,
            followed: 0,
            at: Vec::new(),
            seen: Vec::new(),
        }
    }

    pub(super) fn run(&mut self) -> Result<Option<Located>, HostError> {
        let mut remaining = components(self.path);
        while let Some(component) = remaining.pop() {
            if component == OsStr::new("..") {
                self.at.pop();
                continue;
            }
            let last = remaining.is_empty();
            if last && self.links != Links::All {
                return Ok(Some(self.located(component)));
            }
            let Some((descriptor, entry)) = self.enter(&component)? else {
                // An absent last component is still a name in a directory.
                return if last {
                    Ok(Some(self.located(component)))
                } else {
                    Ok(None)
                };
            };
            match entry.kind {
                Kind::Link => self.follow(&component, &mut remaining)?,
                _ if last => return Ok(Some(self.located(component))),
                Kind::Directory => {
                    let path = self.here().join(&component);
                    let seen = self.judged(path.clone(), &descriptor, &entry);
                    self.seen.push(seen);
                    self.at.push((Arc::new(descriptor), path));
                }
                _ => return Ok(None),
            }
        }
        Ok(Some(self.located(OsString::from("."))))
    }

    pub(super) fn judged(&self, path: PathBuf, directory: impl AsFd, entry: &Entry) -> Seen {
        let attributes = self.root.attributes_of(entry);
        Seen {
            path,
            others_write: self.root.others_write(directory, &attributes),
            is_sticky: attributes.mode.bits() & 0o1000 != 0,
        }
    }

    fn here(&self) -> &Path {
        self.at
            .last()
            .map_or_else(|| Path::new("/"), |(_, path)| path.as_path())
    }

    fn directory(&self) -> &OwnedFd {
        self.at
            .last()
            .map_or(&self.root.descriptor, |(descriptor, _)| descriptor)
    }

    fn enter(&self, name: &OsStr) -> Result<Option<(OwnedFd, Entry)>, HostError> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let path = || self.here().join(name);
        match nix::fcntl::openat(self.directory(), name, flags, Mode::empty()) {
            Ok(descriptor) => {
                let entry = Entry::of(&descriptor, &path())?;
                Ok(Some((descriptor, entry)))
            }
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(HostError::system("open", &path(), errno)),
        }
    }

    fn follow(&mut self, name: &OsStr, remaining: &mut Vec<OsString>) -> Result<(), HostError> {
        let here = self.here().to_path_buf();
        let link = here.join(name);
        let target = readlinkat(self.directory(), name)
            .map_err(|errno| HostError::system("read link", &link, errno))?;
        let target = PathBuf::from(target);
        self.followed += 1;
        if self.followed > LINK_LIMIT {
            return Err(HostError::system("open", self.path, Errno::ELOOP));
        }
        if self.links == Links::Trusted && !self.is_trusted(name, &here)? {
            return Err(HostError::refused(&link, Refusal::SymbolicLink { target }));
        }
        if target.is_absolute() {
            self.at.clear();
        }
        remaining.extend(components(&target));
        Ok(())
    }

    fn is_trusted(&self, name: &OsStr, here: &Path) -> Result<bool, HostError> {
        if self.is_sealed(here)? {
            return Ok(false);
        }
        let directory = Entry::of(self.directory(), here)?;
        let Some((_, link)) = self.enter(name)? else {
            return Ok(false);
        };
        let attributes = self.root.attributes_of(&directory);
        let is_roots = link.attributes.uid == self.root.superuser().0;
        Ok(is_roots && !self.root.others_write(self.directory(), &attributes))
    }

    /// Whether we are below the sealed directory. It may itself lie behind a link, so the directory counts and not its
    /// name.
    fn is_sealed(&self, here: &Path) -> Result<bool, HostError> {
        let Some(sealed) = self.root.sealed.as_deref() else {
            return Ok(false);
        };
        if here.starts_with(sealed) {
            return Ok(true);
        }
        let Some(sealed) = self.root.look_through(sealed)? else {
            return Ok(false);
        };
        for (descriptor, path) in &self.at {
            if Entry::of(descriptor, path)?.identity == sealed.identity {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn located(&mut self, name: OsString) -> Located {
        let parent = match self.at.pop() {
            Some((descriptor, _)) => descriptor,
            None => Arc::clone(&self.root.descriptor),
        };
        Located { parent, name }
    }
}

/// Names of a path in reverse, so that the next one is popped.
fn components(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|component| match component {
            Component::Normal(name) => Some(name.to_os_string()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}
