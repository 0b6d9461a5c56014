//! What the fuzz targets share: an empty root to lay files over, and the sizes that no input may make us exceed.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k3warden::host::Root;
use k3warden::k3s::{Files, Invocation, K3sVersion, Merge, Role, merge};

/// The answer may be larger than the question, through aliases and variables; not larger than this.
const ANSWER_LIMIT_BYTES: usize = 64 << 20;

/// One release for each way of reading.
const MINORS: [u16; 6] = [20, 21, 23, 30, 32, 36];

static ROOT: LazyLock<(tempfile::TempDir, Root)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let root = Root::open(directory.path()).expect("its root");
    (directory, root)
});

/// An empty root, over which files are laid.
pub fn files() -> Files<'static> {
    Files::new(&ROOT.1)
}

/// Merges as every kind of release does, in both roles, and asserts that the answers stay within their limit.
pub fn merge_everywhere(files: &Files<'_>, words: &[String], variables: &BTreeMap<String, String>) {
    for role in [Role::Server, Role::Agent] {
        let invocation = Invocation::new(role, words, variables);
        merge_as(files, &invocation);
    }
}

/// Merges one command as every kind of release does.
pub fn merge_as(files: &Files<'_>, invocation: &Invocation) {
    for minor in MINORS {
        if let Ok(merged) = merge(files, invocation, K3sVersion::new(minor, 3)) {
            assert!(size_of(&merged.merge) <= ANSWER_LIMIT_BYTES);
        }
    }
}

fn size_of(merge: &Merge) -> usize {
    let words = merge.words.iter().chain(&merge.warnings).map(String::len);
    let values = merge
        .options
        .values()
        .flat_map(|option| option.values.iter());
    words.chain(values.map(|value| value.value.len())).sum()
}
