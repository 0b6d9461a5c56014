//! Encryption that is new to a cluster that has data. K3s starts with it: it makes a key where there is none
//! (pkg/daemons/control/deps/deps.go genEncryptionConfigAndState) and keeps what the datastore has of keys as it is
//! (pkg/cluster/storage.go Save, "Bootstrap key already exists"). So the key is on this server alone, and what was written before
//! stays as it was. The same in all releases since 1.20.

use crate::k3s::component::judge::{Line, files};
use crate::k3s::component::options::Options;

/// What the operator should know before the next start.
pub(super) fn warning(options: Options<'_>, line: &Line<'_>) -> Option<String> {
    let argument = line
        .given(super::FLAG)
        .filter(|_| options.on("secrets-encryption"))?;
    if !files::made_by_k3s(line, &argument.value) {
        return None;
    }
    let key = line
        .files
        .read(&line.node.named_file(&argument.value))
        .ok()?;
    let has_data = matches!(
        line.files.kind(&line.node.data_dir.join("server/db")),
        Ok(Some(_))
    );
    if !has_data || key.is_some_and(|key| !key.is_empty()) {
        return None;
    }
    let place = options
        .place("secrets-encryption")
        .map_or_else(String::new, |place| format!("{place}: "));
    Some(format!(
        "{place}secrets-encryption is on in a cluster that has data and no key yet: K3s makes one at its next start and keeps it on \
         this server alone. Secrets that are there stay unencrypted until they are written anew; another server makes a key of its \
         own, and neither reads what the other writes. `k3warden explain secrets-encryption` has the way for a cluster that has data"
    ))
}
