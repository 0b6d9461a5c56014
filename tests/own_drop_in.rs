//! Our drop-in goes when nothing in it is wanted any more.

#![allow(clippy::unwrap_used, reason = "a test that fails says so by a panic")]

use std::fs;
use std::process::Command;

#[test]
fn it_is_taken_away_with_its_last_line() {
    let tree = tempfile::tempdir().unwrap();
    let policy = tree.path().join("etc/k3warden");
    fs::create_dir_all(&policy).unwrap();
    let apply = |text: &str| {
        fs::write(policy.join("config.toml"), text).unwrap();
        let ran = Command::new(env!("CARGO_BIN_EXE_k3warden"))
            .args(["--k3s-version", "1.36.3", "apply", "--root"])
            .arg(tree.path())
            .output()
            .unwrap();
        String::from_utf8_lossy(&ran.stdout).into_owned()
    };
    let drop_in = tree
        .path()
        .join("etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml");
    let said = apply("role = \"agent\"\n");
    assert!(drop_in.exists(), "{said}");
    let off = [
        "protect-kernel-defaults",
        "kubelet-cipher-suites",
        "kubelet-streaming-timeout",
    ];
    let mut text = "role = \"agent\"\non_disable = \"revert\"\n".to_owned();
    for control in off {
        text.push_str(&format!("[control.{control}]\nstate = \"off\"\n"));
    }
    let said = apply(&text);
    assert!(!drop_in.exists(), "{said}");
}
