//! The modification time of the directory that our drop-in directory for K3s's configuration is made in.
//!
//! Only that time shows that something which K3s read at its start has gone since (`Changed::look_for_trace`). A K3s that
//! was running before our directory came and still runs when it has gone has not read it; yet after two installations nobody
//! could tell what it did read. So revert sets the time back, where it is certain that nothing else has gone.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::host::records::{Records, STATE};
use crate::host::systemd::{InvocationId, UnitName, invocation};
use crate::host::{HostError, Kind, Root};
use crate::k3s::drop_in_directory;
use crate::reconcile::Pass;
use crate::reconcile::ledger::Hash;
use crate::reconcile::restart::snapshot::Snapshots;

const NAME: &str = "configuration-directory.json";

/// A directory before something of ours was made in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Before {
    unit: UnitName,
    /// The K3s that ran.
    run: InvocationId,
    directory: PathBuf,
    /// Its time, in seconds and nanoseconds since 1970.
    modified: (i64, i64),
    /// All names in it.
    names: Hash,
}

/// The same, and the time that we have left there.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    before: Before,
    left: (i64, i64),
}

impl Before {
    /// Looks at it while nothing of ours is there yet. `None` where no K3s runs, or it may not have read its configuration
    /// yet: it has once it names the arguments of its components.
    #[must_use]
    pub fn look(pass: &Pass<'_>) -> Option<Self> {
        let node = pass.node;
        let unit = node.places.unit.as_deref()?.parse().ok()?;
        let drop_ins = drop_in_directory(&node.places.config_file);
        Self::of(&pass.host.root, unit, &drop_ins)
    }

    fn of(root: &Root, unit: UnitName, drop_ins: &Path) -> Option<Self> {
        let directory = drop_ins.parent()?.to_path_buf();
        let run = invocation(root, &unit).ok()??;
        let snapshot = Snapshots::of(root).ok()?.load(&run)?;
        // The names first: what goes after that is missed among them later.
        let names = names(root, &directory)?;
        let modified = modified(root, &directory)?;
        let is_there = root.look(drop_ins).ok()?.is_some();
        let has_read = !snapshot.arguments.is_empty();
        (has_read && !is_there).then_some(Self {
            unit,
            run,
            directory,
            modified,
            names,
        })
    }

    /// Keeps it, now that ours is there.
    ///
    /// # Errors
    /// When it cannot be written down; the time is then not set back.
    pub fn made(self, root: &Root) -> Result<(), HostError> {
        match modified(root, &self.directory) {
            Some(left) if left != self.modified => {
                Records::at(root, STATE)?.save(NAME, &Made { before: self, left })
            }
            _ => Ok(()),
        }
    }

    /// Sets the time back now that ours is gone, if K3s has not started meanwhile and everything else is there as before:
    /// what came anew for a name tells its age itself.
    ///
    /// # Errors
    /// When the host refuses.
    pub fn set_back(&self, root: &Root) -> Result<(), HostError> {
        if !self.is_run(root) || !self.has_its_names(root) {
            return Ok(());
        }
        root.set_modified(&self.directory, Some(self.modified))?;
        // What somebody took away in this moment would be hidden.
        match self.has_its_names(root) {
            true => Ok(()),
            false => root.set_modified(&self.directory, None),
        }
    }

    fn is_run(&self, root: &Root) -> bool {
        invocation(root, &self.unit).is_ok_and(|run| run.as_ref() == Some(&self.run))
    }

    fn has_its_names(&self, root: &Root) -> bool {
        names(root, &self.directory).as_ref() == Some(&self.names)
    }
}

impl Made {
    /// The directory, if it is as we left it and the same K3s runs. To be asked before ours is taken away.
    #[must_use]
    pub fn untouched(root: &Root) -> Option<Before> {
        let records = Records::at(root, STATE).ok()?;
        let Self { before, left } = records.load(NAME).record()?;
        let is_left = modified(root, &before.directory) == Some(left);
        (is_left && before.is_run(root)).then_some(before)
    }
}

fn modified(root: &Root, directory: &Path) -> Option<(i64, i64)> {
    let entry = root.look(directory).ok()??;
    (entry.kind == Kind::Directory).then_some(entry.modified)
}

