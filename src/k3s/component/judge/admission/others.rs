//! The sections of plug-ins that need none: ResourceQuota, PodTolerationRestriction, the two webhooks and ImagePolicyWebhook.
//!
//! apiserver `pkg/admission/plugin/{resourcequota,webhook}/config`, kubernetes
//! `plugin/pkg/admission/{podtolerationrestriction,imagepolicy}`.

use std::path::Path;

use super::refused_kind;
use crate::k3s::Files;
use crate::k3s::component::document::Document;

const QUOTA: [(&str, &str); 3] = [
    ("apiserver.config.k8s.io/v1", "ResourceQuotaConfiguration"),
    ("resourcequota.admission.k8s.io/v1beta1", "Configuration"),
    ("resourcequota.admission.k8s.io/v1alpha1", "Configuration"),
];
const TOLERATION: [(&str, &str); 1] = [(
    "podtolerationrestriction.admission.k8s.io/v1alpha1",
    "Configuration",
)];
/// The second was there in 1.20 and is gone in 1.36.
const WEBHOOK: [(&str, &str); 2] = [
    (
        "apiserver.config.k8s.io/v1",
        "WebhookAdmissionConfiguration",
    ),
    ("apiserver.config.k8s.io/v1alpha1", "WebhookAdmission"),
];

/// Why a plug-in would not take its section; also `None` for one that is not judged here.
pub(super) fn refuses(plugin: &str, section: &Document, files: &Files<'_>) -> Option<String> {
    match plugin {
        "ResourceQuota" => refused_kind(section, &QUOTA),
        "PodTolerationRestriction" => refused_kind(section, &TOLERATION),
        "ValidatingAdmissionWebhook" | "MutatingAdmissionWebhook" => {
            refused_kind(section, &WEBHOOK)
                .or_else(|| refuses_kubeconfig(section.text("kubeConfigFile"), files))
        }
        "ImagePolicyWebhook" => {
            let name = section
                .get("imagePolicy")
                .map(|policy| policy.text("kubeConfigFile"));
            // A relative name is left alone: what it would be looked up in is not known here.
            let name = name.filter(|name| Path::new(name).is_absolute());
            missing(name.unwrap_or_default(), files)
        }
        _ => None,
    }
}

fn refuses_kubeconfig(name: &str, files: &Files<'_>) -> Option<String> {
    if !name.is_empty() && !Path::new(name).is_absolute() {
        return Some(format!(
            "kubeConfigFile: Invalid value: {name:?}: must be an absolute file path"
        ));
    }
    missing(name, files)
}

fn missing(name: &str, files: &Files<'_>) -> Option<String> {
    let is_missing = !name.is_empty() && matches!(files.kind(Path::new(name)), Ok(None));
    is_missing.then(|| format!("stat {name}: no such file or directory"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Root;

    #[test]
    fn another_kind_or_a_missing_kubeconfig_ends_it() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::write(tree.path().join("there"), "").unwrap();
        let root = Root::open(tree.path()).unwrap();
        let files = Files::new(&root);
        let webhook = |name: &str| {
            format!(
                "{{apiVersion: apiserver.config.k8s.io/v1, kind: WebhookAdmissionConfiguration, kubeConfigFile: {name}}}"
            )
        };
        let image = |name: &str| format!("imagePolicy: {{kubeConfigFile: {name}}}");
        let other = "{apiVersion: nope, kind: x}".to_owned();
        let none = "stat /none: no such file or directory";
        for (plugin, text, words) in [
            ("ResourceQuota", &other, "no kind \"x\" is registered"),
            (
                "PodTolerationRestriction",
                &other,
                "no kind \"x\" is registered",
            ),
            (
                "MutatingAdmissionWebhook",
                &other,
                "no kind \"x\" is registered",
            ),
            ("ValidatingAdmissionWebhook", &webhook("/none"), none),
            (
                "ValidatingAdmissionWebhook",
                &webhook("none"),
                "must be an absolute file path",
            ),
            ("ImagePolicyWebhook", &image("/none"), none),
        ] {
            let section = Document::parse(text.as_bytes()).unwrap();
            let reason = refuses(plugin, &section, &files).unwrap();
            assert!(reason.contains(words), "{plugin} {text}: {reason}");
        }
        for (plugin, text) in [
            ("ValidatingAdmissionWebhook", &webhook("/there")),
            ("ImagePolicyWebhook", &image("/there")),
            ("Other", &other),
        ] {
            let section = Document::parse(text.as_bytes()).unwrap();
            assert_eq!(refuses(plugin, &section, &files), None, "{plugin} {text}");
        }
    }
}
