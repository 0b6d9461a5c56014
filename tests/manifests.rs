//! What K3s's deploy controller makes of our manifests (K3s pkg/deploy/controller.go): names, stems, objects and selectors.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod server;
mod tree;

use std::collections::BTreeMap;

use k3warden::catalogue::{Catalogue, ManifestSetting, SettingBody, content};
use k3warden::k3s::K3sVersion;
use server::Server;

/// Stems of K3s's own files: one of ours would share their Addon, and the two would delete each other's objects.
const OF_K3S: [&str; 13] = [
    "ccm",
    "coredns",
    "local-storage",
    "rolebindings",
    "runtimes",
    "traefik",
    "aggregated-metrics-reader",
    "auth-delegator",
    "auth-reader",
    "metrics-apiservice",
    "metrics-server-deployment",
    "metrics-server-service",
    "resource-reader",
];
const KINDS: [&str; 7] = [
    "NetworkPolicy",
    "ServiceAccount",
    "PodSecurityPolicy",
    "ClusterRole",
    "ClusterRoleBinding",
    "Role",
    "RoleBinding",
];

fn manifests(catalogue: &Catalogue) -> Vec<&ManifestSetting> {
    let settings = catalogue
        .controls()
        .iter()
        .flat_map(|control| &control.settings);
    settings
        .filter_map(|setting| match &setting.body {
            SettingBody::Manifest(manifest) => Some(manifest),
            _ => None,
        })
        .collect()
}

