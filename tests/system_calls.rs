//! What the order of system calls promises: nobody is granted more on the way from one owner and mode to another, and a
//! signal ends a run after the change in hand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use std::process::Command;

use tree::{Answer, Tree, VERSION, answer, difference};

const HOST: &str = "\
755 root:root d /var/lib/rancher/k3s
700 root:root d /var/lib/rancher/k3s/server
700 root:root d /var/lib/rancher/k3s/server/cred
660 root:4242 f /var/lib/rancher/k3s/server/cred/admin.kubeconfig
| secret
666 4242:4242 f /var/lib/rancher/k3s/server/cred/scheduler.kubeconfig
| secret
646 4242:root f /var/lib/rancher/k3s/server/cred/controller.kubeconfig
| secret
644 root:root f /etc/systemd/system/k3s.service
| [Service]
| ExecStart=/usr/local/bin/k3s server
";

fn traced(tree: &Tree, options: &[&str], command: &str) -> Answer {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq"]).args(options);
    strace
        .arg(env!("CARGO_BIN_EXE_k3warden"))
        .arg("--root")
        .arg(tree.path())
        .args(VERSION)
        .arg(command);
    answer(strace.env_clear().env("PATH", "/usr/bin:/bin"))
}

/// The calls of a run that change access, by path: `fchown` gives an owner, `fchmod` bits.
fn steps(tree: &Tree, command: &str) -> Vec<(String, Option<String>, Option<u32>)> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let options = [
        "-y",
        "-e",
        "trace=fchmod,fchown",
        "-o",
        log.path().to_str().unwrap(),
    ];
    let ran = traced(tree, &options, command);
    assert!(ran.code.is_some(), "strace is needed and works: {ran:?}");
    let text = std::fs::read_to_string(log.path()).unwrap();
    let calls = text.lines().filter_map(|line| {
        let (before, after) = line.split_once('(')?;
        let path = after.split_once('<')?.1.split_once('>')?.0;
        let mut words = after.split_once(">, ")?.1.split([',', ')']).map(str::trim);
        let path = path.strip_prefix(tree.path().to_str()?)?.to_owned();
        Some(if before.ends_with("fchmod") {
            (
                path,
                None,
                Some(u32::from_str_radix(words.next()?, 8).ok()?),
            )
        } else {
            (
                path,
                Some(format!("{}:{}", words.next()?, words.next()?)),
                None,
            )
        })
    });
    calls.collect()
}

/// Only root can give files away; then the owners of this host are all the same and there is nothing to see.
#[test]
fn no_step_from_one_access_to_another_grants_more_than_both() {
    let tree = Tree::of(HOST);
    for command in ["apply", "revert"] {
        let before = tree.snapshot();
        let steps = steps(&tree, command);
        let after = tree.snapshot();
        let mut changed = 0;
        for name in ["admin", "scheduler", "controller"] {
            let path = format!("/var/lib/rancher/k3s/server/cred/{name}.kubeconfig");
            let (old, new) = (&before[&path], &after[&path]);
            let (mut owner, mut mode) = (old.owner.clone(), old.mode);
            for (_, given, bits) in steps.iter().filter(|(of, _, _)| *of == path) {
                changed += 1;
                if let Some(to) = given {
                    owner = to.replace("0:", "root:").replace(":0", ":root");
                }
                mode = bits.unwrap_or(mode);
                // Who held the file before keeps at most what they had; who holds it after has at most what they get.
                let most = if owner == old.owner {
                    old.mode
                } else {
                    new.mode
                };
                assert_eq!(
                    mode & !most,
                    0,
                    "{command} {path}: {mode:o} for {owner}, of {old:?} and {new:?}"
                );
            }
            assert_eq!(mode, new.mode, "{command} {path}: {steps:?}");
        }
        assert!(changed >= 3, "{command}: {steps:?}");
    }
}

#[test]
fn a_signal_ends_a_run_after_the_change_in_hand() {
    let start = Tree::of(HOST);
    let before = start.snapshot();
    let hardened = start.copy();
    hardened.k3warden(&["apply"]);
    let after = hardened.snapshot();
    for (tree, command, wanted, other) in [
        (&start, "apply", &after, &before),
        (&hardened, "revert", &before, &after),
    ] {
        for signal in ["SIGTERM", "SIGINT"] {
            let tree = tree.copy();
            // The second time that bits are changed is in the middle of the run.
            let inject = format!("inject=fchmod:signal={signal}:when=2");
            let ran = traced(
                &tree,
                &["-e", "trace=fchmod", "-e", &inject, "-o", "/dev/null"],
                command,
            );
            assert!(
                ran.code.is_some_and(|code| code > 0),
                "{command} {signal}: {ran:?}"
            );
            let now = tree.snapshot();
            let left = difference(wanted, &now, "/nothing");
            assert!(
                !left.is_empty(),
                "{command} {signal}: it went on to the end"
            );
            for (path, item) in &now {
                let whole = [wanted.get(path), other.get(path)]
                    .into_iter()
                    .flatten()
                    .any(|known| {
                        (known.mode, &known.owner, &known.content)
                            == (item.mode, &item.owner, &item.content)
                    });
                assert!(whole, "{command} {signal}: {path} is half done");
            }
            assert_eq!(tree.k3warden(&["ledger", "--verify"]).code, Some(0));
            tree.k3warden(&[command]);
            assert_eq!(
                difference(wanted, &tree.snapshot(), "/nothing"),
                Vec::<String>::new()
            );
        }
    }
}
