//! Full disk, read-only mounts and a failing disk: nothing is lost, and a sentence says what and where.
//!
//! Mounts are made in a mount namespace of the test's own; without privilege in a user namespace as well.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use std::process::Command;

use tree::{Answer, Snapshot, Tree, VERSION, answer, difference};

const HOST: &str = "\
755 root:root d /var/lib/rancher/k3s
755 root:root d /var/lib/rancher/k3s/server
600 root:root f /var/lib/rancher/k3s/server/psa.yaml
| not what it should be
700 root:root d /var/lib/rancher/k3s/server/cred
644 root:root f /var/lib/rancher/k3s/server/cred/admin.kubeconfig
| secret
640 root:root f /etc/sysctl.d/90-kubelet.conf
| # of the operator
| kernel.panic = 5
644 root:root f /etc/systemd/system/k3s.service
| [Service]
| ExecStart=/usr/local/bin/k3s server
";

/// Runs a script with mounts of its own; `$ROOT` is the tree and `$K3WARDEN` the command on it.
fn with_mounts(tree: &Tree, script: &str) -> Answer {
    let mut unshare = Command::new("unshare");
    unshare.arg("--mount");
    if !nix::unistd::geteuid().is_root() {
        unshare.arg("--map-root-user");
    }
    let k3warden = format!(
        "{} --root {} --k3s-version 1.36.3",
        env!("CARGO_BIN_EXE_k3warden"),
        tree.path().display()
    );
    unshare
        .args(["bash", "-euc", script])
        .env("ROOT", tree.path())
        .env("K3WARDEN", k3warden);
    answer(&mut unshare)
}

fn hardened() -> (Tree, Snapshot, Snapshot) {
    let tree = Tree::of(HOST);
    let before = tree.snapshot();
    let other = tree.copy();
    other.k3warden(&["apply"]);
    let after = other.snapshot();
    (tree, before, after)
}

/// Every path as before or as after.
fn whole(before: &Snapshot, after: &Snapshot, now: &Snapshot) {
    for (path, item) in now {
        let same = |known: &Snapshot| {
            known
                .get(path)
                .is_some_and(|known| known.content == item.content)
        };
        assert!(same(before) || same(after), "{path}: {item:?}");
    }
    for path in before.keys() {
        assert!(now.contains_key(path), "{path} is lost");
    }
}

#[test]
fn a_read_only_etc_is_said_and_the_rest_is_hardened() {
    let (tree, before, _) = hardened();
    let ran = with_mounts(
        &tree,
        "mount --bind $ROOT/etc $ROOT/etc; mount -o remount,bind,ro $ROOT/etc; $K3WARDEN apply",
    );
    assert!(ran.code.is_some_and(|code| code > 0), "{ran:?}");
    let said = "/etc/sysctl.d/90-kubelet.conf is left untouched: it is on a read-only mount";
    assert!(ran.stdout.contains(said), "{}", ran.stdout);
    let now = tree.snapshot();
    let sysctl = "/etc/sysctl.d/90-kubelet.conf";
    assert_eq!(now[sysctl].content, before[sysctl].content);
    assert_eq!(
        now["/var/lib/rancher/k3s/server/cred/admin.kubeconfig"].mode,
        0o600
    );
    assert_eq!(tree.k3warden(&["ledger", "--verify"]).code, Some(0));
    tree.k3warden(&["revert"]);
    assert_eq!(
        difference(
            &before,
            &tree.snapshot(),
            "/var/lib/rancher/k3s/server/cred"
        ),
        Vec::<String>::new()
    );
}

