//! Two defects of the operator's, the first of which ours mends: the second then shows, and is his all the same. K3s comes no further
//! without ours, so nothing of ours is held back or taken out over it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use proptest::prelude::*;
use tree::{DROP_IN, Snapshot, Tree, difference};

const AGENT_UNIT: &str = "[Service]\nEnvironment=K3S_URL=https://server:6443 K3S_TOKEN=a\n\
                          ExecStart=/usr/local/bin/k3s agent --kubelet-arg=seccomp-default=true\n";

struct Node {
    tree: Tree,
    version: &'static str,
    unit: &'static str,
}

impl Node {
    fn server(version: &'static str, config: &str, policy: &str) -> Self {
        Self::of(version, "k3s.service", tree::SERVER_UNIT, config, policy)
    }

    fn of(
        version: &'static str,
        unit: &'static str,
        command: &str,
        config: &str,
        policy: &str,
    ) -> Self {
        let tree = Tree::new();
        tree.write(&format!("etc/systemd/system/{unit}"), command);
        tree.write("etc/rancher/k3s/config.yaml", config);
        tree.write("etc/k3warden/config.toml", policy);
        Self {
            tree,
            version,
            unit,
        }
    }

    fn run(&self, words: &[&str]) -> String {
        self.tree.with_k3s(self.version, words).said()
    }

    fn door(&self) -> String {
        self.run(&["apply", "--before-start", self.unit])
    }