fn names(root: &Root, directory: &Path) -> Option<Hash> {
    let names = root.names(directory).ok()??;
    let bytes: Vec<u8> = names
        .iter()
        .flat_map(|name| name.as_bytes().iter().copied().chain([0]))
        .collect();
    Some(Hash::of(&bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::host::testing::until_files_have_a_later_time;
    use crate::k3s::component::Component;
    use crate::reconcile::restart::heard::Arguments;
    use crate::reconcile::restart::moment::Moment;

    const DROP_INS: &str = "/etc/rancher/k3s/config.yaml.d";

    struct Node(tempfile::TempDir, Root);

    impl Node {
        /// K3s runs, and its directory is older than that.
        fn running() -> Self {
            let tree = tempfile::tempdir().unwrap();
            let root = Root::open(tree.path()).unwrap();
            let node = Self(tree, root);
            for directory in ["etc/rancher/k3s", "run/systemd/units"] {
                fs::create_dir_all(node.path(directory)).unwrap();
            }
            for file in ["config.yaml", "k3s.yaml"] {
                fs::write(node.config(file), "").unwrap();
            }
            node.starts('a');
            node.names(&["--a=b"]);
            let directory = fs::File::open(node.config("")).unwrap();
            let long_ago = SystemTime::now() - Duration::from_secs(1000);
            directory.set_modified(long_ago).unwrap();
            node
        }

        fn path(&self, path: &str) -> PathBuf {
            self.0.path().join(path)
        }

        fn config(&self, name: &str) -> PathBuf {
            self.path("etc/rancher/k3s").join(name)
        }

        fn starts(&self, run: char) {
            let link = self.path("run/systemd/units/invocation:k3s.service");
            let _ = fs::remove_file(&link);
            symlink(run.to_string().repeat(32), link).unwrap();
        }

        /// K3s names these arguments of its kubelet.
        fn names(&self, arguments: &[&str]) {
            let arguments = arguments.iter().map(|argument| (*argument).to_owned());
            let arguments = Arguments::from([(Component::Kubelet, arguments.collect())]);
            self.keeps(arguments);
        }

        fn keeps(&self, arguments: Arguments) {
            let unit: UnitName = "k3s.service".parse().unwrap();
            let run = invocation(&self.1, &unit).unwrap().unwrap();
            let taken = Moment {
                wall_seconds: 0,
                boot: String::new(),
                since_boot_seconds: 0,
            };
            let snapshots = Snapshots::of(&self.1).unwrap();
            snapshots
                .save(&self.1, &run, &unit, taken, arguments, None)
                .unwrap();
        }

        fn time(&self) -> (i64, i64) {
            modified(&self.1, Path::new("/etc/rancher/k3s")).unwrap()
        }

        fn look(&self) -> Option<Before> {
            Before::of(&self.1, "k3s.service".parse().unwrap(), Path::new(DROP_INS))
        }

        /// An installation that comes and goes, with what happens before ours goes and what happens then.
        fn comes_and_goes(&self, meanwhile: &dyn Fn(&Self), at_the_end: &dyn Fn(&Self)) {
            let before = self.look().unwrap();
            fs::create_dir(self.config("config.yaml.d")).unwrap();
            before.made(&self.1).unwrap();
            until_files_have_a_later_time();
            meanwhile(self);
            let untouched = Made::untouched(&self.1);
            let _ = fs::remove_dir(self.config("config.yaml.d"));
            at_the_end(self);
            if let Some(before) = untouched {
                before.set_back(&self.1).unwrap();
            }
        }
    }

    type Act<'a> = (&'a str, &'a dyn Fn(&Node));

    fn nothing(_: &Node) {}

    #[test]
    fn an_installation_that_comes_and_goes_beside_one_k3s_leaves_the_time_each_time() {
        let node = Node::running();
        let before = node.time();
        for _ in 0..3 {
            node.comes_and_goes(&nothing, &|node| assert_ne!(node.time(), before));
            assert_eq!(node.time(), before);
        }
    }

    #[test]
    fn what_is_done_beside_ours_is_never_hidden() {
        let remove = |node: &Node| fs::remove_file(node.config("config.yaml")).unwrap();
        let add = |node: &Node| fs::write(node.config("registries.yaml"), "").unwrap();
        let add_and_remove = |node: &Node| {
            add(node);
            fs::remove_file(node.config("registries.yaml")).unwrap();
        };
        let replace = |node: &Node| {
            add(node);
            fs::rename(node.config("registries.yaml"), node.config("k3s.yaml")).unwrap();
        };
        let make_anew = |node: &Node| {
            fs::remove_dir(node.config("config.yaml.d")).unwrap();
            fs::create_dir(node.config("config.yaml.d")).unwrap();
        };
        let start = |node: &Node| {
            node.starts('b');
            node.names(&["--a=b"]);
        };
        let all: [Act<'_>; 6] = [
            ("removed", &remove),
            ("added", &add),
            ("added and removed", &add_and_remove),
            ("replaced", &replace),
            ("ours made anew", &make_anew),
            ("K3s started, and read ours", &start),
        ];
        for (name, act) in all {
            let node = Node::running();
            let before = node.time();
            node.comes_and_goes(act, &nothing);
            assert_ne!(node.time(), before, "{name}, while ours was there");
        }
        let at_the_end: [Act<'_>; 3] = [
            ("removed", &remove),
            ("added", &add),
            ("K3s started", &start),
        ];
        for (name, act) in at_the_end {
            let node = Node::running();
            let before = node.time();
            node.comes_and_goes(&nothing, act);
            assert_ne!(node.time(), before, "{name}, when ours went");
        }
    }

    #[test]
    fn there_is_nothing_to_set_back_beside_no_k3s_or_a_directory_of_the_operators() {
        let node = Node::running();
        fs::create_dir(node.config("config.yaml.d")).unwrap();
        assert_eq!(node.look(), None);
        let node = Node::running();
        fs::remove_file(node.path("run/systemd/units/invocation:k3s.service")).unwrap();
        assert_eq!(node.look(), None);
    }

    /// It would read ours, and still be the same run when ours goes.
    #[test]
    fn a_k3s_that_may_not_have_read_its_configuration_yet_is_none_to_set_back_for() {
        let node = Node::running();
        node.starts('b');
        assert_eq!(node.look(), None);
        node.keeps(Arguments::new());
        assert_eq!(node.look(), None);
        node.names(&["--a=b"]);
        assert!(node.look().is_some());
    }
}
