//! K3s's door: what `apply --before-start` does to a tree, and what it leaves alone. It exits 0 whatever happens.

#![allow(clippy::unwrap_used, clippy::panic)]

mod tree;

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::fcntl::{Flock, FlockArg};
use tree::{DROP_IN, Tree};

const RUN: &str = "0123456789abcdef0123456789abcdef";

struct Node {
    tree: Tree,
}

impl Node {
    /// A server whose unit is as install.sh writes it.
    fn server(policy: &str) -> Self {
        let node = Self { tree: Tree::new() };
        node.write(
            "etc/systemd/system/k3s.service",
            "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\n",
        );
        node.write(
            "etc/k3warden/config.toml",
            &format!("k3s_version = \"1.36.3\"\nnew_cluster = true\n{policy}"),
        );
        node
    }

    fn path(&self, path: &str) -> PathBuf {
        self.tree.at(path)
    }

    fn write(&self, path: &str, content: &str) {
        self.tree.write(path, content);
    }

    fn read(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.path(path)).ok()
    }

    fn door(&self, unit: &str) {
        self.said(unit);
    }

    fn said(&self, unit: &str) -> String {
        let start = ["apply", "--before-start", unit];
        let answer = self.tree.run_with(&start, &[("INVOCATION_ID", RUN)]);
        assert_eq!(answer.code, Some(0), "{answer:?}");
        answer.stderr
    }

    fn record(&self) -> Option<String> {
        self.read(&format!("run/k3warden/starts/{RUN}.json"))
    }
}

#[test]
fn a_start_is_made_right_and_what_it_reads_is_left_for_the_gate() {
    let node = Node::server("");
    let said = node.said("k3s.service");
    assert!(said.contains("zz-k3warden.yaml"), "{said}");
    let drop_in = node.read(DROP_IN).unwrap();
    assert!(drop_in.contains("secrets-encryption: true"), "{drop_in}");
    assert!(node.read("var/lib/rancher/k3s/server/audit.yaml").is_some());
    let record = node.record().unwrap();
    assert!(
        record.contains("audit.yaml") && record.contains("k3s.service"),
        "{record}"
    );

    let again = node.said("k3s.service");
    assert_eq!(
        again, "",
        "the second start finds everything as it should be"
    );
}

/// Somebody may be about to write it, but this start would read it before and end.
#[test]
fn a_policy_file_that_was_emptied_just_now_is_made_right_before_the_start() {
    let node = Node::server("");
    let audit = "var/lib/rancher/k3s/server/audit.yaml";
    node.door("k3s.service");
    let ours = node.read(audit).unwrap();
    node.write(audit, "");
    node.door("k3s.service");
    assert_eq!(node.read(audit).unwrap(), ours);
}

/// What is encrypted could not be read, and K3s would never be ready. The policy has no say in that.
#[test]
fn encryption_that_an_operator_takes_away_under_its_key_is_an_alarm() {
    const ENCRYPTING: &str = r#"{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{"resources":["secrets"],"providers":[{"aescbc":{"keys":[{"name":"k","secret":"MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="}]}},{"identity":{}}]}]}"#;
    for policy in [
        "",
        "[control.secrets-encryption]\nstate = \"off\"\n",
        "mode = \"observe\"\n",
    ] {
        let node = Node::server("");
        // It is no cluster of ours.
        let policy_file = format!("k3s_version = \"1.36.3\"\n{policy}");
        node.write("etc/k3warden/config.toml", &policy_file);
        node.write("var/lib/rancher/k3s/server/db/state.db", "");
        node.write(
            "var/lib/rancher/k3s/server/cred/encryption-config.json",
            ENCRYPTING,
        );
        for (config, is_alarm) in [
            ("", true),
            ("secrets-encryption: false\n", true),
            ("secrets-encryption: true\n", false),
        ] {
            node.write("etc/rancher/k3s/config.yaml", config);
            let said = node.said("k3s.service");
            let alarms = said.contains("CRITICAL: ") && said.contains("does not become ready");
            assert_eq!(alarms, is_alarm, "{policy}{config}: {said}");
        }
    }
}

/// With the bits of the file also wrong, its content must not wait for the next start.
#[test]
fn a_drop_in_of_ours_whose_content_and_bits_are_both_wrong_is_right_before_the_start() {
    use std::os::unix::fs::PermissionsExt;
    let node = Node::server("");
    node.door("k3s.service");
    let written = node.read(DROP_IN).unwrap();
    std::fs::remove_file(node.path(DROP_IN)).unwrap();
    node.write(DROP_IN, "protect-kernel-defaults: false\n");
    let loose = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(node.path(DROP_IN), loose).unwrap();
    let said = node.said("k3s.service");
    assert_eq!(node.read(DROP_IN).unwrap(), written, "{said}");
    let mode = std::fs::metadata(node.path(DROP_IN)).unwrap().permissions();
    assert_eq!(mode.mode() & 0o7777, 0o600, "{said}");
}

#[test]
fn a_token_is_in_no_record() {
    let node = Node::server("");
    node.write("etc/rancher/k3s/config.yaml", "token: very-secret-word\n");
    node.write(
        "etc/systemd/system/k3s.service",
        "[Service]\nEnvironment=K3S_AGENT_TOKEN=other-secret-word\nExecStart=/usr/local/bin/k3s server\n",
    );
    let said = node.said("k3s.service");
    let record = node.record().unwrap();
    for secret in ["very-secret-word", "other-secret-word"] {
        assert!(
            !record.contains(secret) && !said.contains(secret),
            "{secret}"
        );
    }
}

