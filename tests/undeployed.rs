//! What does harm without a manifest is not written where K3s would not deploy that manifest: an admission plugin without its policies, a
//! policy that denies without the one that allows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod server;
mod tree;

use std::path::Path;

use k3warden::catalogue::Setting;
use k3warden::host::State;
use k3warden::k3s::K3sVersion;
use k3warden::reconcile::{Plan, PlannedChange, Refused};
use k3warden::setting::{Named, watched};
use server::Server;
use tree::{DROP_IN, SERVER_UNIT, Tree};

const MANIFESTS: &str = "/var/lib/rancher/k3s/server/manifests";
const CONFIG: &str = "/etc/rancher/k3s/config.yaml";
const POLICIES: &str = "k3warden-psp.yaml";
const PLUGIN: &str = "PodSecurityPolicy";
const ISOLATES: &str = "k3warden-netpol-kube-system.yaml";
const DNS: &str = "k3warden-netpol-kube-system-dns.yaml";
const KUBE_SYSTEM: &str = "network-policy-kube-system";

fn path_of(manifest: &str) -> String {
    format!("{MANIFESTS}/{manifest}")
}

/// Puts something into the way of a manifest, and names it.
type Hinder = fn(&Server, &str) -> String;

fn skip(server: &Server, manifest: &str) -> String {
    let path = format!("{MANIFESTS}/{manifest}.skip");
    server.write(&path, "");
    path
}

/// Everything that keeps K3s from deploying a manifest of ours.
fn hindrances() -> Vec<Hinder> {
    vec![
        skip,
        |server, manifest| {
            let path = format!("{MANIFESTS}/sub/{}.yml", manifest.replace(".yaml", ""));
            server.write(&path, "x: y\n");
            path
        },
        |server, manifest| {
            let stem = manifest.replace(".yaml", "");
            server.write(CONFIG, &format!("disable: [{stem}]\n"));
            format!("{CONFIG}:1")
        },
        |server, manifest| {
            let path = path_of(manifest);
            server.tree.add(&format!("755 root:root d {path}"));
            path
        },
        |server, manifest| {
            let path = path_of(manifest);
            server.tree.add(&format!("600 root:root p {path}"));
            path
        },
        |server, manifest| {
            let path = path_of(manifest);
            server
                .tree
                .add(&format!("777 root:root l {path} -> /dev/null"));
            path
        },
        |server, manifest| {
            let path = path_of(manifest);
            server.write(&path, "x: y\n");
            server
                .tree
                .add(&format!("600 root:root h /other.yaml -> {path}"));
            path
        },
    ]
}

fn server(minor: u16, patch: u16) -> Server {
    let mut server = Server::new();
    server.version = K3sVersion::new(minor, patch);
    server
}

fn admits_by_policies(server: &Server) -> bool {
    server.tree.at(DROP_IN).exists() && server.lines().contains(PLUGIN)
}

fn has(server: &Server, manifest: &str) -> bool {
    server.manifests().contains(&manifest.to_owned())
}

/// With the plugin and no policy no pod is admitted.
#[test]
fn the_plugin_of_policies_is_not_turned_on_while_one_of_their_manifests_is_hindered() {
    for manifest in [POLICIES, "k3warden-psp-kube-system.yaml"] {
        for hinder in hindrances() {
            let server = server(24, 17);
            let by = hinder(&server, manifest);
            let said = server.refusals();
            assert!(!admits_by_policies(&server), "{by}: {}", server.lines());
            let told = said
                .lines()
                .find(|line| line.contains("is only given together"));
            let told = told.unwrap_or_else(|| panic!("{by}: {said}"));
            assert!(
                told.contains("kube-apiserver --enable-admission-plugins")
                    && told.contains(&by)
                    && told.contains(manifest),
                "{told}"
            );
        }
    }

    let server = server(24, 17);
    let by = skip(&server, POLICIES);
    server.apply();
    server.remove(Path::new(&by));
    server.apply();
    assert!(admits_by_policies(&server) && has(&server, POLICIES));
}

#[test]
fn the_plugin_stays_off_where_the_directory_of_manifests_is_a_link() {
    let server = server(24, 17);
    server.tree.add(&format!(
        "755 root:root d /opt/manifests\n755 root:root d /var/lib/rancher/k3s/server\n777 root:root l {MANIFESTS} -> /opt/manifests"
    ));
    let said = server.refusals();
    assert!(!admits_by_policies(&server), "{}", server.lines());
    assert!(
        said.contains("it is a symbolic link to /opt/manifests"),
        "{said}"
    );
}

/// The policies were deployed by then, and their objects stay in the cluster.
#[test]
fn a_plugin_that_is_on_stays_on_once_the_cluster_has_begun() {
    let server = server(24, 17);
    server.apply();
    server.start();
    skip(&server, POLICIES);
    let said = server.refusals();
    assert!(admits_by_policies(&server), "{said}");
    assert!(!said.contains("is only given together"), "{said}");
    // Also with the manifest gone, which is not written again beside what has K3s skip it.
    server.remove(Path::new(&path_of(POLICIES)));
    server.apply();
    assert!(admits_by_policies(&server) && !has(&server, POLICIES));
}

