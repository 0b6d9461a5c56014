//! Killed before each single system call that changes a file, and before many others: no partial file, a whole ledger,
//! a next run that completes, and a revert that restores, with and without that run.
//!
//! strace counts the calls of a run and then kills one run after the other (`inject=...:signal=SIGKILL:when=N`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use k3warden::host::Root;
use k3warden::reconcile::ledger::{Keeping, Ledger};
use k3warden::reconcile::lock::Lock;
use tree::{Answer, Snapshot, Tree, VERSION, answer, difference};

/// Every one of these is a place to die.
const CHANGING: [&str; 13] = [
    "fchmod",
    "fchown",
    "fdatasync",
    "fsetxattr",
    "fsync",
    "ftruncate",
    "linkat",
    "mkdirat",
    "pwrite64",
    "renameat",
    "renameat2",
    "unlinkat",
    "write",
];

/// Of other calls, so many of each kind, spread over the run.
const SAMPLES: usize = 1;

const HOST: &str = "\
755 root:root d /var/lib/rancher/k3s
755 root:root d /var/lib/rancher/k3s/server
600 root:root f /var/lib/rancher/k3s/server/psa.yaml
| not what it should be
666 4242:4242 f /var/lib/rancher/k3s/server/cred/admin.kubeconfig
| secret
700 root:root d /var/lib/rancher/k3s/server/cred
640 root:root f /etc/sysctl.d/90-kubelet.conf
| # of the operator
| kernel.panic = 5
644 root:root f /usr/lib/sysctl.d/99-vendor.conf
| kernel.panic_on_oops = 0
644 root:root f /etc/systemd/system/k3s.service
| [Service]
| ExecStart=/usr/local/bin/k3s server
";

/// A run with its calls, or one that is killed before a call.
fn traced(tree: &Tree, command: &str, options: &[String]) -> Answer {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq"]).args(options);
    strace
        .arg(env!("CARGO_BIN_EXE_k3warden"))
        .arg("--root")
        .arg(tree.path());
    answer(
        strace
            .args(VERSION)
            .arg(command)
            .env_clear()
            .env("PATH", "/usr/bin:/bin"),
    )
}

/// Each call of a command on a copy of a tree: name and which one of that name.
fn calls(start: &Tree, command: &str) -> Vec<(String, usize)> {
    let tree = start.copy();
    let log = tempfile::NamedTempFile::new().unwrap();
    let options = [
        "-e".to_owned(),
        "trace=all".to_owned(),
        "-o".to_owned(),
        path(log.path()),
    ];
    let ran = traced(&tree, command, &options);
    assert!(
        ran.code.is_some_and(|code| code < 2),
        "strace is needed and works: {ran:?}"
    );
    let text = std::fs::read_to_string(log.path()).unwrap();
    let mut counts: Vec<(String, usize)> = Vec::new();
    for line in text.lines() {
        let call = line.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ' ');
        let Some((name, _)) = call.split_once('(') else {
            continue;
        };
        match counts.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name.to_owned(), 1)),
        }
    }
    let mut places = Vec::new();
    for (name, count) in counts {
        if name == "execve" || name == "exit_group" {
            continue;
        }
        let stride = if CHANGING.contains(&name.as_str()) {
            1
        } else {
            count.div_ceil(SAMPLES)
        };
        places.extend(
            (1..=count)
                .step_by(stride)
                .map(|number| (name.clone(), number)),
        );
    }
    let changing = places
        .iter()
        .filter(|(name, _)| CHANGING.contains(&name.as_str()))
        .count();
    assert!(
        changing > 40,
        "{command} makes {changing} changing calls: {places:?}"
    );
    places
}

