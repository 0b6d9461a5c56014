//! A record that somebody changed, cut or removed: only what it still proves is put back, nothing claims to be whole, and
//! the way out is named.

#![allow(clippy::unwrap_used, clippy::panic)]

mod tree;

use std::fs;

use tree::{DROP_IN, Tree};

const HOST: &str = "\
755 root:root d /etc/rancher/k3s
755 root:root d /var/lib/rancher/k3s
755 root:root d /var/lib/rancher/k3s/server
644 root:root f /etc/systemd/system/k3s.service
| [Service]
| ExecStart=/usr/local/bin/k3s server
";
const LINES: &str = "/var/lib/k3warden/ledger.jsonl";
const WAY_OUT: &str = "mv -t /root /var/lib/k3warden/ledger.*";

fn hardened() -> Tree {
    let tree = Tree::of(HOST);
    tree.k3warden(&["apply"]);
    tree
}

/// Changes one letter of a line, as another control would be spelt.
fn change(tree: &Tree, line: usize) {
    let text = fs::read_to_string(tree.at(LINES)).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines[line - 1] = lines[line - 1].replacen("\"control\":\"", "\"control\":\"x", 1);
    fs::write(tree.at(LINES), lines.join("\n") + "\n").unwrap();
}

#[test]
fn a_removed_ledger_is_no_missing_one() {
    let tree = hardened();
    fs::remove_file(tree.at(LINES)).unwrap();
    let verified = tree.k3warden(&["ledger", "--verify"]);
    assert_eq!(verified.code, Some(1), "{verified:?}");
    assert!(verified.stdout.contains("it was cut"), "{verified:?}");
    assert_eq!(tree.k3warden(&["ledger"]).code, Some(1));

    // Purge takes the record away after any other answer than 2.
    let reverted = tree.k3warden(&["revert"]);
    assert_eq!(reverted.code, Some(2), "{reverted:?}");
    assert!(reverted.stderr.contains(WAY_OUT), "{reverted:?}");
    assert!(
        !reverted.stdout.contains("Nothing to put back"),
        "{reverted:?}"
    );
}

#[test]
fn only_what_stands_before_the_damage_is_put_back() {
    let tree = hardened();
    let lines = fs::read_to_string(tree.at(LINES)).unwrap().lines().count();
    let damaged = lines / 2;
    change(&tree, damaged);
    let reverted = tree.k3warden(&["revert"]);
    assert_eq!(reverted.code, Some(2), "{reverted:?}");
    let said = format!("line {damaged} was changed");
    assert!(
        reverted.stderr.contains(&said) && reverted.stderr.contains(WAY_OUT),
        "{reverted:?}"
    );
    let of_kind = |start: &str| {
        reverted
            .stdout
            .lines()
            .filter(|line| line.starts_with(start))
            .count()
    };
    assert!(of_kind("put back, but not recorded: /") > 0, "{reverted:?}");
    assert!(
        reverted
            .stdout
            .contains("stays: what it was before stands in the damaged part"),
        "{reverted:?}"
    );
    assert_eq!(of_kind("failed     the ledger"), 0, "{reverted:?}");
    // The last line is of the last change, and so not proven.
    assert!(tree.at(DROP_IN).is_file(), "{reverted:?}");
}

#[test]
fn check_and_apply_warn_while_the_ledger_is_damaged_and_a_new_one_ends_it() {
    let tree = hardened();
    change(&tree, 3);
    for command in [&["check"] as &[&str], &["apply"]] {
        let said = tree.k3warden(command);
        assert!(
            said.stdout.contains("line 3 was changed") && said.stdout.contains(WAY_OUT),
            "{said:?}"
        );
    }
    let check = tree.k3warden(&["check", "--format", "json"]).json();
    assert!(
        check["warnings"]
            .to_string()
            .contains("the ledger is damaged"),
        "{check}"
    );

    for name in ["ledger.jsonl", "ledger.head"] {
        fs::remove_file(tree.at(&format!("/var/lib/k3warden/{name}"))).unwrap();
    }
    let said = tree.k3warden(&["apply"]);
    assert!(!said.stdout.contains("damaged"), "{said:?}");
    assert_eq!(tree.k3warden(&["revert"]).code, Some(0));
}

#[test]
fn diff_says_that_a_damaged_ledger_stands_before_each_change() {
    let tree = hardened();
    change(&tree, 3);
    fs::remove_file(tree.at("/etc/sysctl.d/90-kubelet.conf")).unwrap();
    let diff = tree.k3warden(&["diff"]);
    assert!(
        diff.stdout
            .starts_with("not done: the ledger is damaged: line 3"),
        "{diff:?}"
    );
    let json = tree.k3warden(&["diff", "--format", "json"]).json();
    assert!(
        json["not_done"].to_string().contains("line 3 was changed"),
        "{json}"
    );
}

/// An interrupted write leaves such bytes, so they are no damage; nobody may take them for proven either.
#[test]
fn what_stands_behind_the_last_line_of_a_whole_ledger_is_counted() {
    let whole = fs::read(hardened().at(LINES)).unwrap();
    let last = whole
        .split_inclusive(|byte| *byte == b'\n')
        .next_back()
        .unwrap();
    for behind in [&b"junk\n"[..], last, &[0; 512]] {
        let tree = hardened();
        let mut text = fs::read(tree.at(LINES)).unwrap();
        let own_last = text
            .split_inclusive(|byte| *byte == b'\n')
            .next_back()
            .unwrap();
        let behind = if behind == last {
            own_last.to_vec()
        } else {
            behind.to_vec()
        };
        text.extend(&behind);
        fs::write(tree.at(LINES), text).unwrap();
        let verified = tree.k3warden(&["ledger", "--verify"]);
        assert_eq!(verified.code, Some(0), "{verified:?}");
        let said = format!("{} bytes stand behind the last line", behind.len());
        assert!(verified.stdout.contains(&said), "{said}: {verified:?}");
    }
    let verified = hardened().k3warden(&["ledger", "--verify"]);
    assert!(!verified.stdout.contains("behind"), "{verified:?}");
}
