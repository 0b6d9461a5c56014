//! What earlier builds wrote, this one reads, verifies, goes on with and takes back.
//!
//! `tests/earlier/NAME` is what the build of that commit made of `tests/earlier/start.txt` and kept of it: the ledger as
//! it lay in `/var/lib/k3warden`, with a compaction, and the rest of the tree. `tests/earlier/record` makes another one.
//! `NAME-running` is what its daemon kept and published on a machine.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use std::path::{Path, PathBuf};
use std::process::Command;

use k3warden::host::Root;
use k3warden::reconcile::restart::history::History;
use k3warden::reconcile::restart::origin::Origin;
use k3warden::reconcile::restart::proof::{LastGood, Quarantine};
use k3warden::reconcile::restart::records::{Found, Records, SNAPSHOTS, STARTS, STATE};
use k3warden::reconcile::restart::snapshot::Snapshot as Started;
use k3warden::reconcile::restart::starts::StartRecord;
use k3warden::reconcile::service::circumstances::Candidate;
use k3warden::report::status::Status;
use k3warden::watch::Pause;
use serde::de::DeserializeOwned;
use tree::{Answer, Snapshot, Tree, answer, difference};

const LEDGER: &str = "/var/lib/k3warden/ledger.jsonl";

/// The node as an earlier build left it, and as it was before that.
struct Earlier {
    name: String,
    tree: Tree,
    start: Snapshot,
    lines: Vec<u8>,
}

fn earlier() -> Vec<Earlier> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/earlier");
    let start = Tree::of(&std::fs::read_to_string(all.join("start.txt")).unwrap());
    let mut found: Vec<PathBuf> = std::fs::read_dir(all)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("tree.txt").is_file())
        .collect();
    found.sort();
    assert!(!found.is_empty(), "nothing is recorded");
    found
        .iter()
        .map(|recorded| {
            let tree = Tree::of(&std::fs::read_to_string(recorded.join("tree.txt")).unwrap());
            tree.add("700 root:root d /var/lib/k3warden");
            for name in ["ledger.jsonl", "ledger.head"] {
                let file = tree.at("/var/lib/k3warden").join(name);
                std::fs::copy(recorded.join(name), &file).unwrap();
                tree::set_mode(&file, 0o600);
            }
            Earlier {
                name: recorded.file_name().unwrap().to_string_lossy().into_owned(),
                lines: std::fs::read(recorded.join("ledger.jsonl")).unwrap(),
                start: start.snapshot(),
                tree,
            }
        })
        .collect()
}

/// The ledger names root, which others are only in a namespace of their own.
fn run(tree: &Tree, arguments: &[&str]) -> Answer {
    let program = env!("CARGO_BIN_EXE_k3warden");
    let mut command = Command::new(program);
    if !nix::unistd::geteuid().is_root() {
        command = Command::new("unshare");
        command.args(["--user", "--map-root-user", program]);
    }
    command.arg("--root").arg(tree.path());
    answer(
        command
            .args(["--k3s-version", "1.36.3"])
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/bin:/bin"),
    )
}

/// What differs from the start, the operator's own later policy left out.
fn left(node: &Earlier, tree: &Tree) -> Vec<String> {
    let mut now = tree.snapshot();
    now.remove("/etc/k3warden/config.d/60-off.toml");
    difference(&node.start, &now, "/nothing")
}

fn verified(node: &Earlier, tree: &Tree) {
    let said = run(tree, &["ledger", "--verify"]);
    assert_eq!(said.code, Some(0), "{}: {said:?}", node.name);
}

/// All of it goes back, and the record of that is whole.
#[track_caller]
fn assert_given_back(node: &Earlier) {
    let said = run(&node.tree, &["revert"]);
    assert_eq!(
        left(node, &node.tree),
        Vec::<String>::new(),
        "{}: {said:?}",
        node.name
    );
    verified(node, &node.tree);
}

#[test]
fn the_ledger_of_an_earlier_build_is_whole_and_read_to_its_end() {
    for node in earlier() {
        verified(&node, &node.tree);
        let listed = run(&node.tree, &["ledger"]);
        let lines = node.lines.iter().filter(|byte| **byte == b'\n').count();
        assert_eq!(
            listed.stdout.lines().count(),
            lines,
            "{}: {}",
            node.name,
            listed.stdout
        );
        // Not only read: a byte that somebody changed in it is found.
        let copy = node.tree.copy();
        let mut bytes = node.lines.clone();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(copy.at(LEDGER), bytes).unwrap();
        let said = run(&copy, &["ledger", "--verify"]);
        assert_eq!(said.code, Some(1), "{}: {said:?}", node.name);
    }
}

#[test]
fn what_an_earlier_build_changed_is_given_back_to_the_byte() {
    for node in earlier() {
        assert!(!left(&node, &node.tree).is_empty(), "{}", node.name);
        assert_given_back(&node);
    }
}

#[test]
fn the_next_apply_goes_on_where_an_earlier_build_stopped() {
    for node in earlier() {
        let before = node.tree.snapshot();
        let said = run(&node.tree, &["apply"]);
        assert!(
            said.code.is_some_and(|code| code < 2),
            "{}: {said:?}",
            node.name
        );
        verified(&node, &node.tree);
        let now = std::fs::read(node.tree.at(LEDGER)).unwrap();
        assert!(
            now.starts_with(&node.lines),
            "{}: what was recorded is recorded no longer",
            node.name
        );
        // The same policy, read as it was meant.
        let lost = difference(&before, &node.tree.snapshot(), "/nothing")
            .into_iter()
            .filter(|line| line.starts_with('-'));
        assert_eq!(lost.count(), 0, "{}: {said:?}", node.name);
        let again = run(&node.tree, &["apply"]).stdout;
        assert!(
            again.starts_with("Nothing to change."),
            "{}: {again}",
            node.name
        );
        assert_given_back(&node);
    }
}

