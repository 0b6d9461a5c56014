//! What must be so on the node before a line is written for K3s: kernel values, a section for a plug-in, room for logs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod admission;
mod audit_room;
mod kernel;
mod kubeconfig;
#[path = "../server/mod.rs"]
mod server;
mod started;
#[path = "../tree/mod.rs"]
mod tree;

const CONFIG: &str = "/etc/rancher/k3s/config.yaml";

fn excepted(control: &str) -> String {
    format!(
        "[[exception]]\ncontrol = \"{control}\"\nreason = \"test\"\nowner = \"test\"\nexpires = 2026-06-01\n"
    )
}
