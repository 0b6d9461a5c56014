//! The encryption configuration of kube-apiserver, where an operator has one of his own in the place of K3s's (apiserver
//! `pkg/server/options/encryptionconfig/config.go`, `pkg/apis/apiserver/validation/validation_encryption.go`).

use std::path::Path;

use super::{Line, files};
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
    let path = Path::new(&argument.value);
    let prefix = format!("{what} encryption provider configuration file {path:?}");
    let Some(configuration) = files::document(line, argument, &prefix) else {
        return;
    };
    if let Some(reason) = refuses(&configuration) {
        line.end(&format!("{prefix}: {reason}"), Some(argument));
    }
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
