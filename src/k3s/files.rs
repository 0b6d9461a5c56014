//! The files that K3s would read: those of a root, or as they would be after a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::host::{HostError, Kind, Listed, Root};

/// Larger than any configuration that is still one; K3s itself has no limit.
pub const FILE_LIMIT_BYTES: u64 = 1 << 20;

/// A root, with files exchanged or taken away by a plan that is not carried out yet.
#[derive(Debug)]
pub struct Files<'a> {
    root: &'a Root,
    planned: BTreeMap<PathBuf, Option<Vec<u8>>>,
    directories: BTreeSet<PathBuf>,
}

/// One thing that K3s reads at start, for the restart gate: another digest is another input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input {
    /// The path as seen inside the root.
    pub path: PathBuf,
    /// SHA-256 of the content; `None` where there is no such file.
    pub sha256: Option<[u8; 32]>,
}

impl Input {
    /// The input that a path with this content is.
    #[must_use]
    pub fn new(path: &Path, content: Option<&[u8]>) -> Self {
        Self {
            path: path.to_path_buf(),
            sha256: content.map(|content| Sha256::digest(content).into()),
        }
    }
}

impl<'a> Files<'a> {
    /// The files as they are.
    #[must_use]
    pub fn new(root: &'a Root) -> Self {
        Self {
            root,
            planned: BTreeMap::new(),
            directories: BTreeSet::new(),
        }
    }

    /// The same, with other content at a path.
    #[must_use]
    pub fn with(mut self, path: impl Into<PathBuf>, content: impl Into<Vec<u8>>) -> Self {
        self.planned.insert(path.into(), Some(content.into()));
        self
    }

    /// The same, with a directory.
    #[must_use]
    pub fn with_directory(mut self, path: impl Into<PathBuf>) -> Self {
        self.directories.insert(path.into());
        self
    }

    /// The same, without a file.
    #[must_use]
    pub fn without(mut self, path: impl Into<PathBuf>) -> Self {
        self.planned.insert(path.into(), None);
        self
    }

    /// The content of a file, links followed; `None` if there is none.
    ///
    /// # Errors
    /// When it cannot be read, is no regular file, or is larger than [`FILE_LIMIT_BYTES`].
    pub fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, HostError> {
        match self.planned.get(path) {
            Some(planned) => Ok(planned.clone()),
            None => self.root.read(path, FILE_LIMIT_BYTES),
        }
    }

    /// What a path names, links followed; `None` if nothing.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn kind(&self, path: &Path) -> Result<Option<Kind>, HostError> {
        match self.planned.get(path) {
            Some(planned) => Ok(planned.as_ref().map(|_| Kind::File)),
            None if self.directories.contains(path) => Ok(Some(Kind::Directory)),
            None => {
                let kind = self.root.kind(path)?;
                let planned_below = kind.is_none() && self.planned_in(path).next().is_some();
                Ok(kind.or(planned_below.then_some(Kind::Directory)))
            }
        }
    }

    /// Where a link points, as written in it; `None` where the name is none.
    pub(super) fn link_target(&self, path: &Path) -> Result<Option<PathBuf>, HostError> {
        if self.planned.contains_key(path) {
            return Ok(None);
        }
        self.root.link_target(path)
    }

    /// What is in a directory by names in byte order; `None` if there is no such directory.
    pub(super) fn listing(&self, directory: &Path) -> Result<Option<Vec<Listed>>, HostError> {
        let present = self.root.listing(directory)?;
        let mut planned = self.planned_in(directory).peekable();
        if present.is_none() && planned.peek().is_none() {
            return Ok(None);
        }
        let mut listed = present.unwrap_or_default();
        for (name, is_there) in planned {
            listed.retain(|listed| listed.name != name);
            if is_there {
                listed.push(Listed {
                    name: name.to_os_string(),
                    is_directory: false,
                });
            }
        }
        listed.sort();
        Ok(Some(listed))
    }

    fn planned_in<'b>(
        &'b self,
        directory: &'b Path,
    ) -> impl Iterator<Item = (&'b std::ffi::OsStr, bool)> + 'b {
        self.planned
            .iter()
            .filter(move |(path, _)| path.parent() == Some(directory))
            .filter_map(|(path, content)| Some((path.file_name()?, content.is_some())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_lies_over_the_root() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("d")).unwrap();
        std::fs::write(directory.path().join("d/a"), "old").unwrap();
        std::fs::write(directory.path().join("d/b"), "old").unwrap();
        let root = Root::open(directory.path()).unwrap();
        let files = Files::new(&root)
            .with("/d/a", "new")
            .without("/d/b")
            .with("/e/c", "new");
        assert_eq!(files.read(Path::new("/d/a")).unwrap().unwrap(), b"new");
        assert_eq!(files.read(Path::new("/d/b")).unwrap(), None);
        let names = |path: &str| {
            let names = files.listing(Path::new(path)).unwrap();
            names.map(|names| names.into_iter().map(|name| name.name).collect::<Vec<_>>())
        };
        assert_eq!(names("/d").unwrap(), ["a"]);
        assert_eq!(names("/e").unwrap(), ["c"]);
        assert_eq!(names("/f"), None);
    }
}
