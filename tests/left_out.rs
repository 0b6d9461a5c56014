//! What weakens a node in a list of the operator's, where the policy asks by name for the control: lists unite, so a list of ours takes the
//! place of his.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod overridden;
mod tree;

use overridden::Server as OverriddenServer;
use tree::{DROP_IN, Tree};

const CONFIG: &str = "etc/rancher/k3s/config.yaml";
const UNIT: &str = "[Service]\nExecStart=/usr/local/bin/k3s server\n";

fn enforce(controls: &[&str]) -> String {
    let lines = controls
        .iter()
        .map(|control| format!("control.{control}.state = \"enforce\"\n"));
    lines.collect()
}

struct Server {
    tree: Tree,
    version: &'static str,
}

impl Server {
    fn new(version: &'static str, config: &str, policy: &str) -> Self {
        let tree = Tree::new();
        tree.write("etc/systemd/system/k3s.service", UNIT);
        tree.write(CONFIG, config);
        tree.write("etc/k3warden/config.toml", policy);
        Self { tree, version }
    }

    fn run(&self, words: &[&str]) -> String {
        self.tree.with_k3s(self.version, words).said()
    }

    fn effective(&self) -> serde_json::Value {
        let words = ["effective", "--format", "json"];
        self.tree.with_k3s(self.version, &words).json()
    }

    /// The values of a flag of a component at the next start.
    fn values(&self, component: &str, flag: &str) -> Vec<String> {
        let report = self.effective();
        let line = report["arguments"][component].as_array().unwrap();
        let flag = format!("--{flag}=");
        let words = line.iter().filter_map(|word| word.as_str());
        words
            .filter_map(|word| word.strip_prefix(&flag).map(str::to_owned))
            .collect()
    }

