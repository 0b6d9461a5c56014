//! One look at a machine: each directory on the way to what is judged is found and judged once.
//!
//! A look ends with the pass or the run of changes that it is for, so what it remembers is never older than that, and a
//! new one begins after a directory was changed. The directory of a thing that is changed is judged anew each time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::resolve::Way;
use super::{Attributes, Entry, Host, HostError, Root};

/// Device and inode.
type Identity = (u64, u64);

/// What one look has seen of directories, and what it takes some of them to be.
#[derive(Debug, Default)]
pub(super) struct Look {
    ways: Mutex<BTreeMap<PathBuf, Result<Way, HostError>>>,
    assumed: BTreeMap<Identity, Attributes>,
}

impl Look {
    /// The way into a directory, walked at the first time only.
    pub(super) fn way_into(
        &self,
        directory: &Path,
        walk: impl FnOnce() -> Result<Way, HostError>,
    ) -> Result<Way, HostError> {
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = ways.get(directory) {
            return known.clone();
        }
        let way = walk();
        ways.insert(directory.to_path_buf(), way.clone());
        way
    }

    pub(super) fn assumes(&self) -> bool {
        !self.assumed.is_empty()
    }

    pub(super) fn assumed(&self, entry: &Entry) -> Option<Attributes> {
        self.assumed.get(&entry.identity).cloned()
    }
}

impl Root {
    /// The same root for one look: to be judged or changed by, and dropped.
    #[must_use]
    pub fn for_one_look(&self) -> Self {
        self.as_if(&BTreeMap::new())
    }

    /// The same root outside of any look: everything is found anew.
    pub(super) fn outside_look(&self) -> Self {
        self.with_look(None)
    }

    /// The same root for one look that takes these directories to have the owner and bits that a plan gives them, so
    /// that what is in them can be judged before the plan is carried out.
    #[must_use]
    pub fn as_if(&self, directories: &BTreeMap<PathBuf, Attributes>) -> Self {
        let mut assumed = match &self.look {
            Some(look) => look.assumed.clone(),
            None => BTreeMap::new(),
        };
        assumed.extend(directories.iter().filter_map(|(path, attributes)| {
            let entry = self.look(path).ok()??;
            Some((entry.identity, attributes.clone()))
        }));
        self.with_look(Some(Look {
            assumed,
            ..Look::default()
        }))
    }
}

impl Host {
    /// The same machine for one look; see [`Root::for_one_look`].
    #[must_use]
    pub fn for_one_look(&self) -> Self {
        self.as_if(&BTreeMap::new())
    }

    /// The same machine within its look; where it has none, within one that begins now.
    #[must_use]
    pub fn within_look(&self) -> Self {
        match &self.root.look {
            Some(_) => self.clone(),
            None => self.for_one_look(),
        }
    }

    /// The same machine for one look at what a plan leaves; see [`Root::as_if`].
    #[must_use]
    pub fn as_if(&self, directories: &BTreeMap<PathBuf, Attributes>) -> Self {
        Self {
            root: self.root.as_if(directories),
            live: self.live.clone(),
        }
    }
}