#[test]
fn a_unit_that_starts_no_k3s_is_left_at_once() {
    let node = Node::server("");
    node.write(
        "etc/systemd/system/k3s-backup.service",
        "[Service]\nExecStart=/usr/bin/rsync -a /var/lib/rancher /mnt\n",
    );
    for unit in ["k3s-backup.service", "k3s-missing.service", "no unit"] {
        node.door(unit);
        assert!(
            node.read(DROP_IN).is_none() && node.record().is_none(),
            "{unit}"
        );
    }
}

#[test]
fn the_kill_switch_keeps_the_door_out() {
    let node = Node::server("");
    node.write("etc/k3warden/disabled", "");
    assert!(node.said("k3s.service").contains("disabled"));
    assert!(node.read(DROP_IN).is_none() && node.record().is_none());
}

#[test]
fn a_wrong_policy_does_not_keep_k3s_from_starting() {
    let node = Node::server("nonsense = 1\n");
    assert!(node.said("k3s.service").contains("nonsense"));
    assert!(node.read(DROP_IN).is_none());
}

#[test]
fn observing_changes_nothing_and_still_records_the_start() {
    let node = Node::server("mode = \"observe\"\n");
    assert!(node.said("k3s.service").contains("observe"));
    assert!(node.read(DROP_IN).is_none());
    assert!(node.record().is_some());
}

#[test]
fn what_k3s_would_not_start_with_is_taken_out_if_it_is_ours_and_left_if_not() {
    let node = Node::server("mode = \"observe\"\n");
    node.write(
        DROP_IN,
        "# Written by k3warden\nkube-apiserver-arg+:\n- 'no-such-flag=1' # some-control\n",
    );
    let said = node.said("k3s.service");
    assert!(said.contains("no-such-flag"), "{said}");
    assert_eq!(node.read(DROP_IN), None);

    let operators = "kube-apiserver-arg:\n- no-such-flag=1\n";
    node.write("etc/rancher/k3s/config.yaml", operators);
    let said = node.said("k3s.service");
    assert!(
        said.contains("CRITICAL") && said.contains("config.yaml:2"),
        "{said}"
    );
    assert_eq!(node.read("etc/rancher/k3s/config.yaml").unwrap(), operators);
}

#[test]
fn the_encryption_line_stays_when_ours_is_taken_out_under_a_key() {
    let node = Node::server("mode = \"observe\"\n");
    node.write(
        "var/lib/rancher/k3s/server/cred/encryption-config.json",
        "{}",
    );
    node.write(
        DROP_IN,
        "# Written by k3warden\nsecrets-encryption: true # secrets-encryption\nkube-apiserver-arg+:\n- 'no-such-flag=1' # some-control\n",
    );
    let said = node.said("k3s.service");
    assert!(said.contains("stays"), "{said}");
    let left = node.read(DROP_IN).unwrap();
    assert!(
        left.contains("secrets-encryption: true") && !left.contains("no-such-flag"),
        "{left}"
    );
}

#[test]
fn nobody_is_waited_for_longer_than_a_moment() {
    let node = Node::server("");
    node.door("k3s.service");
    let took = |words: &str| {
        let before = Instant::now();
        let said = node.said("k3s.service");
        assert!(said.contains(words), "{said}");
        before.elapsed()
    };
    let free = [(); 3].map(|()| took("")).into_iter().min().unwrap();
    std::fs::remove_file(node.path(DROP_IN)).unwrap();
    let lock = File::options()
        .write(true)
        .open(node.path("var/lib/k3warden/lock"))
        .unwrap();
    let _held = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    // A second for everything, whatever it is that waits; where two things wait, each for a second, that is in all of the
    // times, and what else this machine does is not.
    let limit = free + Duration::from_millis(1500);
    let times: Vec<_> = (0..10)
        .map(|_| took("lock"))
        .take_while(|time| *time >= limit)
        .collect();
    assert!(times.len() < 10, "{times:?} {free:?}");
    assert!(node.read(DROP_IN).is_none());
    assert!(
        node.record().is_some(),
        "what this start reads is known all the same"
    );
}

/// The door of a start to come counts how often K3s ended by itself, also where this one's time was over too early.
#[test]
fn a_start_whose_door_does_not_come_to_its_end_is_recorded_as_begun() {
    let node = Node::server("");
    let policy = "etc/edge/audit.yaml";
    std::fs::create_dir_all(node.path(policy)).unwrap();
    node.write(
        "etc/rancher/k3s/config.yaml",
        &format!("kube-apiserver-arg: [\"audit-policy-file=/{policy}\"]\n"),
    );
    let said = node.said("k3s.service");
    let record = node.record().unwrap_or(said);
    assert!(record.contains("\"door-under-way\""), "{record}");

    std::fs::remove_dir(node.path(policy)).unwrap();
    node.write(policy, "apiVersion: audit.k8s.io/v1\nkind: Policy\n");
    node.door("k3s.service");
    let record = node.record().unwrap();
    assert!(record.contains("\"whole\""), "{record}");
}

/// The state directory is on a disk that is full or read-only, /run never is.
#[test]
fn a_start_is_recorded_also_where_what_it_reads_of_ours_cannot_be_kept() {
    let node = Node::server("");
    std::fs::create_dir_all(node.path("var/lib/k3warden/candidate.json/in-the-way")).unwrap();
    let said = node.said("k3s.service");
    assert!(said.contains("candidate.json"), "{said}");
    assert!(node.record().is_some(), "{said}");
}
