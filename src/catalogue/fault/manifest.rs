//! Names of manifests: what K3s's deploy controller reads, and what it takes two files for (K3s pkg/deploy/controller.go).

use super::Fault;
use crate::catalogue::{Control, Each, ManifestSetting, SettingBody, did_you_mean, shown};
use crate::k3s::{MANIFEST_ENDINGS, is_subdomain_part};

/// The manifests that K3s lays out itself, up to the first dot: it writes them again at each start (K3s manifests/).
const PACKAGED: [&str; 13] = [
    "aggregated-metrics-reader",
    "auth-delegator",
    "auth-reader",
    "ccm",
    "coredns",
    "local-storage",
    "metrics-apiservice",
    "metrics-server-deployment",
    "metrics-server-service",
    "resource-reader",
    "rolebindings",
    "runtimes",
    "traefik",
];
/// A file name has no more room (`NAME_MAX` is 255), nor has the name of an object.
const LONGEST: usize = 253;
/// A namespace is a label of a host's name (RFC 1123).
const LONGEST_NAMESPACE: usize = 63;

/// Why a name is refused: it is no file in `server/manifests`, or K3s would not deploy it, or not for long.
pub(super) fn of_name(name: &str) -> Option<Fault> {
    let sample = match Each::of(name) {
        Some(each) => each.filled(name, "each"),
        None => name.to_owned(),
    };
    let (stem, ending) = sample.split_once('.').unwrap_or((&sample, ""));
    let (what, mend) = if name.contains('/') {
        (
            "is a path".to_owned(),
            "give the name alone; it stands in K3s's `server/manifests`".to_owned(),
        )
    } else if !is_subdomain_part(stem) || sample.len() > LONGEST {
        (
            "is none that K3s deploys".to_owned(),
            "K3s makes an Addon of it: lower-case letters, digits and `-` up to the first dot"
                .to_owned(),
        )
    } else if !MANIFEST_ENDINGS.contains(&ending) {
        let begins_alike = MANIFEST_ENDINGS
            .iter()
            .any(|known| ending.ends_with(&format!(".{known}")));
        let mend = match begins_alike {
            true => {
                "K3s takes files that are alike up to the first dot for one and has each remove the other's objects: one dot only"
            }
            false => "K3s reads `.yaml`, `.yml` and `.json`",
        };
        (
            "has another ending than a manifest".to_owned(),
            mend.to_owned(),
        )
    } else if PACKAGED.contains(&stem) {
        (
            format!("is K3s's own: it writes `{stem}` at each start"),
            "begin it with a word of yours, such as `site-`".to_owned(),
        )
    } else {
        return None;
    };
    let message = format!("manifest name `{}` {what}", shown(name));
    Some(Fault::of_word(name, message, Some(mend)))
}

/// A namespace that none can be, `{each:PARAMETER}` of the file's name apart.
pub(super) fn of_namespace(namespace: &str, each: Option<&str>) -> Option<Fault> {
    let is_each = |parameter: &str| namespace == format!("{{each:{parameter}}}");
    let is_one = is_subdomain_part(namespace) && namespace.len() <= LONGEST_NAMESPACE;
    (!is_one && !each.is_some_and(is_each)).then(|| {
        let message = format!("`{}` is no name of a namespace", shown(namespace));
        Fault::of_word(namespace, message, None)
    })
}

/// A need that nobody could answer: no manifest of the control, or one that is written more often than what needs it. What is needed
/// needs nothing itself, so that nothing goes in a circle.
pub(super) fn of_needs(manifest: &ManifestSetting, control: &Control) -> Option<Fault> {
    let of_control = || {
        let settings = control.settings.iter();
        settings.filter_map(|setting| match &setting.body {
            SettingBody::Manifest(other) => Some(other),
            _ => None,
        })
    };
    let each = Each::of(&manifest.name).map(|each| each.parameter);
    manifest.needs.iter().find_map(|need| {
        let others = of_control().filter(|other| other.name != manifest.name);
        let mut named = of_control().filter(|other| other.name == *need);
        let (what, hint) = if *need == manifest.name {
            ("is itself", "name others of the control".to_owned())
        } else if named.clone().next().is_none() {
            let names: Vec<&str> = others.map(|other| other.name.as_str()).collect();
            let hint = did_you_mean(need, names.iter().copied()).unwrap_or_else(|| {
                match names.as_slice() {
                    [] => "the control has no other manifest".to_owned(),
                    names => format!("its others are {}", names.join(", ")),
                }
            });
            ("is no manifest of its control", hint)
        } else if Each::of(need).is_some_and(|of_need| each != Some(of_need.parameter)) {
            let hint = "put the same `{each:...}` into the name of what needs it".to_owned();
            ("is one file for each name of a list", hint)
        } else if named.any(|other| !other.needs.is_empty()) {
            let hint = "name all that are needed where the first need is".to_owned();
            ("needs others itself", hint)
        } else {
            return None;
        };
        let message = format!(
            "`{}` needs `{}`, which {what}",
            shown(&manifest.name),
            shown(need)
        );
        Some(Fault::of_word(need, message, Some(hint)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_of_a_load_balancer_is_a_name_or_that_of_each_file() {
        for (namespace, each) in [("default", None), ("{each:n}", Some("n")), ("a", Some("n"))] {
            assert!(of_namespace(namespace, each).is_none(), "{namespace}");
        }
        for (namespace, each) in [
            ("{each:n}", None),
            ("{each:m}", Some("n")),
            ("Default", None),
            ("", None),
        ] {
            assert!(of_namespace(namespace, each).is_some(), "{namespace}");
        }
    }

    #[test]
    fn a_manifest_has_a_name_that_k3s_deploys_and_no_other_file_has() {
        for name in [
            "site-dns.yaml",
            "x.yml",
            "1.json",
            "netpol-{each:namespaces}.yaml",
        ] {
            assert!(of_name(name).is_none(), "{name}");
        }
        for name in [
            "../../x.yaml",
            "a/b.yaml",
            "coredns.yaml",
            "traefik.json",
            "Under_Score.yaml",
            "under_score.yaml",
            "x",
            "x.txt",
            ".x.yaml",
            "",
            ".yaml",
            "-x.yaml",
            "netpol.v1.yaml",
            "x.yaml.skip",
            "x\n.yaml",
            "X.yaml",
            "{parameter:a}.yaml",
            "{each:a.yaml",
            "x.YAML",
        ] {
            assert!(of_name(name).is_some(), "{name}");
        }
        assert!(of_name(&format!("{}.yaml", "x".repeat(250))).is_some());
    }
}