    /// Why K3s would end.
    fn ends(&self) -> String {
        let words = ["effective", "--format", "json"];
        let report = self.tree.with_k3s(self.version, &words).json();
        report["ends"]["reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// All but what is gone with a reboot.
    fn snapshot(&self) -> Snapshot {
        let mut items = self.tree.snapshot();
        items.retain(|path, _| !path.starts_with("/run"));
        items
    }

    /// What the door of the next start and another `apply` do to what the first has made.
    fn unrest(&self) -> Vec<String> {
        let applied = self.run(&["apply"]);
        let before = self.snapshot();
        let door = self.door();
        let mut unrest = difference(&before, &self.snapshot(), "/");
        let again = self.run(&["apply"]);
        unrest.extend(difference(&before, &self.snapshot(), "/"));
        if !unrest.is_empty() {
            unrest.push(format!(
                "apply: {applied}\ndoor: {door}\napply again: {again}"
            ));
        }
        unrest
    }
}

#[test]
fn what_shows_once_ours_has_mended_the_first_defect_is_the_operator_s_too() {
    for (version, config, shows) in [
        // Behind the check that the first ends.
        (
            "1.36.3",
            "kube-apiserver-arg: [request-timeout=0, 'enable-admission-plugins=NodeRestriction,EventRateLimit']\n",
            "admission plugin \"EventRateLimit\"",
        ),
        // Behind all components.
        (
            "1.30.3",
            "kube-apiserver-arg: [request-timeout=0]\nkube-cloud-controller-manager-arg: [v=2]\n",
            "cloud-controller-manager exited: the logging configuration",
        ),
        // Without a place.
        (
            "1.30.3",
            "kube-apiserver-arg: [request-timeout=0, v=2]\n",
            "the logging configuration",
        ),
        // Behind another word of the same command line, of which the last counted then.
        (
            "1.22.17",
            "kube-apiserver-arg: [audit-log-maxage, nope=1]\n",
            "unknown flag: --nope",
        ),
        // In a list that ours extends: one with both stood for it then.
        (
            "1.22.17",
            "kube-apiserver-arg: [audit-log-maxage, 'enable-admission-plugins=NodeRestriction,Nope']\n",
            "plugin \"Nope\" is unknown",
        ),
        // In a file that is not there, and that ours makes.
        (
            "1.36.3",
            "kube-apiserver-arg: [admission-control-config-file=/var/lib/rancher/k3s/server/psa.yaml, 'enable-admission-plugins=NodeRestriction,EventRateLimit']\n",
            "admission plugin \"EventRateLimit\"",
        ),
    ] {
        let policy = "new_cluster = true\n";
        let node = Node::server(version, config, policy);
        let first = node.ends();
        assert!(
            !first.is_empty() && !first.contains(shows),
            "{version} {config}: {first}"
        );
        let applied = node.run(&["apply"]);
        node.tree.assert_writes("audit-log-path");
        let written = node.tree.lines();
        assert!(
            node.ends().contains(shows),
            "{version} {config}: {} {applied}",
            node.ends()
        );
        let said = node.door();
        assert_eq!(
            node.tree.lines(),
            written,
            "{version} {config}: {applied} {said}"
        );
        assert!(
            said.contains("not because of k3warden") && said.contains(shows),
            "{said}"
        );
        assert_eq!(node.unrest(), Vec::<String>::new(), "{version} {config}");
    }
}

#[test]
fn the_second_defect_of_an_agent_is_the_operator_s_too() {
    let config = "kubelet-arg: [tls-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA]\n";
    let node = Node::of("1.22.17", "k3s-agent.service", AGENT_UNIT, config, "");
    node.run(&["apply"]);
    node.tree.assert_writes("tls-cipher-suites");
    assert!(node.ends().contains("SeccompDefault"), "{}", node.ends());
    let said = node.door();
    assert!(said.contains("not because of k3warden"), "{said}");
    node.tree.assert_writes("tls-cipher-suites");
}

/// Behind an apiserver that answers nobody K3s reads nothing of its other components.
#[test]
fn what_is_enforced_is_written_although_the_operator_s_second_defect_then_shows() {
    let policy = "control.authorization-rbac.state = \"enforce\"\n";
    for version in ["1.28.4", "1.31.14", "1.36.3"] {
        let config = "kube-apiserver-arg: [authorization-mode=Node, v=4]\n";
        let node = Node::server(version, config, policy);
        let applied = node.run(&["apply"]);
        assert!(!applied.contains("would not start with"), "{applied}");
        let check = ["check", "authorization-rbac", "--format", "json"];
        let (verdict, findings) = node.tree.with_k3s(version, &check).verdict();
        assert_eq!(verdict, "compliant", "{version}: {findings} {applied}");
        assert!(node.ends().contains("logging configuration"), "{version}");
        assert_eq!(node.unrest(), Vec::<String>::new(), "{version}");
    }
}

const OURS_ENDS: &str = "[[control]]\nid = \"my-x\"\ntitle = \"t\"\nwhy = \"w\"\nrole = \"server\"\n\
                         [[control.argument]]\ncomponent = \"kube-apiserver\"\nflag = \"goaway-chance\"\n\
                         require = { equals = \"5\" }\nset = \"5\"\n";

/// One that hides it, and one that ours mends.
const OTHERS: [&str; 3] = [
    "kube-apiserver-arg: [nope=1]\n",
    "kube-apiserver-arg: [request-timeout=0]\n",
    "kube-apiserver-arg: [request-timeout=0, nope=1]\n",
];

#[test]
fn what_would_end_k3s_behind_a_defect_of_the_operator_s_is_not_written() {
    for config in OTHERS {
        let node = Node::server("1.36.3", config, "");
        node.tree
            .write("etc/k3warden/catalogue.d/site.toml", OURS_ENDS);
        let applied = node.run(&["apply"]);
        assert!(
            applied.contains("K3s would not start with it: apiserver exited: --goaway-chance"),
            "{config}: {applied}"
        );
        node.tree.assert_leaves_out("goaway-chance");
        node.tree.assert_writes("audit-log-path");
        assert_eq!(node.unrest(), Vec::<String>::new(), "{config}");
    }
}

#[test]
fn the_door_takes_out_what_ends_k3s_as_soon_as_it_shows() {
    const OURS: &str = "# Written by k3warden\nkube-apiserver-arg+:\n- 'goaway-chance=5' # my-x\n";
    for config in OTHERS {
        let node = Node::server("1.36.3", config, "mode = \"observe\"\n");
        node.tree.write(DROP_IN, OURS);
        if config.contains("nope") {
            let said = node.door();
            assert!(said.contains("not because of k3warden"), "{config}: {said}");
            assert_eq!(node.tree.lines(), OURS, "it would be no better off: {said}");
            node.tree
                .write("etc/rancher/k3s/config.yaml", "debug: true\n");
        }
        let said = node.door();
        assert!(
            said.contains("K3s would not start with what k3warden wrote")
                && said.contains("--goaway-chance"),
            "{config}: {said}"
        );
        assert_eq!(node.tree.lines(), "", "{config}");
    }
}

const VERSIONS: [&str; 10] = [
    "1.21.5", "1.22.17", "1.23.6", "1.24.4", "1.27.16", "1.28.4", "1.30.3", "1.31.4", "1.34.1",
    "1.36.3",
];

const DEFECTS: [(&str, &str); 34] = [
    ("kube-apiserver-arg", "request-timeout=0"),
    ("kube-apiserver-arg", "authorization-mode=Node"),
    ("kube-apiserver-arg", "authorization-mode=Nope"),
    ("kube-apiserver-arg", "audit-log-maxage"),
    ("kube-apiserver-arg", "audit-log-maxage=-1"),
    ("kube-apiserver-arg", "audit-log-format=bad"),
    ("kube-apiserver-arg", "audit-policy-file=/none"),
    ("kube-apiserver-arg", "admission-control-config-file=/none"),
    (
        "kube-apiserver-arg",
        "admission-control-config-file=/var/lib/rancher/k3s/server/psa.yaml",
    ),
    (
        "kube-apiserver-arg",
        "enable-admission-plugins=NodeRestriction,EventRateLimit",
    ),
    ("kube-apiserver-arg", "enable-admission-plugins+=Nope"),
    (
        "kube-apiserver-arg",
        "disable-admission-plugins=NodeRestriction",
    ),
    (
        "kube-apiserver-arg",
        "tls-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA",
    ),
    ("kube-apiserver-arg", "client-ca-file=/none"),
    ("kube-apiserver-arg", "token-auth-file=/none"),
    ("kube-apiserver-arg", "goaway-chance=5"),
    ("kube-apiserver-arg", "v=4"),
    ("kube-apiserver-arg", "nope=1"),
    (
        "kube-controller-manager-arg",
        "terminated-pod-gc-threshold=x",
    ),
    ("kube-controller-manager-arg", "secure-port=10250"),
    ("kube-controller-manager-arg", "v=4"),
    ("kube-scheduler-arg", "nope"),
    ("kube-scheduler-arg", "v=2"),
    ("kube-cloud-controller-manager-arg", "v=2"),
    (
        "kubelet-arg",
        "tls-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA",
    ),
    ("kubelet-arg", "seccomp-default=true"),
    ("kubelet-arg", "feature-gates=SeccompDefault=false"),
    ("kubelet-arg", "hostname-override=h"),
    ("kubelet-arg", "read-only-port=70000"),
    ("kubelet-arg", "max-pods=-1"),
    ("kubelet-arg", "config=/none"),
    ("kube-proxy-arg", "proxy-mode=nope"),
    ("debug", "maybe"),
    ("protect-kernel-defaults", "maybe"),
];

/// A policy with which a defect is mended that is only observed else.
const ENFORCING: &str = "new_cluster = true\ncontrol.authorization-rbac.state = \"enforce\"\n\
    control.authorization-node.state = \"enforce\"\ncontrol.apiserver-cipher-suites.state = \"enforce\"\n\
    control.apiserver-client-ca.state = \"enforce\"\ncontrol.static-token-file.state = \"enforce\"\n\
    control.node-restriction-plugin.state = \"enforce\"\ncontrol.kubelet-read-only-port.state = \"enforce\"\n\
    control.kubelet-seccomp-default.state = \"enforce\"\ncontrol.event-rate-limit.state = \"enforce\"\n";

fn as_yaml((option, value): (&str, &str)) -> String {
    match option.strip_suffix("-arg") {
        Some(_) => format!("{option}+:\n- '{value}'\n"),
        None => format!("{option}: {value}\n"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn of_what_apply_wrote_over_two_defects_the_door_takes_nothing_out(
        version in prop::sample::select(&VERSIONS[..]),
        first in prop::sample::select(&DEFECTS[..]),
        second in prop::sample::select(&DEFECTS[..]),
        enforcing in any::<bool>(),
        is_later in any::<bool>(),
    ) {
        let policy = if enforcing { ENFORCING } else { "" };
        let node = Node::server(version, &as_yaml(first), policy);
        let place = if is_later { "zzz.yaml" } else { "50-own.yaml" };
        node.tree.write(&format!("etc/rancher/k3s/config.yaml.d/{place}"), &as_yaml(second));
        prop_assert_eq!(node.unrest(), Vec::<String>::new());
    }
}
