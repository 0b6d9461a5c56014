//! A catalogue and fake roots for the tests of this room.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::catalogue::Catalogue;
use crate::host::Root;

use super::{Policy, PolicyError};

const CONTROLS: &str = r#"
[[control]]
id = "sample-file"
title = "t"
why = "w"
role = "any"

[control.parameter.exempt_namespaces]
kind = "names"
default = ["kube-system"]
about = "a"

[control.parameter.max_age]
kind = "integer"
default = 30
about = "a"

[control.parameter.strict]
kind = "boolean"
default = false
about = "a"

[control.parameter.label]
kind = "text"
default = "none"
about = "a"

[[control.file]]
path = "/etc/sample.yaml"
mode = "0600"
content = "audit"
keep = "audit-policy"

[[control]]
id = "sample-argument"
title = "t"
why = "w"
role = "any"

[control.parameter.count]
kind = "integer"
default = 10
about = "a"

[[control.argument]]
component = "kube-apiserver"
flag = "audit-log-maxbackup"
require = { at_least = 10 }
set = "{parameter:count}"

[[control]]
id = "sample-directory"
title = "t"
why = "w"
role = "any"
default = "observe"

[[control.directory]]
path = "/etc/sample"
mode = "0700"
"#;

/// The built-in catalogue with two controls of the tests.
pub(super) fn catalogue() -> &'static Catalogue {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
        let file = (PathBuf::from("/sample.toml"), CONTROLS.to_owned());
        Catalogue::with_operator_files(&[file]).unwrap()
    });
    &CATALOGUE
}

/// The policy that one file states.
pub(super) fn policy(text: &str) -> Result<Policy, PolicyError> {
    let file = (PathBuf::from("/etc/k3warden/config.toml"), text.to_owned());
    Policy::from_files(&[file], catalogue())
}

/// A fake root.
pub(super) struct Tree(tempfile::TempDir);

impl Tree {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            tree.write(path, text);
        }
        tree
    }

    /// Writes a file whose directories nobody else can write, whatever the umask of the test run.
    pub(super) fn write(&self, path: &str, text: &str) {
        let inside = self.inside(path);
        let mut directory = self.0.path().to_path_buf();
        for part in Path::new(path).parent().unwrap().components().skip(1) {
            directory.push(part);
            if !directory.exists() {
                fs::create_dir(&directory).unwrap();
                fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
            }
        }
        fs::write(&inside, text).unwrap();
        self.chmod(path, 0o644);
    }

    pub(super) fn chmod(&self, path: &str, mode: u32) {
        fs::set_permissions(self.inside(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn link(&self, path: &str, target: &str) {
        symlink(target, self.inside(path)).unwrap();
    }

    pub(super) fn inside(&self, path: &str) -> PathBuf {
        self.0.path().join(path.trim_start_matches('/'))
    }

    pub(super) fn root(&self) -> Root {
        Root::open(self.0.path()).unwrap()
    }
}