fn path(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

fn kill(tree: &Tree, command: &str, (name, number): &(String, usize)) -> Answer {
    let inject = format!("inject={name}:signal=SIGKILL:when={number}");
    traced(
        tree,
        command,
        &[
            "-e".to_owned(),
            format!("trace={name}"),
            "-e".to_owned(),
            inject,
        ],
    )
}

/// What a tree may look like at any moment between two states: every path as before or as after, bits also those that
/// both grant, and temporary files that nobody loads.
fn in_between(before: &Snapshot, after: &Snapshot, now: &Snapshot) -> Vec<String> {
    let mut wrong = Vec::new();
    let paths = before.keys().chain(after.keys());
    for path in paths {
        let found = now.get(path);
        let known = |item: Option<&tree::Item>| match (item, found) {
            (None, None) => true,
            (Some(item), Some(found)) => item.kind == found.kind && item.content == found.content,
            _ => false,
        };
        if !known(before.get(path)) && !known(after.get(path)) {
            wrong.push(format!("{path} is half done: {found:?}"));
        }
        if let (Some(old), Some(new), Some(found)) = (before.get(path), after.get(path), found) {
            let modes = [old.mode, new.mode, old.mode & new.mode];
            if !modes.contains(&found.mode)
                || (found.owner != old.owner && found.owner != new.owner)
            {
                wrong.push(format!("{path} is {:o} {}", found.mode, found.owner));
            }
        }
    }
    for (path, item) in now {
        if before.contains_key(path) || after.contains_key(path) {
            continue;
        }
        let name = path.rsplit('/').next().unwrap_or_default();
        if !(name.starts_with(".k3warden-") && name.ends_with(".tmp"))
            || item.mode & 0o077 & !0o044 != 0
        {
            wrong.push(format!("{path} is left over: {item:?}"));
        }
    }
    wrong
}

fn run(tree: &Tree, command: &[&str]) -> Answer {
    let mut arguments = VERSION.to_vec();
    arguments.extend(command);
    tree.run(&arguments)
}

/// Kills a command at every place, on several cores; `judge` says what is wrong after one death.
fn die_everywhere(start: &Tree, command: &str, judge: impl Fn(usize, &Tree) -> Vec<String> + Sync) {
    let places = calls(start, command);
    let next = AtomicUsize::new(0);
    let (wrong, killed) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(place) = places.get(number) else {
                        break;
                    };
                    let tree = start.copy();
                    if kill(&tree, command, place).code.is_none() {
                        killed.fetch_add(1, Ordering::Relaxed);
                    }
                    let found = judge(number, &tree);
                    if !found.is_empty() {
                        let text = format!(
                            "killed before {} {}:\n{}",
                            place.0,
                            place.1,
                            found.join("\n")
                        );
                        wrong.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(
        wrong.is_empty(),
        "{command}, {} of {}:\n{}",
        wrong.len(),
        places.len(),
        wrong.join("\n")
    );
    // Some calls differ from run to run (waiting for a lock), most do not.
    let killed = killed.into_inner();
    assert!(
        killed * 10 >= places.len() * 9,
        "only {killed} of {} runs were killed",
        places.len()
    );
}

fn whole_ledger(tree: &Tree) -> Vec<String> {
    let root = Root::open(tree.path()).unwrap();
    let lock = Lock::acquire(&root, Duration::from_secs(10), "test").unwrap();
    let mut ledger = Ledger::open(&root, Keeping::of(&root), &lock).unwrap();
    ledger
        .verify(&lock)
        .err()
        .map(|error| error.to_string())
        .into_iter()
        .collect()
}

/// A command that should leave a tree as another.
fn leads_to(tree: &Tree, command: &[&str], wanted: &Snapshot) -> Vec<String> {
    let ran = run(tree, command);
    let mut wrong = difference(wanted, &tree.snapshot(), "/nothing");
    if !wrong.is_empty() {
        wrong.push(format!("after {command:?}:\n{}{}", ran.stdout, ran.stderr));
    }
    wrong
}

#[test]
fn apply_can_be_killed_at_any_moment() {
    let start = Tree::of(HOST);
    let before = start.snapshot();
    let done = start.copy();
    run(&done, &["apply"]);
    let after = done.snapshot();
    assert!(!difference(&before, &after, "/nothing").is_empty());
    die_everywhere(&start, "apply", |number, tree| {
        let mut wrong = in_between(&before, &after, &tree.snapshot());
        wrong.extend(whole_ledger(tree));
        // Taken back at once (at every second place: it costs a third of the time), and after a run that completes.
        if number % 2 == 0 {
            wrong.extend(leads_to(&tree.copy(), &["revert"], &before));
        }
        wrong.extend(leads_to(tree, &["apply"], &after));
        wrong.extend(whole_ledger(tree));
        wrong.extend(leads_to(tree, &["revert"], &before));
        wrong
    });
}

#[test]
fn revert_can_be_killed_at_any_moment() {
    let start = Tree::of(HOST);
    let before = start.snapshot();
    run(&start, &["apply"]);
    let after = start.snapshot();
    die_everywhere(&start, "revert", |number, tree| {
        let mut wrong = in_between(&before, &after, &tree.snapshot());
        wrong.extend(whole_ledger(tree));
        if number % 2 == 0 {
            let other = tree.copy();
            wrong.extend(leads_to(&other, &["apply"], &after));
            wrong.extend(leads_to(&other, &["revert"], &before));
        }
        wrong.extend(leads_to(tree, &["revert"], &before));
        wrong.extend(whole_ledger(tree));
        wrong
    });
}
