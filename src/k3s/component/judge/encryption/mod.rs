//! The encryption configuration of kube-apiserver, where an operator has one of his own in the place of K3s's (apiserver
//! `pkg/server/options/encryptionconfig/config.go`, `pkg/apis/apiserver/validation/validation_encryption.go`).

mod file;
mod keys;
mod late;
mod withdrawn;

use super::{Line, files};
use crate::k3s::Place;
use crate::k3s::component::document::Document;
use crate::k3s::component::options::Options;
use crate::k3s::go_value::boolean;

const FLAG: &str = "encryption-provider-config";
const PROVIDERS: [&str; 5] = ["aesgcm", "aescbc", "secretbox", "identity", "kms"];

/// That encryption is off while its key is there.
pub(super) fn withdrawn(options: Options<'_>, line: &Line<'_>) -> Option<String> {
    withdrawn::warning(options, line)
}

/// What the operator should know before the next start; at most one of them is so.
pub(super) fn warning(options: Options<'_>, line: &Line<'_>) -> Option<String> {
    late::warning(options, line).or_else(|| withdrawn(options, line))
}

/// Judges the file that the flag names; K3s's own comes into being at its start.
pub(super) fn judge(line: &mut Line<'_>) {
    let Some(argument) = line.given(FLAG) else {
        reload_of_nothing(line);
        return;
    };
    if files::made_by_k3s(line, &argument.value) {
        return;
    }
    let path = line.node.named_file(&argument.value);
    let (prefix, decoding) = match line.minor() {
        ..25 => {
            let prefix =
                format!("error while parsing encryption provider configuration file {path:?}");
            (prefix.clone(), prefix)
        }
        _ => {
            let what = match line.files.kind(&path) {
                Ok(None) => "error while loading file: error reading",
                _ => "error decoding",
            };
            let prefix = "error while parsing file".to_owned();
            let decoding =
                format!("{prefix}: {what} encryption provider configuration file {path:?}");
            (prefix, decoding)
        }
    };
    let Some(configuration) = files::document(line, argument, &decoding) else {
        return;
    };
    let reason = match file::undecoded(&configuration, line.minor()) {
        Some(reason) => Some(format!("{decoding}: {reason}")),
        None => {
            file::invalid(&configuration, line.minor()).map(|reason| format!("{prefix}: {reason}"))
        }
    };
    if let Some(reason) = reason {
        line.end(&reason, Some(argument));
    }
}

/// apiserver `pkg/server/options/etcd.go`. K3s itself asks for it where it encrypts, so an empty file name ends it too.
fn reload_of_nothing(line: &mut Line<'_>) {
    let flag = "encryption-provider-config-automatic-reload";
    let Some(argument) = line
        .last(flag)
        .filter(|argument| boolean(&argument.value) == Some(true))
    else {
        return;
    };
    let blamed = match argument.place {
        Place::Default => line.last(FLAG).unwrap_or(argument),
        _ => argument,
    };
    line.end(&format!("--{flag} must be set with --{FLAG}"), Some(blamed));
}

/// Whether Secrets are encrypted, where a file or an operator's argument decides that: an empty argument turns it off, and
/// of a file the first provider for Secrets writes them. K3s makes a file of its own only where there is none
/// (pkg/daemons/control/deps/deps.go genEncryptionConfigAndState): one that `k3s secrets-encrypt disable` or `enable` left
/// with `identity` first encrypts nothing, whatever the option says.
pub(super) fn in_force(line: &Line<'_>) -> Option<(bool, Place)> {
    let argument = line.last(FLAG)?;
    let path = line.node.named_file(&argument.value);
    let read = || line.files.read(&path).ok().flatten();
    let encrypts = |bytes: Vec<u8>| {
        Document::parse(&bytes).is_ok_and(|configuration| encrypts_secrets(&configuration))
    };
    if files::made_by_k3s(line, &argument.value) {
        let is_off = read().is_some_and(|bytes| !bytes.is_empty() && !encrypts(bytes));
        return is_off.then_some((false, Place::File { path, line: 1 }));
    }
    let is_on = !argument.value.is_empty() && read().is_some_and(encrypts);
    Some((is_on, argument.place.clone()))
}

/// The first entry that names a resource counts for it; `*.` is the core group, `*.*` everything.
fn encrypts_secrets(configuration: &Document) -> bool {
    let list = |document: &'_ Document, key: &str| -> Vec<Document> {
        document.get(key).map_or(&[][..], Document::items).to_vec()
    };
    let names_secrets = |entry: &Document| {
        let names = list(entry, "resources");
        let is_it = |name: &Document| matches!(name, Document::Text(name) if matches!(name.as_str(), "secrets" | "*." | "*.*"));
        names.iter().any(is_it)
    };
    let entries = list(configuration, "resources");
    let entry = entries.iter().find(|entry| names_secrets(entry));
    let first = entry.and_then(|entry| list(entry, "providers").into_iter().next());
    first.is_some_and(|provider| {
        let mut keys = provider.keys();
        keys.any(|key| PROVIDERS.contains(&key) && key != "identity")
    })
}
