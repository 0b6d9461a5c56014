//! Resolving paths below the root.
//!
//! Two ways in: what K3s reads is found as K3s finds it, through any link inside the root. What we change is found
//! through links only where root alone could have put them.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2, readlinkat};
use nix::sys::stat::Mode;

use super::located::Located;
use super::{Attributes, Entry, HostError, Kind, Refusal, Root};

/// As many as the kernel follows (MAXSYMLINKS, path_resolution(7)).
const LINK_LIMIT: usize = 40;

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

/// Which links are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    /// Every link, the last component included.
    All,
    /// Every link but the last component.
    AllButLast,
    /// Links that only root can have made, and none below the sealed directory.
    Trusted,
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
    fn attributes_of(&self, entry: &Entry) -> Attributes {
        let assumed = self.look.as_ref().and_then(|look| look.assumed(entry));
        assumed.unwrap_or_else(|| entry.attributes.clone())
    }
}

/// A walk from the root to the directory of a path.
struct Walk<'a> {
    root: &'a Root,
    path: &'a Path,
    links: Links,
    followed: usize,
    /// The directories entered so far, so that `..` leads back and never above the root.
    at: Vec<(Arc<OwnedFd>, PathBuf)>,
    /// Every directory entered, those that an absolute link led away from too.
    seen: Vec<Seen>,
}

/// A directory on the way.
struct Seen {
    path: PathBuf,
    others_write: bool,
    is_sticky: bool,
}

impl<'a> Walk<'a> {
    const fn new(root: &'a Root, path: &'a Path, links: Links) -> Self {
        Self {
            root,
            path,
            links,
            followed: 0,
            at: Vec::new(),
            seen: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<Option<Located>, HostError> {
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

    fn judged(&self, path: PathBuf, directory: impl AsFd, entry: &Entry) -> Seen {
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

fn links_of(flags: OFlag) -> Links {
    if flags.contains(OFlag::O_NOFOLLOW) {
        Links::AllButLast
    } else {
        Links::All
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