#[test]
fn a_plugin_that_is_on_is_turned_off_again_as_long_as_nothing_was_deployed() {
    let server = server(24, 17);
    server.apply();
    assert!(admits_by_policies(&server));
    skip(&server, POLICIES);
    let said = server.refusals();
    assert!(!admits_by_policies(&server), "{}", server.lines());
    assert!(said.contains("is only given together"), "{said}");
}

/// The event of our drop-in alone does not say that the policies will be back with the next.
#[test]
fn a_repair_of_our_lines_waits_for_no_manifest_that_can_be_written() {
    let server = server(24, 17);
    server.apply();
    server.start();
    server.remove(Path::new(DROP_IN));
    server.remove(Path::new(&path_of(POLICIES)));
    let writes = |planned: &PlannedChange| match &planned.change.after {
        State::File { content, .. } => String::from_utf8_lossy(content).contains(PLUGIN),
        _ => false,
    };
    let changes = of_event(&server, "pod-security-policies", DROP_IN).0;
    assert!(changes.iter().any(writes), "{changes:?}");

    skip(&server, POLICIES);
    let changes = of_event(&server, "pod-security-policies", DROP_IN).0;
    assert!(!changes.iter().any(writes), "{changes:?}");
}

/// K3s 1.20 reads no drop-ins.
#[test]
fn nobody_is_told_to_turn_the_plugin_on_by_hand_either() {
    let server = server(20, 15);
    let said = server.refusals();
    assert!(said.contains("NodeRestriction,PodSecurityPolicy"), "{said}");

    skip(&server, POLICIES);
    let said = server.refusals();
    assert!(
        !said.contains("NodeRestriction,PodSecurityPolicy"),
        "{said}"
    );
    assert!(said.contains("is only given together"), "{said}");
}

/// The engine knows no control by name, and no kind of line.
#[test]
fn every_line_of_a_control_needs_the_manifests_of_that_control() {
    let tree = Tree::new();
    tree.write("etc/systemd/system/k3s.service", SERVER_UNIT);
    tree.write(
        "etc/k3warden/catalogue.d/site.toml",
        "[[control]]\nid = \"site\"\ntitle = \"t\"\nwhy = \"w\"\nrole = \"server\"\n\
         [[control.option]]\nname = \"disable-helm-controller\"\nrequire = { equals = \"true\" }\nset = \"true\"\n\
         [[control.argument]]\ncomponent = \"kube-apiserver\"\nflag = \"event-ttl\"\nrequire = { equals = \"2h\" }\nset = \"2h\"\n\
         [[control.argument]]\ncomponent = \"kube-apiserver\"\nflag = \"authorization-mode\"\n\
         require = { excludes = [\"AlwaysAllow\"] }\nabsent_holds = true\nleave_out = true\n\
         [[control.manifest]]\nname = \"site.yaml\"\ncontent = \"netpol-dns\"\n",
    );
    tree.write(
        "etc/k3warden/config.toml",
        "control.site.state = \"enforce\"\n",
    );
    tree.write(
        CONFIG,
        "kube-apiserver-arg: [authorization-mode=AlwaysAllow]\n",
    );
    tree.write(&format!("{MANIFESTS}/site.yaml.skip"), "");
    let ours = ["disable-helm-controller", "event-ttl", "from-your-list"];
    let run = |words: &[&str]| tree.with_k3s("1.36.3", words).said();

    let applied = run(&["apply"]);
    let written = tree.text(DROP_IN);
    for line in ours {
        assert!(!written.contains(line), "{written} {applied}");
    }
    let words = ["check", "--all", "--format", "json"];
    let report = tree.with_k3s("1.36.3", &words).json();
    let mut controls = report["controls"].as_array().unwrap().iter();
    let site = controls.find(|control| control["id"] == "site").unwrap();
    let refused = site["refused"].to_string();
    for what in [
        "disable-helm-controller is",
        "--event-ttl is",
        "kube-apiserver-arg is",
    ] {
        assert!(refused.contains(what), "{what}: {refused}");
    }

    std::fs::remove_file(tree.at(&format!("{MANIFESTS}/site.yaml.skip"))).unwrap();
    tree.write(
        CONFIG,
        "kube-apiserver-arg: [authorization-mode=AlwaysAllow, v=2]\n",
    );
    let applied = run(&["apply"]);
    let written = tree.text(DROP_IN);
    for line in ours {
        assert!(written.contains(line), "{written} {applied}");
    }
}

