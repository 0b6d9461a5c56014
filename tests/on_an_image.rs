//! Commands that are about the running machine leave a directory given by `--root` alone, and say so.

#![allow(clippy::unwrap_used, clippy::panic)]

mod tree;

use tree::{Answer, Tree, difference};

fn image() -> Tree {
    Tree::of(
        "644 root:root f /etc/systemd/system/k3s.service\n| [Service]\n| ExecStart=/usr/local/bin/k3s server\n",
    )
}

fn expect_refused(command: &[&str], why: &str) {
    let tree = image();
    let before = tree.snapshot();
    let answer: Answer = tree.run(command);
    assert_eq!(answer.code, Some(2), "{answer:?}");
    assert!(answer.stderr.contains(why), "{answer:?}");
    let changed = difference(&before, &tree.snapshot(), "/");
    assert_eq!(changed, Vec::<String>::new());
}

#[test]
fn a_pause_is_of_the_running_machine() {
    let why = "a pause ends with the boot of the running machine";
    expect_refused(&["pause", "--for", "1h", "--reason", "new disk"], why);
    expect_refused(&["pause", "--end"], why);
}

#[test]
fn the_daemon_holds_the_running_machine() {
    expect_refused(&["watch"], "the daemon holds the running machine");
}

#[test]
fn a_pause_without_a_reason_is_none() {
    for reason in ["", "  ", "a\nb"] {
        let command = ["pause", "--for", "1h", "--reason", reason];
        expect_refused(&command, "say in one line why");
    }
}

#[test]
fn revert_of_what_was_never_changed_leaves_no_trace() {
    let tree = image();
    let reverted = tree.run(&["revert"]);
    assert_eq!(reverted.code, Some(0), "{reverted:?}");
    assert!(
        reverted.stdout.contains("Nothing to put back."),
        "{reverted:?}"
    );
    assert!(!tree.at("/var").exists());
    let reverted = tree.run(&["--k3s-version", "1.36.3", "revert", "pki-keys"]);
    assert_eq!(reverted.code, Some(0), "{reverted:?}");
    let unknown = tree.run(&["--k3s-version", "1.36.3", "revert", "pki-kyes"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(!tree.at("/var").exists());
}
