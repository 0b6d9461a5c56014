//! Trees for the tests of this room.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};

use super::{Attributes, FileMode, Root};

/// A user that is root nowhere.
const SOMEBODY: u32 = 65534;

/// Waits until a file that is written now has a later time than all before. The kernel's clock of files moves in steps,
/// and on a machine that is short of time it may stand still for longer than any of them.
pub fn until_files_have_a_later_time() {
    until_files_have_a_later(|file| (file.mtime(), file.mtime_nsec()));
}

/// The same in whole seconds.
pub fn until_files_have_a_later_second() {
    until_files_have_a_later(MetadataExt::mtime);
}

fn until_files_have_a_later<T: PartialOrd>(time: impl Fn(&fs::Metadata) -> T) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("now");
    let now = || {
        fs::write(&file, "now").unwrap();
        time(&fs::metadata(&file).unwrap())
    };
    let first = now();
    while now() <= first {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// A directory that is a machine, gone with the test.
pub struct Tree(tempfile::TempDir);

impl Tree {
    pub fn new() -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.set_mode("", 0o755);
        tree
    }

    /// A path inside, as the test process sees it.
    pub fn at(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    pub fn directory(&self, path: &str) -> &Self {
        fs::create_dir_all(self.at(path)).unwrap();
        self
    }

    pub fn file(&self, path: &str, content: &str) -> &Self {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        fs::write(self.at(path), content).unwrap();
        self
    }

    pub fn link(&self, path: &str, target: &str) -> &Self {
        fs::create_dir_all(self.at(path).parent().unwrap()).unwrap();
        symlink(target, self.at(path)).unwrap();
        self
    }

    pub fn set_mode(&self, path: &str, mode: u32) -> &Self {
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(mode)).unwrap();
        self
    }

    pub fn content(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap()
    }

    pub fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.at(path)).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// The tree as a machine, once for each way of resolving paths.
    pub fn roots(&self) -> [Root; 2] {
        let open = || Root::open(self.0.path()).unwrap();
        [open(), open().without_openat2()]
    }

    /// Owner and bits as root of this tree would give them.
    pub fn owned(&self, mode: u32) -> Attributes {
        let (uid, gid) = Root::open(self.0.path()).unwrap().superuser();
        Attributes {
            mode: FileMode::new(mode),
            uid,
            gid,
        }
    }

    /// The tree as part of a machine in which what is at `path` belongs to somebody who is not root there, with the
    /// path as seen in it, once for each way of resolving. Without privilege nothing can be given away: the tree is then
    /// looked at from the machine's own `/`, where root is somebody else than us.
    pub fn with_foreign(&self, path: &str) -> Vec<(Root, String)> {
        if nix::unistd::geteuid().is_root() {
            lchown(self.at(path), Some(SOMEBODY), Some(SOMEBODY)).unwrap();
            return self
                .roots()
                .into_iter()
                .map(|root| (root, String::new()))
                .collect();
        }
        let prefix = self.0.path().canonicalize().unwrap().display().to_string();
        let open = || Root::open(Path::new("/")).unwrap();
        vec![(open(), prefix.clone()), (open().without_openat2(), prefix)]
    }
}