fn stem(name: &str) -> &str {
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

#[test]
fn every_name_is_one_that_the_deploy_controller_takes_and_no_other_has() {
    let catalogue = Catalogue::built_in().unwrap();
    let mut stems: BTreeMap<String, &str> = BTreeMap::new();
    for manifest in manifests(&catalogue) {
        let name = manifest.name.replace("{each:namespaces}", "team");
        let stem = stem(&name);
        assert!(name.ends_with(".yaml") && !name.starts_with('.'), "{name}");
        let label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        assert!(
            stem.bytes().all(label) && stem.starts_with("k3warden-") && stem.len() <= 63,
            "{name}"
        );
        assert!(!OF_K3S.contains(&stem), "{name}");
        assert_eq!(
            stems.insert(stem.to_owned(), &manifest.name),
            None,
            "{name}"
        );
    }
    assert!(stems.len() > 12, "{stems:?}");
}

/// The objects of a content: kind, namespace (empty for the cluster's) and name.
fn objects(text: &str) -> Vec<(String, String, String)> {
    let documents = text.split("\n---\n");
    documents
        .map(|document| {
            let mut of_metadata = false;
            let (mut kind, mut namespace, mut name) = Default::default();
            for line in document.lines() {
                if let Some(value) = line.strip_prefix("kind: ") {
                    kind = value.to_owned();
                }
                if !line.starts_with(' ') {
                    of_metadata = line == "metadata:";
                }
                if let Some(value) = line.strip_prefix("  namespace: ").filter(|_| of_metadata) {
                    namespace = value.to_owned();
                }
                if let Some(value) = line.strip_prefix("  name: ").filter(|_| of_metadata) {
                    name = value.to_owned();
                }
            }
            (kind, namespace, name)
        })
        .collect()
}

#[test]
fn a_file_is_about_one_namespace_and_its_objects_are_ours_alone() {
    let catalogue = Catalogue::built_in().unwrap();
    let mut all: BTreeMap<(String, String, String), &str> = BTreeMap::new();
    for manifest in manifests(&catalogue) {
        let objects = objects(content(&manifest.content).unwrap());
        let (_, first, _) = objects.first().unwrap().clone();
        for (kind, namespace, name) in objects {
            assert!(KINDS.contains(&kind.as_str()), "{}: {kind}", manifest.name);
            assert_eq!(namespace, first, "{}: two namespaces", manifest.name);
            let is_default_account = kind == "ServiceAccount" && name == "default";
            assert!(
                name.starts_with("k3warden-") || is_default_account,
                "{}: {name}",
                manifest.name
            );
            let known = all.insert((kind, namespace, name.clone()), &manifest.name);
            // The label of Traefik differs by release; one of the two files is there.
            assert_eq!(known, None, "{}: {name} is in two files", manifest.name);
        }
    }
}

#[test]
fn no_selector_asks_for_a_label_that_namespaces_do_not_have() {
    let catalogue = Catalogue::built_in().unwrap();
    for manifest in manifests(&catalogue) {
        let text = content(&manifest.content).unwrap();
        let selects = text.contains("namespaceSelector");
        assert!(
            !selects || text.contains("kubernetes.io/metadata.name"),
            "{}",
            manifest.name
        );
        // A policy without a rule that allows would cut everything off.
        if text.contains("kind: NetworkPolicy") {
            assert!(text.contains("ingress:\n  - "), "{}", manifest.name);
            assert!(!text.contains("Egress"), "{}", manifest.name);
        }
    }
}

#[test]
fn a_component_that_is_disabled_gets_no_policy_and_loses_ours() {
    let server = Server::new();
    let there = |name: &str| server.manifests().contains(&name.to_owned());
    server.apply();
    let traefik = "k3warden-netpol-kube-system-traefik.yaml";
    let metrics = "k3warden-netpol-kube-system-metrics-server.yaml";
    assert!(there(traefik) && there(metrics));
    server.write(
        "/etc/rancher/k3s/config.yaml",
        "disable: [traefik, metrics-server]\n",
    );
    server.apply();
    assert!(
        !there(traefik) && !there(metrics),
        "{:?}",
        server.manifests()
    );
    assert!(there("k3warden-netpol-kube-system-dns.yaml"));
}

/// K3s deploys from servers that have an apiserver of their own: there is nothing to hold on an etcd-only server, and a file
/// of ours there says nothing of the cluster.
#[test]
fn a_server_without_an_apiserver_gets_no_manifest_and_none_there_is_called_right() {
    let server = Server::new();
    server.write(
        "/etc/rancher/k3s/config.yaml",
        "cluster-init: true\ndisable-apiserver: true\n",
    );
    server.apply();
    assert!(server.manifests().is_empty(), "{:?}", server.manifests());

    let server = Server::new();
    server.apply();
    server.write(
        "/etc/rancher/k3s/config.yaml",
        "cluster-init: true\ndisable-apiserver: true\n",
    );
    for control in ["network-policy-default", "default-service-accounts"] {
        server.judge(control, |judged| {
            let said = format!("{:?}", judged.findings);
            assert!(said.contains("deploys no manifest from it"), "{said}");
            assert_eq!(judged.verdict.to_string(), "not-applicable", "{said}");
        });
    }
}

#[test]
fn further_namespaces_have_a_file_each() {
    let server = Server::new();
    server
        .policy("[control.network-policy-extra-namespaces]\nnamespaces = [\"team\", \"other\"]\n");
    server.apply();
    let ours = server
        .manifests()
        .into_iter()
        .filter(|name| name.contains("namespace"));
    assert_eq!(
        ours.collect::<Vec<_>>(),
        [
            "k3warden-netpol-namespace-other.yaml",
            "k3warden-netpol-namespace-team.yaml"
        ]
    );
}

/// The pods of K3s's load balancer run where servicelb-namespace says, in the service's namespace before there was that
/// option (1.24.2): the policy of that namespace must let clients through to them.
#[test]
fn the_load_balancer_is_reached_in_whichever_namespace_it_runs() {
    let with = |version: (u16, u16), config: &str| {
        let mut server = Server::new();
        server.version = K3sVersion::new(version.0, version.1);
        server.policy("[control.network-policy-extra-namespaces]\nnamespaces = [\"edge-lb\"]\n");
        server.write("/etc/rancher/k3s/config.yaml", config);
        server.apply();
        let names = server.manifests().into_iter();
        let lets_through = |name: &String| {
            let path = format!("/var/lib/rancher/k3s/server/manifests/{name}");
            server
                .read(&path)
                .contains("svccontroller.k3s.cattle.io/svcname")
        };
        let names = names.filter(lets_through);
        let names: Vec<String> = names
            .map(|name| name.replace("k3warden-netpol-", ""))
            .collect();
        names.join(" ")
    };
    let system = "kube-system-servicelb.yaml";
    let chosen = |namespace: &str| with((36, 3), &format!("servicelb-namespace: {namespace}\n"));
    assert_eq!(with((36, 3), ""), system);
    assert_eq!(
        chosen("default"),
        format!("default-servicelb.yaml {system}")
    );
    assert_eq!(
        chosen("kube-public"),
        format!("kube-public-servicelb.yaml {system}")
    );
    assert_eq!(chosen("edge-lb"), format!("balancer-edge-lb.yaml {system}"));
    assert_eq!(with((24, 17), ""), system);
    let everywhere = "balancer-edge-lb.yaml default-servicelb.yaml kube-public-servicelb.yaml kube-system-servicelb.yaml";
    assert_eq!(with((24, 1), ""), everywhere);
    assert_eq!(
        with(
            (36, 3),
            "servicelb-namespace: default\ndisable: [servicelb]\n"
        ),
        ""
    );
}

/// A binary that does not say its version for a moment, while it is exchanged, is no reason to lay out what the release may not need:
/// what it made in the cluster would stay there.
#[test]
fn nothing_is_laid_out_for_a_load_balancer_of_which_the_release_would_tell_where_it_runs() {
    let mut server = Server::new();
    server.apply();
    let known = server.manifests();
    server.says_its_version = false;
    server.apply();
    assert_eq!(server.manifests(), known);

    // And what denies is not begun without what may have to let through.
    let denies = "k3warden-netpol-default.yaml";
    assert!(known.contains(&denies.to_owned()));
    let path = format!("/var/lib/rancher/k3s/server/manifests/{denies}");
    std::fs::remove_file(server.tree.at(&path)).unwrap();
    server.apply();
    assert!(!server.manifests().contains(&denies.to_owned()));
    server.says_its_version = true;
    server.apply();
    assert_eq!(server.manifests(), known);
}

/// What was laid out for another namespace goes when the load balancer moves; a file that is the operator's stays.
#[test]
fn a_load_balancer_that_moves_takes_its_policy_along() {
    let server = Server::new();
    let there = || {
        server
            .manifests()
            .contains(&"k3warden-netpol-default-servicelb.yaml".to_owned())
    };
    server.write(
        "/etc/rancher/k3s/config.yaml",
        "servicelb-namespace: default\n",
    );
    server.apply();
    assert!(there());
    server.write("/etc/rancher/k3s/config.yaml", "");
    server.apply();
    assert!(!there());
}

/// K3s deletes from the cluster what leaves a file that stays, a ServiceAccount `default` included.
#[test]
fn the_file_of_an_account_is_never_rewritten_with_less() {
    let catalogue = Catalogue::built_in().unwrap();
    let accounts = manifests(&catalogue)
        .into_iter()
        .filter(|manifest| manifest.content.starts_with("serviceaccount-"));
    let mut seen = 0;
    for manifest in accounts {
        let objects = objects(content(&manifest.content).unwrap());
        assert_eq!(
            objects.len(),
            1,
            "{}: one account a file, so that none can leave it alone",
            manifest.name
        );
        seen += 1;
    }
    assert_eq!(seen, 4);
}

/// Every object that a file of ours ever had. A line is added with an object, and none goes: K3s would delete the object
/// from every cluster at the update. What is not wanted any more goes with its whole file.
const EVER: &str = include_str!("manifests/objects.txt");

#[test]
fn the_objects_of_a_file_never_become_fewer() {
    let catalogue = Catalogue::built_in().unwrap();
    let mut now = Vec::new();
    for manifest in manifests(&catalogue) {
        for (kind, namespace, name) in objects(content(&manifest.content).unwrap()) {
            now.push(format!("{}: {kind} {namespace}/{name}", manifest.name));
        }
    }
    let files: Vec<&str> = manifests(&catalogue)
        .iter()
        .map(|manifest| manifest.name.as_str())
        .collect();
    let gone: Vec<&str> = EVER
        .lines()
        .filter(|line| {
            files
                .iter()
                .any(|file| line.starts_with(&format!("{file}: ")))
        })
        .filter(|line| !now.iter().any(|other| other == line))
        .collect();
    assert_eq!(gone, Vec::<&str>::new(), "taken out of a file that stays");
    let new: Vec<&String> = now
        .iter()
        .filter(|line| !EVER.lines().any(|other| other == *line))
        .collect();
    assert_eq!(
        new,
        Vec::<&String>::new(),
        "to be added to tests/manifests/objects.txt"
    );
}

#[test]
fn what_keeps_k3s_from_deploying_a_manifest_is_named_and_ours_is_not_written_against_it() {
    const MANIFESTS: &str = "/var/lib/rancher/k3s/server/manifests";
    const CONFIG: &str = "/etc/rancher/k3s/config.yaml";
    let control = "default-service-accounts";
    let name = "k3warden-serviceaccount-default.yaml";
    let finding = |server: &Server| {
        server.judge(control, |judgement| {
            let findings = judgement
                .findings
                .iter()
                .filter(|finding| finding.what.ends_with(name));
            findings
                .map(|finding| format!("{finding:?}"))
                .collect::<String>()
        })
    };
    let enforced = format!("new_cluster = true\n[control.{control}]\nstate = \"enforce\"\n");

    let server = Server::new();
    server.policy(&enforced);
    server.write(
        CONFIG,
        "debug: true\ndisable: [x, 'traefik,k3warden-serviceaccount-default']\n",
    );
    let _ = server.apply();
    assert!(!server.manifests().contains(&name.to_owned()));
    let said = finding(&server);
    assert!(
        said.contains("ByOperator") && said.contains("config.yaml:2"),
        "{said}"
    );

    let server = Server::new();
    server.policy(&enforced);
    let _ = server.apply();
    assert!(
        server.manifests().contains(&name.to_owned()),
        "{:?}",
        server.manifests()
    );
    server.write(CONFIG, "disable: [k3warden-serviceaccount-default]\n");
    let _ = server.apply();
    assert!(
        !server.manifests().contains(&name.to_owned()),
        "withdrawn before K3s takes the objects"
    );

    for beside in [
        format!("{name}.skip"),
        "sub/k3warden-serviceaccount-default.yml".to_owned(),
    ] {
        let server = Server::new();
        server.policy(&enforced);
        server.write(&format!("{MANIFESTS}/{beside}"), "");
        let _ = server.apply();
        assert!(!server.manifests().contains(&name.to_owned()), "{beside}");
        let said = finding(&server);
        assert!(
            said.contains("ByOperator") && said.contains(&beside),
            "{said}"
        );
    }
}
