//! The watches that are in place: one inotify instance, directories and kernel parameters.
//!
//! Watches are placed on descriptors that the root has resolved, so that a link leads where it leads K3s.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::{Path, PathBuf};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};

use super::index::Index;
use super::posts::{Identity, Post, survey};
use crate::host::sysctl::PinnedSysctl;
use crate::host::{HostError, Root, SysctlKey};

/// Directories that appear while the watches are being placed are found in the next round. More than this and the
/// caller comes again soon.
const ROUNDS: usize = 4;
/// Many events fit; more are read in the next turn of the loop.
const BUFFER_BYTES: usize = 8 << 10;

/// The watches that are in place.
#[derive(Debug)]
pub struct Arms {
    inotify: Inotify,
    armed: HashMap<WatchDescriptor, Armed>,
    /// Which watch is on a directory; none while it does not exist.
    directories: BTreeMap<PathBuf, Option<WatchDescriptor>>,
    /// Directories that moved since the watches were last placed; they may be back where they were.
    moved: BTreeSet<PathBuf>,
    buffer: Vec<u8>,
}

/// What one watch is on.
#[derive(Debug)]
enum Armed {
    Directory(Post),
    Key(SysctlKey),
}

/// Why no watch can be placed.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// The kernel gives no more watches or instances.
    #[error(
        "inotify is exhausted ({0}); fs.inotify.max_user_instances or max_user_watches is too low"
    )]
    Exhausted(io::Error),
    /// The host refused.
    #[error(transparent)]
    Host(#[from] HostError),
}

/// What placing the watches found.
#[derive(Debug, Default)]
pub struct Placed {
    /// Directories that are not the same as before, which have to be judged as a whole.
    pub changed: Vec<PathBuf>,
    /// The last look still saw something move: to be placed again soon.
    pub unsettled: bool,
}

/// What a batch of events says.
#[derive(Debug, Default)]
pub struct Events {
    /// Names that changed, with the directory that they are in.
    pub names: BTreeSet<(PathBuf, OsString)>,
    /// Kernel parameters that were written.
    pub keys: BTreeSet<SysctlKey>,
    /// The watches have to be placed again: a directory came or went.
    pub structure: bool,
    /// Events were lost.
    pub overflow: bool,
}

impl Events {
    /// Whether nothing that we hold was named.
    #[must_use]
    pub fn concern_nobody(&self) -> bool {
        self.names.is_empty() && self.keys.is_empty() && !self.structure && !self.overflow
    }

    /// Takes in one event of a watched directory.
    fn take(&mut self, post: &Post, mask: EventMask, name: Option<&OsStr>, index: &Index) {
        let gone =
            EventMask::DELETE_SELF | EventMask::MOVE_SELF | EventMask::UNMOUNT | EventMask::IGNORED;
        self.structure |= mask.intersects(gone);
        let Some(name) = name else { return };
        self.structure |= post.awaited.contains(name);
        for (directory, _) in &post.directories {
            if index.of_name(directory, name).next().is_some() {
                self.names.insert((directory.clone(), name.to_os_string()));
            }
        }
    }
}

impl Arms {
    /// Asks the kernel for an instance; nothing is watched yet.
    ///
    /// # Errors
    /// When there are too many instances or descriptors.
    pub fn new() -> Result<Self, ArmError> {
        Ok(Self {
            inotify: Inotify::init().map_err(ArmError::Exhausted)?,
            armed: HashMap::new(),
            directories: BTreeMap::new(),
            moved: BTreeSet::new(),
            buffer: vec![0; BUFFER_BYTES],
        })
    }

    /// The descriptor that is readable when there are events.
    #[must_use]
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Places the watches on directories as they are now.
    ///
    /// # Errors
    /// When the kernel gives no more watches.
    pub fn place(&mut self, root: &Root, index: &Index) -> Result<Placed, ArmError> {
        let mut posts = survey(root, index)?;
        // What an event named while the way to it was away was not found then.
        let moved = std::mem::take(&mut self.moved);
        let is_below = |directory: &Path| moved.iter().any(|moved| directory.starts_with(moved));
        let directories = index.directories().map(|(directory, _)| directory);
        let mut changed: BTreeSet<PathBuf> = directories
            .filter(|directory| is_below(directory))
            .map(Path::to_path_buf)
            .collect();
        let mut unsettled = true;
        for _ in 0..ROUNDS {
            changed.extend(self.place_once(root, index, &posts)?);
            // Whatever appeared before its watch was in place raised no event.
            let again = survey(root, index)?;
            unsettled = again != posts;
            if !unsettled {
                break;
            }
            posts = again;
        }
        Ok(Placed {
            changed: changed.into_iter().collect(),
            unsettled,
        })
    }

