//! The encryption configuration of kube-apiserver, where an operator has one of his own in the place of K3s's (apiserver
//! `pkg/server/options/encryptionconfig/config.go`, `pkg/apis/apiserver/validation/validation_encryption.go`).

use super::{Line, files};
use crate::k3s::Place;
use crate::k3s::component::document::Document;

const FLAG: &str = "encryption-provider-config";
const PROVIDERS: [&str; 5] = ["aesgcm", "aescbc", "secretbox", "identity", "kms"];

/// Judges the file that the flag names; K3s's own comes into being at its start.
pub(super) fn judge(line: &mut Line<'_>) {
    let Some(argument) = line.given(FLAG) else {
        return;
    };
    if argument.value.is_empty() || files::made_by_k3s(line, &argument.value) {
        return;
    }
    let what = match line.minor() {
        ..25 => "error while parsing",
        _ => "error decoding",
    };
    let path = line.node.named_file(&argument.value);
    let prefix = format!("{what} encryption provider configuration file {path:?}");
    let Some(configuration) = files::document(line, argument, &prefix) else {
        return;
    };
    if let Some(reason) = refuses(&configuration) {
        line.end(&format!("{prefix}: {reason}"), Some(argument));
    }
}

/// Whether Secrets are encrypted, where the operator's own argument decides that: empty turns it off, and of a file the
/// first provider for Secrets writes them.
pub(super) fn in_force(line: &Line<'_>) -> Option<(bool, Place)> {
    let argument = line.last(FLAG)?;
    if files::made_by_k3s(line, &argument.value) {
        return None;
    }
    let read = || {
        let path = line.node.named_file(&argument.value);
        let bytes = line.files.read(&path).ok().flatten()?;
        Document::parse(&bytes).ok()
    };
    let is_on = !argument.value.is_empty() && read().is_some_and(|file| encrypts_secrets(&file));
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

/// Why the apiserver would not take it. Keys are not looked at: a secret has no business in a report.
fn refuses(configuration: &Document) -> Option<String> {
    let (version, kind) = (configuration.text("apiVersion"), configuration.text("kind"));
    let is_known = matches!(version, "apiserver.config.k8s.io/v1" | "v1");
    if !is_known || kind != "EncryptionConfiguration" {
        return Some(format!(
            "no kind {kind:?} is registered for version {version:?}"
        ));
    }
    let resources = configuration
        .get("resources")
        .map_or(&[][..], Document::items);
    if resources.is_empty() {
        return Some("resources: Required value: at least one resource is required".to_owned());
    }
    resources.iter().enumerate().find_map(|(index, resource)| {
        let list = |key: &str| resource.get(key).map_or(&[][..], Document::items);
        if list("resources").is_empty() {
            return Some(format!(
                "resources[{index}].resources: Required value: at least one resource is required"
            ));
        }
        let providers = list("providers");
        if providers.is_empty() {
            return Some(format!(
                "resources[{index}].providers: Required value: at least one provider is required"
            ));
        }
        providers.iter().enumerate().find_map(|(place, provider)| {
            let known = provider.keys().filter(|key| PROVIDERS.contains(key));
            (known.count() != 1).then(|| {
                format!(
                    "resources[{index}].providers[{place}]: Invalid value: more than one provider or none is specified"
                )
            })
        })
    })
}