    fn verdict(&self, control: &str) -> String {
        let words = ["check", "--all", "--format", "json"];
        let report = self.tree.with_k3s(self.version, &words).json();
        let controls = report["controls"].as_array().unwrap().iter();
        let mut found = controls.filter(|found| found["id"] == control);
        found.next().unwrap()["verdict"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

#[test]
fn what_weakens_the_node_is_left_out_and_all_else_of_his_list_stays() {
    let control = "authorization-not-always-allow";
    let config = "kube-apiserver-arg:\n- event-ttl=2h\n- authorization-mode=AlwaysAllow\n- audit-log-maxage=40\n";
    for version in ["1.21.5", "1.23.6", "1.28.4", "1.29.3", "1.36.3"] {
        let server = Server::new(version, config, &enforce(&[control]));
        assert_eq!(server.verdict(control), "divergent");
        let applied = server.run(&["apply"]);
        let written = server.tree.text(DROP_IN);
        let modes = server.values("kube-apiserver", "authorization-mode");
        assert_eq!(modes, ["Node,RBAC"], "{version} {written} {applied}");
        assert_eq!(
            server.values("kube-apiserver", "event-ttl"),
            ["2h"],
            "{written}"
        );
        let age = server.values("kube-apiserver", "audit-log-maxage");
        assert_eq!(age, ["40"], "{written}");
        assert!(
            written.contains(
                "\nkube-apiserver-arg: # authorization-not-always-allow\n- 'event-ttl=2h' # from-your-list\n"
            ),
            "{written}"
        );
        // Who wants to change an item of his finds where it is.
        let places = server.effective()["options"]["kube-apiserver-arg"]["from"].to_string();
        assert!(
            places.contains("/etc/rancher/k3s/config.yaml:2"),
            "{places}"
        );
        assert!(
            !places.contains("/etc/rancher/k3s/config.yaml:3"),
            "{places}"
        );
        assert!(
            server.effective()["ends"].is_null(),
            "{version} {}",
            server.effective()["ends"]
        );
        assert_eq!(server.verdict(control), "compliant", "{version}");

        let again = server.run(&["apply"]);
        assert_eq!(server.tree.text(DROP_IN), written, "{again}");
    }
}

/// An apply, the daemon and the door of each start work it out anew.
#[test]
fn his_list_is_followed_and_stands_again_without_the_policy_line() {
    let control = "always-admit";
    let config = "kube-apiserver-arg: [enable-admission-plugins=AlwaysAdmit]\n";
    let server = Server::new("1.36.3", config, &enforce(&[control]));
    server.run(&["apply"]);
    let plugins = || server.values("kube-apiserver", "enable-admission-plugins");
    assert_eq!(plugins(), ["NodeRestriction"]);

    let more = "kube-apiserver-arg: [enable-admission-plugins=AlwaysAdmit, v=4, 'enable-admission-plugins=AlwaysPullImages,AlwaysAdmit']\n";
    server.tree.write(CONFIG, more);
    server.run(&["apply", "--before-start", "k3s.service"]);
    assert_eq!(server.values("kube-apiserver", "v"), ["4"]);
    let all = plugins().join(",");
    assert!(
        all.contains("AlwaysPullImages") && all.contains("NodeRestriction"),
        "{all}"
    );
    assert!(!all.contains("AlwaysAdmit"), "{all}");

    server.tree.write(CONFIG, "kube-apiserver-arg: [v=5]\n");
    server.run(&["apply"]);
    let written = server.tree.text(DROP_IN);
    assert!(written.contains("kube-apiserver-arg+:"), "{written}");
    assert_eq!(server.values("kube-apiserver", "v"), ["5"]);

    server.tree.write(CONFIG, config);
    server.run(&["apply"]);
    assert_eq!(plugins(), ["NodeRestriction"]);
    // Whatever on_disable says: a list that nobody follows would hide what he adds.
    server.tree.write("etc/k3warden/config.toml", "");
    server.run(&["apply"]);
    assert!(
        plugins().join(",").contains("AlwaysAdmit"),
        "{:?}",
        plugins()
    );
}

/// Nobody's list is touched for a control that is enforced only because the catalogue has it so.
#[test]
fn without_a_policy_line_for_it_no_list_is_touched() {
    let weak = "kubelet-arg: [tls-cipher-suites=TLS_RSA_WITH_AES_128_CBC_SHA]\n\
                kube-apiserver-arg: [disable-admission-plugins=NodeRestriction, authorization-mode=AlwaysAllow]\n";
    let server = Server::new("1.36.3", weak, "");
    let applied = server.run(&["apply"]);
    let written = server.tree.text(DROP_IN);
    assert!(!written.contains("from-your-list"), "{written}");
    for control in [
        "kubelet-cipher-suites",
        "node-restriction-plugin",
        "authorization-not-always-allow",
    ] {
        assert_eq!(server.verdict(control), "divergent", "{applied}");
    }

    let policy = enforce(&["kubelet-cipher-suites", "node-restriction-plugin"]);
    let server = Server::new("1.36.3", weak, &policy);
    let applied = server.run(&["apply"]);
    for control in ["kubelet-cipher-suites", "node-restriction-plugin"] {
        assert_eq!(
            server.verdict(control),
            "compliant",
            "{applied} {}",
            server.tree.text(DROP_IN)
        );
    }
    assert_eq!(
        server.verdict("authorization-not-always-allow"),
        "divergent"
    );
    let suites = server.values("kubelet", "tls-cipher-suites").join(",");
    assert!(
        suites.contains("ECDHE") && !suites.contains("TLS_RSA"),
        "{suites}"
    );
}

#[test]
fn etcd_arguments_are_a_list_as_well() {
    let config = "cluster-init: true\netcd-arg: [quota-backend-bytes=4294967296, client-cert-auth=false, auto-tls=true]\n";
    let control = "etcd-transport-security";
    let server = Server::new("1.36.3", config, &enforce(&[control]));
    if server.verdict(control) == "unknown" {
        panic!("{}", server.run(&["check", "--all"]));
    }
    let applied = server.run(&["apply"]);
    let options = server.effective()["options"]["etcd-arg"]["value"].clone();
    assert_eq!(
        options,
        serde_json::json!(["quota-backend-bytes=4294967296"]),
        "{applied}"
    );
    assert_eq!(server.verdict(control), "compliant");

    // Nothing is left, and a key with nothing takes the place of his all the same.
    server
        .tree
        .write(CONFIG, "cluster-init: true\netcd-arg: [auto-tls=true]\n");
    let applied = server.run(&["apply"]);
    assert_eq!(
        server.verdict(control),
        "compliant",
        "{applied} {}",
        server.tree.text(DROP_IN)
    );
}

/// What must not be given at all, and what must not be given empty.
#[test]
fn an_argument_that_weakens_by_being_there_is_left_out() {
    let config = "kube-apiserver-arg: [token-auth-file=/etc/tokens]\nkubelet-arg: [client-ca-file=, 'tls-cert-file=']\n";
    let controls = [
        "static-token-file",
        "kubelet-client-ca",
        "kubelet-serving-certificate",
    ];
    let server = Server::new("1.36.3", config, &enforce(&controls));
    let applied = server.run(&["apply"]);
    for control in controls {
        assert_eq!(
            server.verdict(control),
            "compliant",
            "{applied} {}",
            server.tree.text(DROP_IN)
        );
    }
    let files = server.values("kube-apiserver", "token-auth-file");
    assert_eq!(files, Vec::<String>::new());
}

#[test]
fn a_list_of_the_command_line_needs_a_command_of_ours() {
    let control = "authorization-not-always-allow";
    let command = "/usr/local/bin/k3s server '--kube-apiserver-arg=authorization-mode=AlwaysAllow' --kube-apiserver-arg=v=3";
    let policy = enforce(&[control]);
    let server = OverriddenServer::new(command, &policy);
    let applied = server.apply();
    assert!(
        applied.contains("is decided by k3s.service ExecStart"),
        "{applied}"
    );
    assert!(applied.contains("unit_override = true"), "{applied}");

    server.write(
        "etc/k3warden/config.toml",
        &format!("unit_override = true\n{policy}"),
    );
    let applied = server.apply();
    let ours = server.drop_in().unwrap_or_default();
    assert!(
        ours.contains("authorization-mode=Node,RBAC"),
        "{ours} {applied}"
    );
    assert!(ours.contains("v=3"), "{ours}");
    assert_eq!(
        server.argument("authorization-mode").as_deref(),
        Some("Node,RBAC")
    );
    let again = server.apply();
    assert_eq!(server.drop_in().as_deref(), Some(ours.as_str()), "{again}");
}

/// K3s 1.20 reads no drop-ins.
#[test]
fn where_we_write_no_list_the_operator_is_told_to() {
    let control = "authorization-not-always-allow";
    let config = "kube-apiserver-arg: [authorization-mode=AlwaysAllow]\n";
    let server = Server::new("1.20.15", config, &enforce(&[control]));
    let applied = server.run(&["apply"]);
    let told = "--authorization-mode is decided by /etc/rancher/k3s/config.yaml:1; change it there";
    assert!(applied.contains(told), "{applied}");
    assert_eq!(server.verdict(control), "divergent");
}

#[test]
fn a_list_that_would_not_come_back_as_it_was_is_left_to_the_operator() {
    let control = "authorization-not-always-allow";
    let item = "audit-webhook-config-file=a\\nb";
    let config = format!("kube-apiserver-arg: [authorization-mode=AlwaysAllow, \"{item}\"]\n");
    let server = Server::new("1.36.3", &config, &enforce(&[control]));
    let applied = server.run(&["apply"]);
    let told = "--authorization-mode is decided by /etc/rancher/k3s/config.yaml:1";
    assert!(applied.contains(told), "{applied}");
    assert!(!server.tree.text(DROP_IN).contains("from-your-list"));
}

/// K3s ends here over the mode that is given twice, and once that is mended over the verbosity, which is his too.
#[test]
fn a_list_is_replaced_although_another_defect_of_the_operator_s_then_shows() {
    let config = "kube-apiserver-arg:\n- authorization-mode=AlwaysAllow,AlwaysAllow\n- v=2\n\
                  - enable-admission-plugins=AlwaysAdmit\n";
    let controls = ["authorization-not-always-allow", "always-admit"];
    let server = Server::new("1.36.3", config, &enforce(&controls));
    let applied = server.run(&["apply"]);
    let modes = server.values("kube-apiserver", "authorization-mode");
    assert_eq!(modes, ["Node,RBAC"], "{applied}");
    let ends = server.effective()["ends"].to_string();
    assert!(ends.contains("logging configuration"), "{ends}");
}

/// Without the first mode nobody but a node may ask, and this release does not live with that.
#[test]
fn a_list_that_k3s_would_not_start_with_takes_nothing_else_along() {
    let config = "kube-apiserver-arg:\n- authorization-mode=AlwaysAllow,Node\n\
                  - enable-admission-plugins=AlwaysAdmit\n";
    let controls = ["authorization-not-always-allow", "always-admit"];
    let server = Server::new("1.28.4", config, &enforce(&controls));
    let applied = server.run(&["apply"]);
    assert!(
        applied.contains("(authorization-not-always-allow, always-admit)"),
        "{applied}"
    );
    let written = server.tree.text(DROP_IN);
    assert!(!written.contains("from-your-list"), "{written}");
    assert!(
        written.contains("enable-admission-plugins=NodeRestriction"),
        "{written}"
    );
}

/// Lists did not unite before 1.23.6, so one word of ours says all of it.
#[test]
fn a_command_of_ours_repeats_nothing_that_is_to_be_left_out() {
    for version in ["1.22.5", "1.23.5", "1.23.6", "1.36.3"] {
        let controls = [
            "authorization-not-always-allow",
            "authorization-node",
            "authorization-rbac",
        ];
        let policy = format!("unit_override = true\n{}", enforce(&controls));
        let server = Server::new(version, "debug: false\n", &policy);
        let word = "--kube-apiserver-arg authorization-mode=AlwaysAllow,RBAC";
        let unit = UNIT.replace("server", &format!("server {word}"));
        server.tree.write("etc/systemd/system/k3s.service", &unit);
        let applied = server.run(&["apply"]);
        let given = server
            .values("kube-apiserver", "authorization-mode")
            .join(",");
        let mut modes: Vec<&str> = given.split(',').collect();
        modes.sort_unstable();
        assert_eq!(modes, ["Node", "RBAC"], "{version} {applied}");
    }
}

#[test]
fn what_stands_in_a_file_and_in_the_command_is_left_out_of_both() {
    let control = "always-admit";
    let config = "kube-apiserver-arg: [event-ttl=2h, enable-admission-plugins=AlwaysAdmit]\n";
    let policy = format!("unit_override = true\n{}", enforce(&[control]));
    let server = Server::new("1.36.3", config, &policy);
    let word = "--kube-apiserver-arg enable-admission-plugins=AlwaysAdmit,AlwaysPullImages";
    let unit = UNIT.replace("server", &format!("server {word}"));
    server.tree.write("etc/systemd/system/k3s.service", &unit);
    let applied = server.run(&["apply"]);
    let given = server.values("kube-apiserver", "enable-admission-plugins");
    let given = given.join(",");
    assert!(
        given.contains("AlwaysPullImages") && !given.contains("AlwaysAdmit"),
        "{given} {applied}"
    );
    assert_eq!(server.verdict(control), "compliant", "{applied}");
    let before = server.tree.snapshot();
    server.run(&["apply"]);
    let changed = tree::difference(&before, &server.tree.snapshot(), "/var/lib/k3warden");
    assert_eq!(changed, Vec::<String>::new());
}

#[test]
fn what_is_left_out_of_which_line_is_explained() {
    let control = "always-admit";
    let config = "kube-apiserver-arg:\n- event-ttl=2h\n- enable-admission-plugins=AlwaysAdmit\n";
    let server = Server::new("1.36.3", config, &enforce(&[control]));
    server.run(&["apply"]);
    let said = server.run(&["explain", control]);
    let told = "Left out:    enable-admission-plugins=AlwaysAdmit (/etc/rancher/k3s/config.yaml:3), by a list";
    assert!(said.contains(told), "{said}");
    assert!(!said.contains("event-ttl"), "{said}");
}

/// Where nothing is changed any more our list stays, and would hide what he adds to his.
#[test]
fn a_list_that_does_not_follow_his_any_more_is_warned_of() {
    let control = "always-admit";
    let config = "kube-apiserver-arg: [enable-admission-plugins=AlwaysAdmit]\n";
    let policy = enforce(&[control]);
    let server = Server::new("1.36.3", config, &policy);
    server.run(&["apply"]);
    assert!(!server.run(&["check"]).contains("does not follow it"));
    let observe = format!("mode = \"observe\"\n{policy}");
    server.tree.write("etc/k3warden/config.toml", &observe);
    let said = server.run(&["check"]);
    let told = "does not follow it, since always-admit is not enforced any more; `k3warden revert always-admit`";
    assert!(said.contains(told), "{said}");
}

/// One list is for both, and belongs to the record of the first.
#[test]
fn a_revert_of_one_control_says_what_the_list_goes_on_leaving_out_for_it() {
    let config = "kube-apiserver-arg: [authorization-mode=AlwaysAllow, enable-admission-plugins=AlwaysAdmit]\n";
    let controls = ["authorization-not-always-allow", "always-admit"];
    let server = Server::new("1.36.3", config, &enforce(&controls));
    server.run(&["apply"]);
    let said = server.run(&["revert", "always-admit"]);
    let told = "enable-admission-plugins=AlwaysAdmit (/etc/rancher/k3s/config.yaml:1) stays left out of your list: take always-admit out";
    assert!(said.contains(told), "{said}");

    server.tree.write(
        "etc/k3warden/config.toml",
        &enforce(&["authorization-not-always-allow"]),
    );
    server.run(&["apply"]);
    let given = server
        .values("kube-apiserver", "enable-admission-plugins")
        .join(",");
    assert!(given.contains("AlwaysAdmit"), "{given}");
    assert_eq!(
        server.verdict("authorization-not-always-allow"),
        "compliant"
    );
}

#[test]
fn a_revert_gives_his_list_back() {
    let control = "authorization-not-always-allow";
    let config = "kube-apiserver-arg: [authorization-mode=AlwaysAllow]\n";
    let server = Server::new("1.36.3", config, &enforce(&[control]));
    server.run(&["apply"]);
    assert!(server.tree.text(DROP_IN).contains("kube-apiserver-arg: #"));
    server.run(&["revert"]);
    assert_eq!(server.tree.text(DROP_IN), "");
    assert_eq!(
        server.values("kube-apiserver", "authorization-mode"),
        ["AlwaysAllow"]
    );
    assert_eq!(server.tree.text(CONFIG), config);
}
