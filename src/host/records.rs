//! Small JSON files of ours, replaced whole. One that is torn, foreign or unreadable is unknown, never a panic and never
//! taken for an empty one.

use std::path::Path;

use nix::errno::Errno;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::host::{FileMode, HostError, Opening, OwnPlace, READ_LIMIT_BYTES, Root, Writing};

pub use super::own::STATE;
/// Snapshots of what each K3s was started with.
pub const SNAPSHOTS: &str = "/var/lib/k3warden/starts";
/// What each start of this boot read; gone with the boot.
pub const STARTS: &str = "/run/k3warden/starts";

/// A record as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<T> {
    /// There is none.
    Nothing,
    /// It is whole.
    Record(T),
    /// Something is there and cannot be read, for this reason.
    Unreadable(String),
}

impl<T> Found<T> {
    /// The record, if it is whole.
    pub fn record(self) -> Option<T> {
        match self {
            Self::Record(record) => Some(record),
            Self::Nothing | Self::Unreadable(_) => None,
        }
    }
}

/// A directory of records.
#[derive(Debug)]
pub struct Records {
    place: OwnPlace,
}

impl Records {
    /// The records in a directory below the root. Nothing is created before the first is saved.
    ///
    /// # Errors
    /// When the root's descriptor cannot be duplicated.
    pub fn at(root: &Root, directory: &str) -> Result<Self, HostError> {
        let place = OwnPlace::below(root, Path::new(directory), FileMode::new(0o700))?;
        Ok(Self { place })
    }

    /// Reads a record. Whatever stands in the way makes it unreadable, since nobody can act on an error here.
    #[must_use]
    pub fn load<T: DeserializeOwned>(&self, name: &str) -> Found<T> {
        let bytes = match self.read(name) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Found::Nothing,
            Err(error) => return Found::Unreadable(error.to_string()),
        };
        match serde_json::from_slice(&bytes) {
            Ok(record) => Found::Record(record),
            Err(error) => {
                let path = self.place.path().join(name);
                Found::Unreadable(format!("{} is no record of ours: {error}", path.display()))
            }
        }
    }

    /// Replaces a record: whoever reads it sees the old one or the new one.
    ///
    /// # Errors
    /// When the kernel refuses; the old one is then still there.
    pub fn save<T: Serialize>(&self, name: &str, record: &T) -> Result<(), HostError> {
        let path = self.place.path().join(name);
        let bytes = serde_json::to_vec(record)
            .map_err(|_| HostError::system("write", &path, Errno::EINVAL))?;
        let directory = self.place.create()?;
        // No two processes share it, and no reader takes it for a record.
        let temporary = format!("{name}.{}.new", std::process::id());
        let file = directory.create_anew(&temporary)?;
        let written = file.append(&bytes).and_then(|()| file.sync());
        let renamed = written.and_then(|()| directory.rename(&temporary, name));
        if renamed.is_err() {
            // Swept by nobody else; if this fails too, it is overwritten next time.
            let _ = directory.remove(&temporary);
        }
        renamed.and_then(|()| directory.sync())
    }

    /// Removes a record, if there is one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self, name: &str) -> Result<(), HostError> {
        let Some(directory) = self.place.open()? else {
            return Ok(());
        };
        directory.remove(name).and_then(|()| directory.sync())
    }

    /// Names of all records, byte-sorted.
    #[must_use]
    pub fn names(&self, root: &Root) -> Vec<String> {
        let names = root.names(self.place.path()).ok().flatten();
        let names = names.unwrap_or_default().into_iter();
        names
            .filter_map(|name| name.into_string().ok())
            .filter(|name| name.ends_with(".json"))
            .collect()
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        let Some(directory) = self.place.open()? else {
            return Ok(None);
        };
        let Some(file) = directory.open_file(name, Writing::AtTheEnd, Opening::Existing)? else {
            return Ok(None);
        };
        let size = file.size_bytes()?;
        if size > READ_LIMIT_BYTES {
            return Err(HostError::system("read", file.path(), Errno::EFBIG));
        }
        let size = usize::try_from(size).unwrap_or(0);
        file.read_at(0, size).map(Some)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A tree and its root.
    pub(crate) fn tree() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        (directory, root)
    }

    #[test]
    fn a_record_comes_back_and_leaves_nothing_else_behind() {
        let (directory, root) = tree();
        let records = Records::at(&root, STATE).unwrap();
        assert_eq!(records.load::<Vec<u32>>("x.json"), Found::Nothing);
        records.save("x.json", &vec![1, 2]).unwrap();
        records.save("x.json", &vec![3]).unwrap();
        assert_eq!(records.load("x.json"), Found::Record(vec![3]));
        let all: Vec<_> = std::fs::read_dir(directory.path().join("var/lib/k3warden"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(all, ["x.json"]);
        assert_eq!(records.names(&root), ["x.json"]);
        records.remove("x.json").unwrap();
        assert_eq!(records.load::<Vec<u32>>("x.json"), Found::Nothing);
        records.remove("x.json").unwrap();
    }

    #[test]
    fn a_torn_a_foreign_and_an_unreadable_record_are_unknown_and_can_be_replaced() {
        let (directory, root) = tree();
        let records = Records::at(&root, STATE).unwrap();
        records.save("x.json", &vec![1]).unwrap();
        let path = directory.path().join("var/lib/k3warden/x.json");
        for content in [&b""[..], b"[1", b"{\"a\": 1}", b"\xff\xfe\0"] {
            std::fs::write(&path, content).unwrap();
            let found = records.load::<Vec<u32>>("x.json");
            assert!(matches!(found, Found::Unreadable(_)), "{found:?}");
        }
        std::fs::write(&path, vec![b' '; 2 << 20]).unwrap();
        assert!(matches!(
            records.load::<Vec<u32>>("x.json"),
            Found::Unreadable(_)
        ));
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert!(matches!(
            records.load::<Vec<u32>>("x.json"),
            Found::Unreadable(_)
        ));
        records.save("x.json", &vec![2]).unwrap();
        assert_eq!(records.load("x.json"), Found::Record(vec![2]));
    }
}
