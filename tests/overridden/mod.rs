//! A server whose unit's command may be overridden.

#![allow(dead_code)]

use crate::tree::Tree;

pub const DROP_IN: &str = "etc/systemd/system/k3s.service.d/zz-k3warden.conf";

/// A server in a root of its own.
pub struct Server(pub Tree);

impl Server {
    pub fn new(command: &str, policy: &str) -> Self {
        let server = Self(Tree::new());
        server.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        server.write("etc/k3warden/config.toml", policy);
        server.install(command);
        server
    }

    pub fn write(&self, path: &str, text: &str) {
        self.0.write(path, text);
    }

    /// As install.sh does it: the unit is written anew.
    pub fn install(&self, command: &str) {
        let text = format!(
            "[Service]\nType=notify\nEnvironment=\"A=p q\" MODE=640\nExecStart={command}\n\nRestart=always\n"
        );
        self.write("etc/systemd/system/k3s.service", &text);
    }

    pub fn run(&self, arguments: &[&str]) -> String {
        self.0.k3warden(arguments).said()
    }

    pub fn apply(&self) -> String {
        self.run(&["apply"])
    }

    pub fn exists(&self, path: &str) -> bool {
        self.0.at(path).exists()
    }

    /// The command of our drop-in; `None` where there is none.
    pub fn drop_in(&self) -> Option<String> {
        let text = self.0.text(DROP_IN);
        let command = text.lines().rfind(|line| line.starts_with("ExecStart="));
        command.map(|line| line.trim_start_matches("ExecStart=").to_owned())
    }

    /// The last value of an argument of the apiserver at the next start.
    pub fn argument(&self, flag: &str) -> Option<String> {
        let report = self.0.k3warden(&["effective", "--format", "json"]).json();
        let line = report["arguments"]["kube-apiserver"].as_array().unwrap();
        let flag = format!("--{flag}=");
        let mut values = line.iter().rev().filter_map(|word| word.as_str());
        values.find_map(|word| word.strip_prefix(&flag).map(str::to_owned))
    }

    pub fn verdict(&self, control: &str) -> (String, String) {
        let check = ["check", control, "--format", "json"];
        self.0.k3warden(&check).verdict()
    }
}

pub const OVERRIDE: &str = "unit_override = true\n";
pub const WEAK: &str = "/usr/local/bin/k3s server --kube-apiserver-arg=audit-log-maxage=7";
