//! Resolving paths below the root.
//!
//! Two ways in: what K3s reads is found as K3s finds it, through any link inside the root. What we change is found
//! through links only where root alone could have put them.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

use super::located::Located;
use super::walk::{Links, Walk};
use super::{Attributes, Entry, HostError, Root};

/// Attempts before a path is walked, which has no race to lose.
const AGAIN_LIMIT: usize = 32;

/// How paths are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resolver {
    /// One system call, openat2(2), Linux 5.6.
    Openat2,
    /// Component by component with `O_PATH|O_NOFOLLOW`: an older kernel, or the filter of `RestrictSUIDSGID=` in our
    /// own unit, which lets openat2 answer ENOSYS because it cannot look into its argument structure.
    Walk,
}

/// The directory that holds a path, and the first one on the way there that others than root write.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// `None` if there is no such directory.
    pub parent: Option<Arc<OwnedFd>>,
    pub writable: Option<PathBuf>,
}

impl Root {
    fn resolver(&self) -> Resolver {
        if self.without_openat2.load(Ordering::Relaxed) {
            Resolver::Walk
        } else {
            Resolver::Openat2
        }
    }

    /// Opens a path by one system call; `None` where it has to be walked.
    fn at_once(&self, path: &Path, how: OpenHow) -> Option<Result<OwnedFd, Errno>> {
        if self.resolver() == Resolver::Walk {
            return None;
        }
        for _ in 0..AGAIN_LIMIT {
            match openat2(&self.descriptor, relative(path), how) {
                // Something was renamed anywhere on the machine while a `..` was followed: the kernel asks for another try.
                Err(Errno::EAGAIN) => {}
                Err(Errno::ENOSYS) => {
                    self.without_openat2.store(true, Ordering::Relaxed);
                    return None;
                }
                answer => return Some(answer),
            }
        }
        None
    }

    /// Opens what a path names through any link inside the root.
    pub(super) fn open_following(
        &self,
        path: &Path,
        flags: OFlag,
    ) -> Result<Option<OwnedFd>, HostError> {
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(resolve);
        let answer = match self.at_once(path, how) {
            Some(answer) => answer,
            None => match self.walk(path, links_of(flags))? {
                Some(located) => {
                    let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                    let name = located.name.as_os_str();
                    nix::fcntl::openat(&located.parent, name, flags, Mode::empty())
                }
                None => return Ok(None),
            },
        };
        match answer {
            Ok(descriptor) => Ok(Some(descriptor)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(HostError::system("open", path, errno)),
        }
    }

    /// Finds the directory that holds a path which may be changed; `None` if that directory is absent.
    pub(super) fn locate(&self, path: &Path) -> Result<Option<Located>, HostError> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return self.walk(path, Links::Trusted);
        };
        if let Some(look) = &self.look {
            let name = name.to_os_string();
            let way = look.way_into(directory, || self.way_to(path))?;
            return Ok(way.parent.map(|parent| Located { parent, name }));
        }
        let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_SYMLINKS;
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let how = OpenHow::new().flags(flags).resolve(resolve);
        match self.at_once(directory, how) {
            Some(Ok(parent)) => {
                let (parent, name) = (Arc::new(parent), name.to_os_string());
                return Ok(Some(Located { parent, name }));
            }
            Some(Err(Errno::ENOENT | Errno::ENOTDIR)) => return Ok(None),
            // A link on the way: the walk judges whether it may be followed.
            None | Some(Err(Errno::ELOOP)) => {}
            Some(Err(errno)) => return Err(HostError::system("open", directory, errno)),
        }
        self.walk(path, Links::Trusted)
    }

    fn walk(&self, path: &Path, links: Links) -> Result<Option<Located>, HostError> {
        Walk::new(self, path, links).run()
    }

    /// Who else than root could exchange what stands at a path: the first directory on the way that others write,
    /// the directories that links on the way lead through included.
    ///
    /// # Errors
    /// When a directory on the way cannot be looked at, or a link on the way may not be followed.
    pub fn writable_parent(&self, path: &Path) -> Result<Option<PathBuf>, HostError> {
        let way = match (&self.look, path.parent()) {
            (Some(look), Some(directory)) => look.way_into(directory, || self.way_to(path))?,
            _ => self.way_to(path)?,
        };
        Ok(way.writable)
    }

    /// The way to a path that is about to be changed. What a look remembers of the directories above is good enough within
    /// one run, since nobody but root can have exchanged them since; the directory itself, by whose descriptor the change
    /// is made, is judged anew each time. A look that takes directories to be other than they are is no ground for a
    /// change.
    pub(super) fn way_for_change(&self, path: &Path) -> Result<Way, HostError> {
        let (Some(look), Some(directory)) = (&self.look, path.parent()) else {
            return self.way_to(path);
        };
        if look.assumes() {
            return self.outside_look().way_to(path);
        }
        let mut way = look.way_into(directory, || self.way_to(path))?;
        if let Some(parent) = &way.parent {
            let entry = Entry::of(parent.as_ref(), directory)?;
            if self.others_write(parent.as_ref(), &entry.attributes) {
                way.writable.get_or_insert_with(|| directory.to_path_buf());
            }
        }
        Ok(way)
    }

    /// Walks to the directory of a path, and judges each one on the way by its descriptor. Links that others than root
    /// may have made are refused.
    pub(super) fn way_to(&self, path: &Path) -> Result<Way, HostError> {
        let top = Entry::of(&*self.descriptor, Path::new("/"))?;
        let mut walk = Walk::new(self, path, Links::Trusted);
        let seen = walk.judged(PathBuf::from("/"), &*self.descriptor, &top);
        walk.seen.push(seen);
        let located = walk.run()?;
        let last = walk.seen.len().saturating_sub(1);
        let mut seen = walk.seen.into_iter().enumerate();
        let writable = seen.find(|(index, directory)| {
            // Others cannot exchange root's entries of a sticky directory; they can make new ones there first.
            let above = *index != last || located.is_none();
            directory.others_write && !(directory.is_sticky && above)
        });
        Ok(Way {
            parent: located.map(|located| located.parent),
            writable: writable.map(|(_, directory)| directory.path),
        })
    }

    /// Owner and bits of a directory on the way: those it has, or those that a look takes it to have.
    pub(super) fn attributes_of(&self, entry: &Entry) -> Attributes {
        let assumed = self.look.as_ref().and_then(|look| look.assumed(entry));
        assumed.unwrap_or_else(|| entry.attributes.clone())
    }
}

fn links_of(flags: OFlag) -> Links {
    if flags.contains(OFlag::O_NOFOLLOW) {
        Links::AllButLast
    } else {
        Links::All
    }
}

fn relative(path: &Path) -> &Path {
    let relative = path.strip_prefix("/").unwrap_or(path);
    if relative.as_os_str().is_empty() {
        Path::new(".")
    } else {
        relative
    }
}

#[cfg(test)]
mod tests;
