//! A control is judged by what the component runs with: an argument or a file that has the last word counts, and is named.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod apiserver;
mod encryption;
mod etcd;
mod kubelet;
#[path = "../tree/mod.rs"]
mod tree;
mod values;

use tree::{Answer, SERVER_UNIT, Tree};

const CONFIG: &str = "etc/rancher/k3s/config.yaml";
const SERVER: &str = "var/lib/rancher/k3s/server";
const KUBELET: &str = "var/lib/rancher/k3s/agent/etc/kubelet.conf.d/90-x.conf";
const KUBELET_HEAD: &str =
    "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

/// A server in a root of its own.
struct Node {
    tree: Tree,
    version: &'static str,
}

impl Node {
    fn new(version: &'static str, config: &str, files: &[(&str, &str)]) -> Self {
        let node = Self {
            tree: Tree::new(),
            version,
        };
        node.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        node.write("etc/systemd/system/k3s.service", SERVER_UNIT);
        node.write(CONFIG, config);
        for (path, text) in files {
            node.write(path, text);
        }
        node
    }

    fn write(&self, path: &str, text: &str) {
        self.tree.write(path, text);
    }

    fn run(&self, arguments: &[&str]) -> Answer {
        self.tree.with_k3s(self.version, arguments)
    }

    /// The verdict of a control, and its findings as text.
    fn verdict(&self, control: &str) -> (String, String) {
        self.run(&["check", control, "--format", "json"]).verdict()
    }

    /// Our lines after `apply`; empty where there are none.
    fn lines(&self) -> (String, String) {
        let said = self.run(&["apply"]).said();
        (self.tree.lines(), said)
    }

    fn ends(&self) -> String {
        let report = self.run(&["effective", "--format", "json"]).json();
        report["ends"].to_string()
    }
}

fn case(
    version: &'static str,
    control: &str,
    config: &str,
    files: &[(&str, &str)],
    expected: (&str, &str),
) {
    let node = Node::new(version, config, files);
    let (verdict, findings) = node.verdict(control);
    let (wanted, part) = expected;
    assert_eq!(
        verdict, wanted,
        "{control} {version} {config} {files:?}: {findings}"
    );
    assert!(
        findings.contains(part),
        "{control} {config}: {part} in {findings}"
    );
}
