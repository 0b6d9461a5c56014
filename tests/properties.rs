//! Random hosts: once applied nothing is left to plan, and revert gives back what was there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod tree;

use proptest::prelude::*;
use tree::{Tree, difference};

const KEYS: [&str; 4] = [
    "kernel.panic",
    "kernel/panic_on_oops",
    "-vm.overcommit_memory",
    "net.ipv4.ip_forward",
];

fn modes() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![
        0o600, 0o640, 0o644, 0o664, 0o666, 0o400, 0o4755, 0o700, 0o755, 0o777, 0o000,
    ])
}

/// One line of a host, with what may stand there.
fn file(path: &'static str) -> impl Strategy<Value = String> {
    let content = prop_oneof![
        Just(""),
        Just("| secret\n"),
        Just("| apiVersion: v1\n| kind: Other\n")
    ];
    let owner = prop_oneof![3 => Just("root:root"), 1 => Just("4242:4242"), 1 => Just("root:4242")];
    (modes(), owner, content, 0..8).prop_map(move |(mode, owner, content, what)| match what {
        0 | 1 => String::new(),
        2 => format!("777 root:root l {path} -> /etc/elsewhere\n"),
        3 => format!("{mode:o} root:root p {path}\n"),
        _ => format!("{mode:o} {owner} f {path}\n{content}"),
    })
}

fn directory(path: &'static str) -> impl Strategy<Value = String> {
    let modes = prop::sample::select(vec![0o700, 0o750, 0o755, 0o775, 0o777, 0o1777, 0o2755]);
    (modes, any::<bool>()).prop_map(move |(mode, there)| {
        if there {
            format!("{mode:o} root:root d {path}\n")
        } else {
            String::new()
        }
    })
}

fn sysctl(path: &'static str) -> impl Strategy<Value = String> {
    let line =
        (prop::sample::select(&KEYS[..]), 0..12, any::<bool>()).prop_map(|(key, value, sets)| {
            if sets {
                format!("| {key} = {value}\n")
            } else {
                format!("| # {key}\n")
            }
        });
    let kept = prop::collection::vec(line, 0..4)
        .prop_map(move |lines| format!("644 root:root f {path}\n{}", lines.concat()));
    prop_oneof![
        2 => Just(String::new()),
        1 => Just(format!("777 root:root l {path} -> /dev/null\n")),
        5 => kept,
    ]
}

fn host() -> impl Strategy<Value = String> {
    let sysctls = (
        sysctl("/etc/sysctl.d/90-kubelet.conf"),
        sysctl("/etc/sysctl.d/99-zz.conf"),
        sysctl("/usr/lib/sysctl.d/90-kubelet.conf"),
        sysctl("/run/sysctl.d/95-run.conf"),
    );
    let files = (
        file("/var/lib/rancher/k3s/server/psa.yaml"),
        file("/var/lib/rancher/k3s/server/audit.yaml"),
        file("/var/lib/rancher/k3s/server/cred/admin.kubeconfig"),
        file("/var/lib/rancher/k3s/server/tls/a.key"),
        file("/var/lib/rancher/k3s/agent/kubelet.kubeconfig"),
        file("/etc/rancher/node/password"),
    );
    let directories = (
        directory("/var/lib/rancher/k3s/server"),
        directory("/var/lib/rancher/k3s/server/cred"),
        directory("/var/lib/rancher/k3s/server/logs"),
        directory("/var/lib/rancher/k3s/agent"),
    );
    (sysctls, files, directories).prop_map(|(s, f, d)| {
        let unit = "644 root:root f /etc/systemd/system/k3s.service\n| [Service]\n| ExecStart=/usr/local/bin/k3s server\n";
        [
            "755 root:root d /var/lib/rancher/k3s\n600 root:root f /etc/elsewhere\n", unit,
            &s.0, &s.1, &s.2, &s.3, &f.0, &f.1, &f.2, &f.3, &f.4, &f.5, &d.0, &d.1, &d.2, &d.3,
        ]
        .concat()
    })
}

/// The controls that a plan works for, in an order that a number decides.
fn shuffled(plan: &serde_json::Value, mut number: u64) -> Vec<String> {
    let changes = plan["changes"].as_array().unwrap();
    let named = changes
        .iter()
        .flat_map(|change| change["controls"].as_array().unwrap());
    let mut controls: Vec<String> = named.map(|id| id.as_str().unwrap().to_owned()).collect();
    controls.sort();
    controls.dedup();
    for last in (1..controls.len()).rev() {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        controls.swap(last, (number >> 33) as usize % (last + 1));
    }
    controls
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn controls_taken_back_bit_by_bit_in_any_order_leave_what_was_there(text in host(), order in any::<u64>()) {
        let tree = Tree::of(&text);
        let before = tree.snapshot();
        let controls = shuffled(&tree.k3warden(&["diff", "--format", "json"]).json(), order);
        tree.k3warden(&["apply"]);
        let mut said = String::new();
        let mut left = controls.as_slice();
        // One, two, three, ... at a time: as many ways to divide what they share, in fewer runs.
        for count in 1.. {
            let (now, later) = left.split_at(count.min(left.len()));
            let Some(_) = now.first() else { break };
            let command: Vec<&str> = std::iter::once("revert").chain(now.iter().map(String::as_str)).collect();
            let answer = tree.k3warden(&command);
            said.push_str(&format!("{now:?}: {:?}\n{}{}", answer.code, answer.stdout, answer.stderr));
            left = later;
        }
        prop_assert_eq!(difference(&before, &tree.snapshot(), "/var/lib/rancher/k3s/server/tls"), Vec::<String>::new(), "{}", said);
        prop_assert_eq!(tree.k3warden(&["ledger", "--verify"]).code, Some(0));
        let nothing_left = tree.k3warden(&["revert"]);
        prop_assert!(nothing_left.stdout.contains("Nothing to put back."), "{}", nothing_left.stdout);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_was_applied_needs_nothing_more_and_can_be_taken_back(text in host()) {
        let tree = Tree::of(&text);
        let before = tree.snapshot();
        let applied = tree.k3warden(&["apply"]);
        let after = tree.snapshot();
        let plan = tree.k3warden(&["diff", "--format", "json"]).json();
        prop_assert_eq!(plan["changes"].as_array().unwrap().len(), 0, "{:#}\nafter\n{}", plan, applied.stdout);
        tree.k3warden(&["apply"]);
        prop_assert_eq!(difference(&after, &tree.snapshot(), "/"), Vec::<String>::new());
        let reverted = tree.k3warden(&["revert"]);
        prop_assert_eq!(difference(&before, &tree.snapshot(), "/var/lib/rancher/k3s/server/tls"), Vec::<String>::new(), "{}", reverted.stdout);
    }
}
