//! What is in a directory.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::dir::{Dir, Type};
use nix::fcntl::OFlag;

use super::{HostError, Kind, Root};

/// A name in a directory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// The name, without the directory's.
    pub name: OsString,
    /// Whether it is a directory itself; a link to one is none.
    pub is_directory: bool,
}

impl Root {
    /// What is in a directory by names in byte order, links to the directory followed; `None` if there is no such directory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn listing(&self, path: &Path) -> Result<Option<Vec<Listed>>, HostError> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY;
        let Some(descriptor) = self.open_following(path, flags)? else {
            return Ok(None);
        };
        let failed = |errno| HostError::system("list", path, errno);
        let mut directory = Dir::from_fd(descriptor).map_err(failed)?;
        let mut listed = Vec::new();
        for entry in directory.iter() {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let name = OsStr::from_bytes(name).to_os_string();
            let is_directory = match entry.file_type() {
                Some(kind) => kind == Type::Directory,
                // Not every file system tells the kind with the name, getdents(2).
                None => self.kind_of_name(&path.join(&name))? == Some(Kind::Directory),
            };
            listed.push(Listed { name, is_directory });
        }
        listed.sort();
        Ok(Some(listed))
    }

    /// The names in a directory, as [`Self::listing`] has them.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn names(&self, path: &Path) -> Result<Option<Vec<OsString>>, HostError> {
        let listed = self.listing(path)?;
        Ok(listed.map(|listed| listed.into_iter().map(|listed| listed.name).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_a_directory_is_listed_as_no_directory() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("b")).unwrap();
        std::fs::write(tree.path().join("c"), "").unwrap();
        std::os::unix::fs::symlink("b", tree.path().join("a")).unwrap();
        let root = Root::open(tree.path()).unwrap();
        let listed = root.listing(Path::new("/")).unwrap().unwrap();
        let seen: Vec<(&str, bool)> = listed
            .iter()
            .map(|listed| (listed.name.to_str().unwrap(), listed.is_directory))
            .collect();
        assert_eq!(seen, [("a", false), ("b", true), ("c", false)]);
        assert_eq!(root.listing(Path::new("/none")).unwrap(), None);
    }
}
