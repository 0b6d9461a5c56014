//! Where our drop-in is written and where not, and that it goes when nothing in it is wanted any more.

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

/// Nothing is fetched, and nothing is written where no K3s would look; what is missing is said for an operator to copy.
#[test]
fn a_configuration_at_an_address_is_left_alone_and_the_missing_lines_are_printed() {
    let tree = tempfile::tempdir().unwrap();
    let units = tree.path().join("etc/systemd/system");
    fs::create_dir_all(&units).unwrap();
    let unit = "[Service]\nEnvironment=K3S_CONFIG_FILE=https://config.example/k3s.yaml\n\
                ExecStart=/usr/local/bin/k3s server\n";
    fs::write(units.join("k3s.service"), unit).unwrap();
    let run = |version: &str, command: &str| {
        Command::new(env!("CARGO_BIN_EXE_k3warden"))
            .args(["--k3s-version", version, command, "--root"])
            .arg(tree.path())
            .output()
            .unwrap()
    };
    let ran = run("1.36.3", "apply");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(said.contains("to be added there"), "{said}");
    assert!(said.contains("audit-log-maxage=30"), "{said}");
    assert!(!said.contains("secrets-encryption: true"), "{said}");
    assert!(!tree.path().join("https:").exists());
    assert!(!tree.path().join("etc/rancher/k3s/config.yaml.d").exists());
    // The last releases that did fetch it: what they would run with is not known, and not green.
    let ran = run("1.20.3", "effective");
    assert_eq!(ran.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&ran.stderr).contains("does not fetch"));
}
