//! A server's node in a directory: what k3warden makes of it, and what K3s itself would have put there by the time it
//! starts its apiserver.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::tree::Tree;

pub const CONFIG: &str = "/etc/rancher/k3s/config.yaml";
const UNIT: &str = "/etc/systemd/system/k3s.service";
const OWN_FILES: [&str; 2] = [
    "/var/lib/rancher/k3s/server/tls/",
    "/var/lib/rancher/k3s/server/cred/",
];
/// As K3s writes it when secrets are to be encrypted; the key is sixteen zeros.
const ENCRYPTION: &str = r#"{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{"resources":["secrets"],"providers":[{"aescbc":{"keys":[{"name":"aescbckey","secret":"AAAAAAAAAAAAAAAAAAAAAA=="}]}},{"identity":{}}]}]}"#;

pub struct Node {
    pub tree: Tree,
    version: &'static str,
}

impl Node {
    /// A server whose K3s never started.
    pub fn server(version: &'static str) -> Self {
        let node = Self {
            tree: Tree::new(),
            version,
        };
        node.write(
            UNIT,
            "[Service]\nType=notify\nExecStart=/usr/local/bin/k3s server\n",
        );
        node
    }

    pub fn write(&self, path: &str, content: &str) {
        let place = self.tree.at(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, content).unwrap();
    }

    /// What k3warden prints.
    pub fn ask(&self, words: &[&str]) -> String {
        let version = ["--k3s-version", self.version];
        let answer = self.tree.run(&[&version[..], words].concat());
        format!("{}{}", answer.stdout, answer.stderr)
    }

    pub fn effective(&self) -> Value {
        let said = self.ask(&["effective", "--format", "json"]);
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// The flags of the apiserver that somebody else than K3s gave.
    pub fn flags_given(effective: &Value) -> Vec<&str> {
        let sources = effective["argument_sources"]["kube-apiserver"].as_array();
        let given = sources
            .into_iter()
            .flatten()
            .filter(|source| source["from"] != "K3s default");
        given
            .map(|source| source["flag"].as_str().unwrap())
            .collect()
    }

    /// The arguments of the apiserver as they are for a process that sees this machine's root, its files in place.
    ///
    /// K3s's own apiserver alone knows `advertise-port`, and a `kine.sock`.
    pub fn arguments(&self, effective: &Value) -> Vec<String> {
        let line = effective["arguments"]["kube-apiserver"].as_array().unwrap();
        let mut arguments = Vec::new();
        for argument in line {
            let argument = argument.as_str().unwrap();
            let (flag, value) = argument.split_once('=').unwrap();
            match flag {
                "--advertise-port" | "--etcd-servers" | "--secure-port" => continue,
                _ if value.starts_with('/') => {
                    self.make_as_k3s(value);
                    arguments.push(format!("{flag}={}", self.tree.at(value).display()));
                }
                _ => arguments.push(argument.to_owned()),
            }
        }
        arguments
    }

    /// A certificate or a key that K3s makes before it starts a component.
    fn make_as_k3s(&self, path: &str) {
        if !OWN_FILES.iter().any(|start| path.starts_with(start)) || self.tree.at(path).exists() {
            return;
        }
        let subject = if path.ends_with("/request-header-ca.crt") {
            "proxy"
        } else {
            "admin"
        };
        let extension = Path::new(path).extension().and_then(|name| name.to_str());
        match extension {
            Some("json") => self.write(path, ENCRYPTION),
            Some(kind) => {
                self.write(path, "");
                fs::copy(self.credential(subject, kind), self.tree.at(path)).unwrap();
            }
            None => {}
        }
    }

    /// One key pair signs, serves and is the administrator's: whose certificate is whose is not asked here.
    pub fn credential(&self, subject: &str, kind: &str) -> std::path::PathBuf {
        let place = |kind: &str| self.tree.at(&format!("/run/{subject}.{kind}"));
        if !place("crt").exists() {
            fs::create_dir_all(self.tree.at("/run")).unwrap();
            let made = Command::new("openssl")
                .args([
                    "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                ])
                .arg(format!("/O=system:masters/CN={subject}"))
                .arg("-keyout")
                .arg(place("key"))
                .arg("-out")
                .arg(place("crt"))
                .output()
                .unwrap();
            assert!(
                made.status.success(),
                "{}",
                String::from_utf8_lossy(&made.stderr)
            );
        }
        place(kind)
    }
}
