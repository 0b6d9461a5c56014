//! Encryption that is turned off while its key is there. kube-apiserver gets the key's file only where the option is on
//! (pkg/daemons/control/deps/deps.go genEncryptionConfigAndState), so it reads no Secret that was encrypted: "identity transformer
//! tried to read encrypted data". A real K3s did not become ready then, and was well again with the option back.

use super::encrypts_secrets;
use crate::k3s::Place;
use crate::k3s::component::document::Document;
use crate::k3s::component::judge::Line;
use crate::k3s::component::options::Options;

/// What the operator should know before the next start. A file that `k3s secrets-encrypt disable` left with `identity` first
/// encrypts nothing, and none is said of it.
pub(super) fn warning(options: Options<'_>, line: &Line<'_>) -> Option<String> {
    if line.arguments.is_empty() || line.given(super::FLAG).is_some() {
        return None;
    }
    let path = line
        .node
        .data_dir
        .join("server/cred/encryption-config.json");
    let content = line.files.read(&path).ok().flatten()?;
    if !Document::parse(&content).is_ok_and(|configuration| encrypts_secrets(&configuration)) {
        return None;
    }
    // An empty argument of the operator's takes K3s's own away.
    let emptied = line.last(super::FLAG);
    let place = emptied
        .map(|argument| &argument.place)
        .or_else(|| options.place("secrets-encryption"))
        .filter(|place| **place != Place::Default)
        .map_or_else(String::new, |place| format!("{place}: "));
    Some(format!(
        "{place}encryption of Secrets is off, and {} holds a key: kube-apiserver is not told of it, cannot read the Secrets that \
         are encrypted with it, and K3s does not become ready. Turn it on again (`secrets-encryption: true`); to have Secrets \
         unencrypted, keep it on and use `k3s secrets-encrypt disable`",
        path.display()
    ))
}
