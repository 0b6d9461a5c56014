//! Where a server's cluster keeps its state.

use std::path::Path;

use crate::catalogue::Datastore;
use crate::host::{HostError, Kind, Root};
use crate::k3s::Merge;

/// The datastore, as K3s decides it (pkg/cluster/managed.go, `assignManagedDriver`): an embedded etcd that has data comes
/// before everything; then an endpoint is external; then etcd is embedded where its directory is, or where the options
/// ask to start or join such a cluster; else SQLite.
pub(super) fn of(root: &Root, merge: &Merge, data_dir: &Path) -> Result<Datastore, HostError> {
    let last = |name: &str| {
        let option = merge.options.get(name)?;
        option.values.last().map(|value| value.value.as_str())
    };
    let given = |name: &str| last(name).is_some_and(|value| !value.is_empty());
    // `IsInitialized` of pkg/etcd/etcd.go.
    if root.kind(&data_dir.join("server/db/etcd/member/wal"))? == Some(Kind::Directory) {
        return Ok(Datastore::Etcd);
    }
    if last("datastore-endpoint").is_some_and(|endpoint| {
        !endpoint.is_empty() && !endpoint.starts_with("sqlite") && endpoint != "etcd"
    }) {
        return Ok(Datastore::External);
    }
    let embedded = root.kind(&data_dir.join("server/db/etcd"))?.is_some();
    let asked = last("cluster-init") == Some("true") || given("server");
    Ok(if embedded || asked {
        Datastore::Etcd
    } else {
        Datastore::Sqlite
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::{Files, Invocation, K3sVersion, Role, merge};

    fn of_node(words: &[&str], directory: &str) -> Datastore {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(tree.path().join(directory)).unwrap();
        let root = Root::open(tree.path()).unwrap();
        let words = words.iter().map(|word| (*word).to_owned());
        let invocation = Invocation::new(Role::Server, words, &std::collections::BTreeMap::new());
        let merged = merge(&Files::new(&root), &invocation, K3sVersion::new(36, 3)).unwrap();
        of(&root, &merged.merge, Path::new("/data")).unwrap()
    }

    #[test]
    fn an_etcd_that_has_data_comes_before_an_endpoint() {
        const ENDPOINT: &str = "--datastore-endpoint=mysql://db";
        const HAS_DATA: &str = "data/server/db/etcd/member/wal";
        for (words, directory, expected) in [
            (&[][..], "data/server/db", Datastore::Sqlite),
            (&[][..], HAS_DATA, Datastore::Etcd),
            (&["--cluster-init"], "data", Datastore::Etcd),
            (&[ENDPOINT], "data/server/db/etcd", Datastore::External),
            (&[ENDPOINT], HAS_DATA, Datastore::Etcd),
        ] {
            assert_eq!(of_node(words, directory), expected, "{words:?} {directory}");
        }
    }
}
