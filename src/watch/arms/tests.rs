use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::*;
use crate::setting::{Aspect, Watched};
use crate::watch::index::Concern;

const CONCERN: Concern = Concern::K3sInputs;

struct Bed {
    kept: tempfile::TempDir,
    root: Root,
    index: Index,
    arms: Arms,
}

impl Bed {
    fn new(watched: &[(&str, Aspect)]) -> Self {
        let kept = tempfile::tempdir().unwrap();
        let root = Root::open(kept.path()).unwrap();
        let mut index = Index::default();
        for (path, aspect) in watched {
            index.add(Watched::Path(PathBuf::from(path), *aspect), CONCERN);
        }
        let arms = Arms::new().unwrap();
        Self {
            kept,
            root,
            index,
            arms,
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.kept.path().join(path)
    }

    fn place(&mut self) -> Vec<PathBuf> {
        let placed = self.arms.place(&self.root, &self.index).unwrap();
        assert!(!placed.unsettled);
        placed.changed
    }

    /// Everything that has happened, as one; the watches are placed again where needed.
    fn events(&mut self) -> (Vec<String>, bool) {
        let (mut names, mut structure) = (Vec::new(), false);
        while let Some(events) = self.arms.read(&self.index).unwrap() {
            structure |= events.structure;
            names.extend(
                events
                    .names
                    .into_iter()
                    .map(|(directory, name)| directory.join(name).display().to_string()),
            );
        }
        (names, structure)
    }
}

#[test]
fn a_missing_way_is_followed_directory_by_directory() {
    let mut bed = Bed::new(&[("/a/b/c/file", Aspect::Content)]);
    bed.place();
    fs::create_dir(bed.path("unrelated")).unwrap();
    assert_eq!(bed.events(), (vec![], false));
    for directory in ["a", "a/b"] {
        fs::create_dir(bed.path(directory)).unwrap();
        assert_eq!(bed.events(), (vec![], true), "{directory}");
        bed.place();
    }
    fs::create_dir(bed.path("a/b/c")).unwrap();
    assert_eq!(bed.events(), (vec![], true));
    assert_eq!(bed.place(), [Path::new("/a/b/c")]);
    fs::write(bed.path("a/b/c/other"), "x").unwrap();
    assert_eq!(bed.events(), (vec![], false));
    fs::write(bed.path("a/b/c/file"), "x").unwrap();
    assert_eq!(bed.events(), (vec!["/a/b/c/file".to_owned()], false));
}

#[test]
fn a_directory_on_the_way_that_is_exchanged_is_noticed() {
    let mut bed = Bed::new(&[("/a/b/file", Aspect::Access)]);
    fs::create_dir_all(bed.path("a/b")).unwrap();
    bed.place();
    fs::rename(bed.path("a"), bed.path("away")).unwrap();
    fs::create_dir_all(bed.path("a/b")).unwrap();
    assert!(bed.events().1);
    assert_eq!(bed.place(), [Path::new("/a/b")]);
    fs::write(bed.path("away/b/file"), "").unwrap();
    assert_eq!(
        bed.events(),
        (vec![], false),
        "the old one is of no concern"
    );
    fs::write(bed.path("a/b/file"), "").unwrap();
    assert_eq!(bed.events().0, ["/a/b/file"]);
    fs::remove_dir_all(bed.path("a")).unwrap();
    assert!(bed.events().1);
    assert_eq!(bed.place(), [Path::new("/a/b")]);
}

#[test]
fn a_link_on_the_way_is_followed_and_its_exchange_noticed() {
    let mut bed = Bed::new(&[("/a/b/file", Aspect::Access)]);
    fs::create_dir_all(bed.path("one/b")).unwrap();
    fs::create_dir_all(bed.path("two/b")).unwrap();
    symlink("one", bed.path("a")).unwrap();
    bed.place();
    fs::write(bed.path("one/b/file"), "").unwrap();
    assert_eq!(bed.events().0, ["/a/b/file"]);
    symlink("two", bed.path("new")).unwrap();
    fs::rename(bed.path("new"), bed.path("a")).unwrap();
    assert!(bed.events().1);
    assert_eq!(bed.place(), [Path::new("/a/b")]);
    fs::write(bed.path("two/b/file"), "").unwrap();
    assert_eq!(bed.events().0, ["/a/b/file"]);
}

#[test]
fn what_k3s_writes_all_the_time_wakes_nobody() {
    let mut bed = Bed::new(&[
        ("/db/state", Aspect::Access),
        ("/etc/file", Aspect::Content),
    ]);
    fs::create_dir_all(bed.path("db")).unwrap();
    fs::create_dir_all(bed.path("etc")).unwrap();
    fs::write(bed.path("db/state"), "").unwrap();
    fs::write(bed.path("etc/file"), "").unwrap();
    bed.place();
    let append = |path: &str| {
        use std::io::Write;
        let mut file = fs::OpenOptions::new()
            .append(true)
            .open(bed.path(path))
            .unwrap();
        file.write_all(b"x").unwrap();
    };
    append("db/state");
    append("etc/file");
    let _ = fs::read(bed.path("etc/file")).unwrap();
    let events = bed.arms.read(&bed.index).unwrap().unwrap();
    assert_eq!(events.names.len(), 1);
    assert_eq!(bed.arms.read(&bed.index).unwrap().map(|_| ()), None);
}

#[test]
fn a_written_key_is_named() {
    let mut bed = Bed::new(&[]);
    fs::create_dir_all(bed.path("vm")).unwrap();
    fs::write(bed.path("vm/panic_on_oom"), "0\n").unwrap();
    let live = crate::host::LiveSysctls::at(bed.kept.path()).unwrap();
    let key = SysctlKey::parse("vm.panic_on_oom").unwrap();
    let pinned = live.pin(&key).unwrap().unwrap();
    bed.arms.watch_key(&key, &pinned).unwrap();
    // Placing directories again leaves the keys alone.
    bed.place();
    let _ = pinned.read().unwrap();
    assert!(bed.arms.read(&bed.index).unwrap().is_none());
    fs::write(bed.path("vm/panic_on_oom"), "2\n").unwrap();
    let events = bed.arms.read(&bed.index).unwrap().unwrap();
    assert!(events.keys.contains(&key));
    assert_eq!(pinned.read().unwrap(), "2");
}

/// An event inside was answered while the way to it was away, so that nothing was found there.
#[test]
fn what_is_below_a_directory_that_moved_is_named_though_it_is_back() {
    let mut bed = Bed::new(&[("/a/b/file", Aspect::Access)]);
    fs::create_dir_all(bed.path("a/b")).unwrap();
    bed.place();
    fs::rename(bed.path("a"), bed.path("away")).unwrap();
    fs::rename(bed.path("away"), bed.path("a")).unwrap();
    assert!(bed.events().1);
    assert_eq!(bed.place(), [Path::new("/a/b")]);
}
