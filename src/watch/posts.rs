//! The directories that are watched, and why each is.
//!
//! A directory that exists is watched for what happens to its names; every directory on the way to it only for being
//! moved or deleted; and where the way ends, the last directory that is there for the next name to appear.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use inotify::WatchMask;

use super::index::Index;
use crate::host::{HostError, Kind, Root};
use crate::setting::Aspect;

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// Why a directory is watched. Several paths may lead to one directory.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Post {
    /// The paths under which its names are held.
    pub(super) directories: Vec<(PathBuf, Aspect)>,
    /// Names that are directories on the way to others and are not there, or are links.
    pub(super) awaited: BTreeSet<OsString>,
    /// The paths that lead to it.
    pub(super) paths: Vec<PathBuf>,
}

impl Post {
    /// What the kernel is asked to tell of the directory.
    pub(super) fn mask(&self) -> WatchMask {
        let mut mask = WatchMask::MOVE_SELF | WatchMask::DELETE_SELF;
        if !self.awaited.is_empty() {
            mask |= WatchMask::CREATE | WatchMask::MOVE | WatchMask::DELETE;
        }
        for (_, aspect) in &self.directories {
            mask |= WatchMask::CREATE | WatchMask::MOVE | WatchMask::DELETE | WatchMask::ATTRIB;
            if *aspect == Aspect::Content {
                // A truncation without a close raises MODIFY alone.
                mask |= WatchMask::MODIFY | WatchMask::CLOSE_WRITE;
            }
        }
        mask
    }
}

/// Which directories are there, and why each is watched.
pub(super) fn survey(root: &Root, index: &Index) -> Result<BTreeMap<Identity, Post>, HostError> {
    let mut survey = Survey {
        root,
        posts: BTreeMap::new(),
        known: HashMap::new(),
    };
    for (directory, aspect) in index.directories() {
        survey.add(directory, aspect)?;
    }
    Ok(survey.posts)
}

struct Survey<'a> {
    root: &'a Root,
    posts: BTreeMap<Identity, Post>,
    /// What stands at a path, looked at once: is it a link, and which directory does it lead to.
    known: HashMap<PathBuf, (bool, Option<Identity>)>,
}

impl Survey<'_> {
    fn add(&mut self, directory: &Path, aspect: Aspect) -> Result<(), HostError> {
        let mut way: Vec<&Path> = directory.ancestors().collect();
        way.reverse();
        let mut above: Option<Identity> = None;
        for path in way {
            let (is_link, identity) = self.look(path)?;
            let name = path.file_name();
            if let (Some(above), Some(name)) = (above, name)
                && (is_link || identity.is_none())
                && let Some(post) = self.posts.get_mut(&above)
            {
                post.awaited.insert(name.to_os_string());
            }
            let Some(identity) = identity else {
                return Ok(());
            };
            let post = self.posts.entry(identity).or_default();
            if !post.paths.iter().any(|known| known == path) {
                post.paths.push(path.to_path_buf());
            }
            if path == directory {
                post.directories.push((path.to_path_buf(), aspect));
            }
            above = Some(identity);
        }
        Ok(())
    }

    fn look(&mut self, path: &Path) -> Result<(bool, Option<Identity>), HostError> {
        if let Some(known) = self.known.get(path) {
            return Ok(*known);
        }
        let here = match self.root.look(path) {
            Ok(entry) => entry,
            // A link on the way that may not be followed for changes may lead somewhere for looking all the same.
            Err(HostError::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
        let is_link = here.is_some_and(|entry| entry.kind == Kind::Link);
        let identity = match self.root.directory_descriptor(path) {
            Ok(found) => found.map(|(_, entry)| entry.identity),
            // Links in a circle lead nowhere.
            Err(HostError::System {
                errno: nix::errno::Errno::ELOOP,
                ..
            }) => None,
            Err(error) => return Err(error),
        };
        self.known.insert(path.to_path_buf(), (is_link, identity));
        Ok((is_link, identity))
    }
}