/// It would cut the cluster's pods off from its DNS.
#[test]
fn what_isolates_kube_system_is_not_written_while_what_allows_dns_is_hindered() {
    for hinder in hindrances() {
        let server = Server::new();
        let by = hinder(&server, DNS);
        let said = server.refusals();
        assert!(!has(&server, ISOLATES), "{by}: {:?}", server.manifests());
        assert!(has(&server, "k3warden-netpol-default.yaml"), "{by}");
        let told = said.lines().find(|line| line.contains("would cut off"));
        let told = told.unwrap_or_else(|| panic!("{by}: {said}"));
        assert!(told.contains(ISOLATES) && told.contains(&by), "{told}");
        assert!(told.contains(KUBE_SYSTEM), "{told}");
    }

    let server = Server::new();
    let by = skip(&server, DNS);
    server.apply();
    server.remove(Path::new(&by));
    server.apply();
    assert!(has(&server, ISOLATES) && has(&server, DNS));
}

#[test]
fn every_other_allowance_is_needed_as_far_as_its_component_is_there() {
    let metrics = "k3warden-netpol-kube-system-metrics-server.yaml";
    let server = Server::new();
    skip(&server, metrics);
    server.apply();
    assert!(!has(&server, ISOLATES));

    server.write(CONFIG, "disable: metrics-server\n");
    server.apply();
    assert!(has(&server, ISOLATES), "{:?}", server.manifests());
}

/// The one of another release of K3s is not for this node.
#[test]
fn an_allowance_for_another_release_is_not_needed() {
    let server = Server::new();
    skip(&server, "k3warden-netpol-kube-system-traefik-v1.yaml");
    server.apply();
    assert!(has(&server, ISOLATES), "{:?}", server.manifests());
}

#[test]
fn of_several_namespaces_only_the_one_whose_allowance_is_hindered_waits() {
    let server = server(23, 4);
    server.policy("[control.network-policy-extra-namespaces]\nnamespaces = [\"one\", \"two\"]\n");
    skip(&server, "k3warden-netpol-balancer-one.yaml");
    let said = server.refusals();
    assert!(
        !has(&server, "k3warden-netpol-namespace-one.yaml"),
        "{said}"
    );
    assert!(has(&server, "k3warden-netpol-namespace-two.yaml"), "{said}");
    assert!(has(&server, "k3warden-netpol-balancer-two.yaml"), "{said}");
}

/// An operator who has emptied both would be cut off by the repair of the one.
#[test]
fn what_isolates_stays_as_it_is_where_it_lies_already() {
    let server = Server::new();
    server.apply();
    server.start();
    skip(&server, DNS);
    server.apply();
    assert!(has(&server, ISOLATES));

    server.write(&path_of(ISOLATES), "");
    server.apply();
    assert_eq!(server.read(&path_of(ISOLATES)), "");
}

/// What the daemon plans when an event names a path of a control.
fn of_event(server: &Server, control: &str, path: &str) -> (Vec<PlannedChange>, Vec<Refused>) {
    let path = Path::new(path);
    server.pass(|pass, _| {
        let control = pass.catalogue.control(control).unwrap();
        let is_named = |setting: &&Setting| {
            let watched = watched(&setting.body, &pass.host.root, &pass.node.places);
            watched.iter().any(|watched| watched.names(path))
        };
        let judgements: Vec<_> = control
            .settings
            .iter()
            .filter(is_named)
            .filter_map(|setting| pass.judge_named(control, setting, Named::Path(path)))
            .collect();
        assert_eq!(judgements.len(), 1, "{path:?}");
        let plan = Plan::of_some(pass, &judgements);
        (plan.changes, plan.refused)
    })
}

#[test]
fn the_event_of_what_isolates_alone_brings_it_back_unless_what_allows_is_hindered() {
    let server = Server::new();
    server.apply();
    let isolates = path_of(ISOLATES);
    server.remove(Path::new(&isolates));
    let plan = || of_event(&server, KUBE_SYSTEM, &isolates);
    assert_eq!(plan().0.len(), 1, "what allows is there");

    // Its own event brings it back.
    server.remove(Path::new(&path_of(DNS)));
    assert_eq!(plan().0.len(), 1, "what allows can be written");

    skip(&server, DNS);
    let (changes, refused) = plan();
    assert!(changes.is_empty(), "{changes:?}");
    assert!(refused[0].reason.contains("would cut off"), "{refused:?}");
}

#[test]
fn the_door_of_a_start_writes_neither() {
    let tree = Tree::new();
    tree.write("etc/systemd/system/k3s.service", SERVER_UNIT);
    tree.write("etc/k3warden/config.toml", "new_cluster = true\n");
    for manifest in [POLICIES, DNS] {
        tree.write(&format!("{MANIFESTS}/{manifest}.skip"), "");
    }
    let said = tree
        .with_k3s("1.24.17", &["apply", "--before-start", "k3s.service"])
        .said();
    assert!(!tree.text(DROP_IN).contains(PLUGIN), "{said}");
    assert!(
        tree.at(&path_of("k3warden-netpol-default.yaml")).exists(),
        "{said}"
    );
    assert!(!tree.at(&path_of(ISOLATES)).exists(), "{said}");
}