    fn place_once(
        &mut self,
        root: &Root,
        index: &Index,
        posts: &BTreeMap<Identity, Post>,
    ) -> Result<Vec<PathBuf>, ArmError> {
        let mut armed: HashMap<WatchDescriptor, Armed> = HashMap::new();
        let mut directories: BTreeMap<PathBuf, Option<WatchDescriptor>> = BTreeMap::new();
        for (identity, post) in posts {
            let Some(path) = post.paths.first() else {
                continue;
            };
            let Some((descriptor, entry)) = root.directory_descriptor(path)? else {
                continue;
            };
            if entry.identity != *identity {
                continue;
            }
            let watch = self.add(descriptor.as_fd(), post.mask() | WatchMask::ONLYDIR)?;
            for (directory, _) in &post.directories {
                directories.insert(directory.clone(), Some(watch.clone()));
            }
            armed.insert(watch, Armed::Directory(post.clone()));
        }
        for (directory, _) in index.directories() {
            directories.entry(directory.to_path_buf()).or_insert(None);
        }
        let changed = directories
            .iter()
            .filter(|(directory, watch)| self.directories.get(*directory) != Some(*watch))
            .map(|(directory, _)| directory.clone())
            .collect();
        self.exchange(armed);
        self.directories = directories;
        Ok(changed)
    }

    /// Watches a kernel parameter through the descriptor that keeps it in memory.
    ///
    /// # Errors
    /// When the kernel gives no more watches.
    pub fn watch_key(&mut self, key: &SysctlKey, pinned: &PinnedSysctl) -> Result<(), ArmError> {
        let watch = self.add(pinned.as_fd(), WatchMask::MODIFY)?;
        self.armed.insert(watch, Armed::Key(key.clone()));
        Ok(())
    }

    /// Removes the watches of kernel parameters, before others are placed.
    pub fn forget_keys(&mut self) {
        let keys: Vec<WatchDescriptor> = self
            .armed
            .iter()
            .filter(|(_, armed)| matches!(armed, Armed::Key(_)))
            .map(|(watch, _)| watch.clone())
            .collect();
        for watch in keys {
            self.armed.remove(&watch);
            let _ = self.inotify.watches().remove(watch);
        }
    }

    fn add(
        &mut self,
        descriptor: BorrowedFd<'_>,
        mask: WatchMask,
    ) -> Result<WatchDescriptor, ArmError> {
        let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        let added = self.inotify.watches().add(&path, mask);
        added.map_err(
            |error| match error.raw_os_error().map(nix::errno::Errno::from_raw) {
                Some(nix::errno::Errno::ENOSPC | nix::errno::Errno::ENOMEM) => {
                    ArmError::Exhausted(error)
                }
                _ => ArmError::Host(HostError::io("watch", Path::new(&path), &error)),
            },
        )
    }

    fn exchange(&mut self, directories: HashMap<WatchDescriptor, Armed>) {
        let old = std::mem::replace(&mut self.armed, directories);
        for (watch, armed) in old {
            match armed {
                Armed::Key(_) => {
                    self.armed.insert(watch, armed);
                }
                // One that died by itself cannot be removed any more, which is as good.
                Armed::Directory(_) if !self.armed.contains_key(&watch) => {
                    let _ = self.inotify.watches().remove(watch);
                }
                Armed::Directory(_) => {}
            }
        }
    }

    /// Reads what there is, one buffer at most, so that the first event is answered before the last is read.
    /// `None`: there is nothing to read.
    ///
    /// # Errors
    /// When the kernel refuses to tell, which it never should.
    pub fn read(&mut self, index: &Index) -> io::Result<Option<Events>> {
        let mut seen = Events::default();
        let events = match self.inotify.read_events(&mut self.buffer) {
            Ok(events) => events,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut dead = Vec::new();
        for event in events {
            if event.mask.contains(EventMask::Q_OVERFLOW) {
                seen.overflow = true;
                continue;
            }
            if event.mask.contains(EventMask::IGNORED) {
                dead.push(event.wd.clone());
            }
            match self.armed.get(&event.wd) {
                Some(Armed::Key(key)) => {
                    seen.keys.insert(key.clone());
                }
                Some(Armed::Directory(post)) => {
                    if event.mask.contains(EventMask::MOVE_SELF) {
                        self.moved.extend(post.paths.iter().cloned());
                    }
                    seen.take(post, event.mask, event.name, index);
                }
                None => {}
            }
        }
        for watch in dead {
            self.armed.remove(&watch);
        }
        Ok(Some(seen))
    }
}

#[cfg(test)]
mod tests;
