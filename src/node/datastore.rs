//! Where a server's cluster keeps its state.

use std::path::Path;

use crate::catalogue::Datastore;
use crate::host::{HostError, Root};
use crate::k3s::Merge;

/// The datastore, as K3s decides it (pkg/cluster/managed.go): an endpoint is external; embedded etcd is there when its
/// directory is, or when the options ask to start or join such a cluster; else SQLite.
pub(super) fn of(root: &Root, merge: &Merge, data_dir: &Path) -> Result<Datastore, HostError> {
    let last = |name: &str| {
        let option = merge.options.get(name)?;
        option.values.last().map(|value| value.value.as_str())
    };
    let given = |name: &str| last(name).is_some_and(|value| !value.is_empty());
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