#[test]
fn a_read_only_state_directory_stops_every_change() {
    let (tree, before, _) = hardened();
    let ran = with_mounts(
        &tree,
        "mkdir -m 700 $ROOT/var/lib/k3warden; mount -t tmpfs -o ro none $ROOT/var/lib/k3warden; $K3WARDEN apply",
    );
    assert!(ran.code.is_some_and(|code| code > 0), "{ran:?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("/var/lib/k3warden"), "{said}");
    assert!(
        said.contains("Read-only file system") || said.contains("read-only mount"),
        "{said}"
    );
    assert_eq!(
        difference(&before, &tree.snapshot(), "/"),
        Vec::<String>::new()
    );
}

#[test]
fn a_full_disk_below_the_state_directory_stops_first_touches() {
    let (tree, before, _) = hardened();
    let ran = with_mounts(
        &tree,
        "mkdir -m 700 $ROOT/var/lib/k3warden; mount -t tmpfs -o size=4k,mode=700 none $ROOT/var/lib/k3warden
        head -c 4096 /dev/zero >$ROOT/var/lib/k3warden/fill; $K3WARDEN apply",
    );
    assert!(ran.code.is_some_and(|code| code > 0), "{ran:?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains("No space left on device"), "{said}");
    assert_eq!(
        difference(&before, &tree.snapshot(), "/"),
        Vec::<String>::new()
    );
}

#[test]
fn a_full_disk_below_etc_keeps_the_operators_file() {
    let (tree, before, after) = hardened();
    let ran = with_mounts(
        &tree,
        "cp -a $ROOT/etc/sysctl.d/90-kubelet.conf $ROOT/kept
        mount -t tmpfs -o size=8k none $ROOT/etc/sysctl.d; chmod 755 $ROOT/etc/sysctl.d
        cp -a $ROOT/kept $ROOT/etc/sysctl.d/90-kubelet.conf
        head -c 4096 /dev/zero >$ROOT/etc/sysctl.d/fill
        code=0; $K3WARDEN apply || code=$?
        cmp $ROOT/kept $ROOT/etc/sysctl.d/90-kubelet.conf
        [ $(ls -A $ROOT/etc/sysctl.d | wc -l) = 2 ]
        rm $ROOT/kept; exit $code",
    );
    assert!(ran.code.is_some_and(|code| code > 0), "{ran:?}");
    let said = "cannot replace /etc/sysctl.d/90-kubelet.conf: No space left on device";
    assert!(ran.stdout.contains(said), "{}{}", ran.stdout, ran.stderr);
    whole(&before, &after, &tree.snapshot());
}

/// An apply in which one call of a kind fails with EIO.
fn failing(tree: &Tree, call: &str, number: usize) -> Answer {
    let inject = format!("inject={call}:error=EIO:when={number}");
    let trace = format!("trace={call}");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject]);
    strace
        .arg(env!("CARGO_BIN_EXE_k3warden"))
        .arg("--root")
        .arg(tree.path());
    strace.args(VERSION).arg("apply").env_clear();
    answer(strace.env("PATH", "/usr/bin:/bin"))
}

/// Fails each call of a kind in turn: the run goes on, what it says names the path, and all is whole.
#[test]
fn a_failing_disk_loses_nothing_and_is_named() {
    let (start, before, after) = hardened();
    for call in [
        "write",
        "fsync",
        "fdatasync",
        "linkat",
        "renameat",
        "fchmod",
        "mkdirat",
        "ftruncate",
    ] {
        for number in [1, 3, 8] {
            let tree = start.copy();
            let ran = failing(&tree, call, number);
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(
                ran.code.is_some_and(|code| code <= 2),
                "{call} {number}: {ran:?}"
            );
            assert!(!said.contains("panicked"), "{call} {number}: {said}");
            if let Some(line) = said
                .lines()
                .find(|line| line.contains("Input/output error"))
            {
                assert!(line.contains('/'), "{call} {number}: {line}");
            }
            whole(&before, &after, &tree.snapshot());
            let again = tree.k3warden(&["apply"]);
            assert_eq!(
                difference(&after, &tree.snapshot(), "/nothing"),
                Vec::<String>::new(),
                "{call} {number}: {again:?}"
            );
            let verified = tree.k3warden(&["ledger", "--verify"]);
            assert_eq!(
                verified.code,
                Some(0),
                "{call} {number}: {}",
                verified.stdout
            );
            tree.k3warden(&["revert"]);
            assert_eq!(
                difference(&before, &tree.snapshot(), "/nothing"),
                Vec::<String>::new(),
                "{call} {number}: {said}"
            );
        }
    }
}