#[test]
fn the_policy_of_an_earlier_build_says_the_same() {
    for node in earlier() {
        run(&node.tree, &["apply"]);
        let checked = run(&node.tree, &["check", "--all", "--format", "json"]).json();
        let controls = checked["controls"].as_array().unwrap();
        let control = |id: &str| {
            let found = controls.iter().find(|control| control["id"] == id);
            found.unwrap_or_else(|| panic!("{}: {id}", node.name))
        };
        for (id, field, wanted) in [
            ("kubelet-streaming-timeout", "verdict", "excepted"),
            ("event-rate-limit", "verdict", "compliant"),
            ("audit-log-backups", "verdict", "compliant"),
            ("audit-log-size", "enforcement", "off"),
            ("network-policy-kube-public", "enforcement", "off"),
        ] {
            assert_eq!(control(id)[field], wanted, "{}: {id}", node.name);
        }
        assert_eq!(
            control("audit-log-backups")["findings"][0]["observed"],
            "12",
            "{}",
            node.name
        );
    }
}

/// A machine on which the daemon of an earlier build was at work: what it kept, and what it published.
fn running() -> (Tree, Root) {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/earlier/0b024ec-running");
    let tree = Tree::of(
        "700 root:root d /var/lib/k3warden/starts
755 root:root d /run/k3warden
700 root:root d /run/k3warden/starts
",
    );
    for (from, to) in [("state", STATE), ("run", "/run/k3warden")] {
        for below in ["", "starts"] {
            for entry in std::fs::read_dir(recorded.join(from).join(below)).unwrap() {
                let path = entry.unwrap().path();
                if path.is_file() {
                    let place = tree.at(to).join(below).join(path.file_name().unwrap());
                    std::fs::copy(&path, &place).unwrap();
                    tree::set_mode(&place, 0o600);
                }
            }
        }
    }
    let root = Root::open(tree.path()).unwrap();
    (tree, root)
}

/// A record that is there and whole.
fn whole<T: DeserializeOwned + std::fmt::Debug>(root: &Root, directory: &str, name: &str) -> T {
    match Records::at(root, directory).unwrap().load(name) {
        Found::Record(record) => record,
        other => panic!("{directory}/{name}: {other:?}"),
    }
}

#[test]
fn what_an_earlier_daemon_kept_is_known_to_this_one() {
    let (tree, root) = running();
    let good: LastGood = whole(&root, STATE, "last-good.json");
    assert_eq!(good.k3s_version.as_deref(), Some("1.36.3"));
    assert!(!good.part.files.is_empty());
    let quarantine: Quarantine = whole(&root, STATE, "quarantine.json");
    assert!(quarantine.reason.contains("registry-burst"));
    assert_ne!(quarantine.part, good.part.digest());
    let _: Candidate = whole(&root, STATE, "candidate.json");
    let _: Origin = whole(&root, STATE, "origin.json");
    let history: History = whole(&root, STATE, "restarts.json");
    assert_eq!(history.ages(&good.settled).len(), 2);
    for (directory, count) in [(SNAPSHOTS, 3), (STARTS, 4)] {
        let entries = std::fs::read_dir(tree.at(directory)).unwrap();
        let names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert_eq!(names.len(), count, "{names:?}");
        for name in names {
            if directory == STARTS {
                let start: StartRecord = whole(&root, directory, &name);
                assert!(start.options.is_some(), "{name}");
            } else {
                let _: Started = whole(&root, directory, &name);
            }
        }
    }
}

/// Until the new daemon has looked, which a settling K3s can hold up, this is what an operator sees.
#[test]
fn what_an_earlier_daemon_published_is_shown_by_this_one() {
    let (tree, root) = running();
    let status: Status = whole(&root, "/run/k3warden", "status.json");
    assert_eq!(status.controls.len(), 97);
    let pause: Pause = whole(&root, "/run/k3warden", "pause.json");
    assert_eq!(pause.reason, "an upgrade");
    let said = run(&tree, &["status"]);
    assert_eq!(said.code, Some(2), "nobody looks any more: {said:?}");
    assert!(
        said.stdout.contains("no repairs: paused: an upgrade"),
        "{said:?}"
    );
    assert!(said.stderr.contains("does not run any more"), "{said:?}");
}

/// In a tree they are nobody's to set; that they can be read is what counts.
#[test]
fn live_values_in_the_ledger_of_an_earlier_daemon_are_read() {
    let (tree, _) = running();
    let verified = run(&tree, &["ledger", "--verify"]);
    assert_eq!(verified.stdout, "The ledger is whole: 110 lines.\n");
    let listed = run(&tree, &["ledger"]).stdout;
    for change in [
        "kernel/keys/root_maxkeys: 2000 → 1000000",
        "kernel/panic: 0 → 10",
        "kernel/panic_on_oops: 0 → 1",
        "vm/overcommit_memory: 0 → 1",
    ] {
        assert!(
            listed.contains(&format!("first   /proc/sys/{change}")),
            "{change}: {listed}"
        );
    }
}

/// A disk that is looked at on another machine has no live values, and nobody has changed any.
#[test]
fn live_values_are_given_back_on_the_machine_alone_and_nobody_is_blamed_for_them() {
    let (tree, _) = running();
    let said = run(&tree, &["revert"]);
    assert!(
        said.stdout
            .contains("/proc/sys/kernel/panic: it is a value of the running kernel"),
        "{said:?}"
    );
    assert!(!said.stdout.contains("by somebody else"), "{said:?}");
}
