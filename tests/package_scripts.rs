//! What the packages' scripts ask systemd before they reload it: every unit that a drop-in of ours is for.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// Plays systemctl: what is loaded, and which unit has newer files than systemd has read.
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$1" in
list-units)
    case "$*" in *--all*) ;; *) exit 0 ;; esac
    printf '%s loaded inactive dead Lightweight Kubernetes\n' k3s-edge.service k3s-hub.service
    ;;
show)
    case "$*" in *" $BEHIND") echo NeedDaemonReload=yes ;; *) echo NeedDaemonReload=no ;; esac
    ;;
daemon-reload) echo reloaded ;;
esac
"#;

/// The functions of a script, one of which is called.
fn said(script: &str, call: &str, behind: &str) -> String {
    let text = fs::read_to_string(Path::new("packaging").join(script)).unwrap();
    let mut functions = String::new();
    let mut inside = false;
    for line in text.lines() {
        inside |= line.ends_with("() {");
        if inside {
            functions += &format!("{line}\n");
        }
        inside &= line != "}";
    }
    let kept = tempfile::tempdir().unwrap();
    let systemctl = kept.path().join("systemctl");
    fs::write(&systemctl, SYSTEMCTL).unwrap();
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!(
        "{}:{}",
        kept.path().display(),
        std::env::var("PATH").unwrap()
    );
    let line = format!("set -e\n{functions}\n{call}\n");
    let output = Command::new("sh")
        .args(["-c", &line])
        .env("PATH", path)
        .env("BEHIND", behind)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn an_upgrade_reloads_systemd_where_a_unit_of_any_name_is_behind_and_else_does_not() {
    for (script, call) in [
        ("debian/postinst", "reload_manager again"),
        ("rpm/post", "if manager_is_behind; then echo reloaded; fi"),
    ] {
        for unit in ["k3warden.service", "k3s-edge.service", "k3s-hub.service"] {
            assert_eq!(said(script, call, unit), "reloaded\n", "{script} {unit}");
        }
        assert_eq!(said(script, call, "none"), "", "{script}");
    }
}
