//! A next start of K3s that the operator's own configuration endangers.

use std::collections::BTreeSet;
use std::time::Duration;

use super::bench::*;
use super::tree::DROP_IN;
use crate::host::SysctlKey;
use crate::report::event::Kind;
use crate::report::journal::Event;
use crate::watch::Pause;
use crate::watch::signals::Signals;

const CONFIG: &str = "etc/rancher/k3s/config.yaml";

impl Bench<'_> {
    /// What is told of it after a full pass, once it has been so for a while.
    fn told_of_endangered_start(&mut self) -> Vec<Event> {
        self.now += Duration::from_secs(300);
        self.agent.full_pass(self.now);
        self.now += Duration::from_secs(1);
        self.agent.look_for_endangered_start(self.now);
        self.told(Kind::StartEndangered)
    }
}

/// What the operator excepted nobody else sets, so he has to hear of it before the boot.
#[test]
fn a_boot_that_an_operators_own_protection_does_not_survive_is_told_once_until_it_is_mended() {
    let exception = "[[exception]]\ncontrol = \"vm-overcommit-memory\"\nreason = \"r\"\nowner = \"o\"\nexpires = 2099-01-01\n";
    let (tree, signals) = (Tree::server(exception), Signals::catch().unwrap());
    tree.write(CONFIG, "protect-kernel-defaults: true\n");
    let sysctl = |value: u8| {
        let line = format!("vm.overcommit_memory = {value}\n");
        tree.write("etc/sysctl.d/99-op.conf", &line);
    };
    let mut bench = Bench::new(&tree, &signals);
    let mut told = |value| {
        sysctl(value);
        bench.told_of_endangered_start()
    };
    let first = told(2);
    let said = "config.yaml:1 sets protect-kernel-defaults, and K3s does not start ";
    assert!(
        first.len() == 1 && first[0].message.contains(said),
        "{first:?}"
    );
    assert_eq!(told(2), []);
    // A warning of `check`, and no alarm.
    assert_eq!(told(1), []);
    assert_eq!(told(2).len(), 1);
}

/// Of a live value there is an event, and no full pass for minutes.
#[test]
fn a_live_value_that_an_operators_own_protection_does_not_survive_is_told_within_seconds() {
    let exception = "[[exception]]\ncontrol = \"vm-overcommit-memory\"\nreason = \"r\"\nowner = \"o\"\nexpires = 2099-01-01\n";
    let (tree, signals) = (Tree::server(exception), Signals::catch().unwrap());
    tree.write(CONFIG, "protect-kernel-defaults: true\n");
    tree.write("etc/sysctl.d/99-op.conf", "vm.overcommit_memory = 1\n");
    let live = |value: &str| tree.write("proc/sys/vm/overcommit_memory", value);
    live("1\n");
    let mut bench = Bench::new(&tree, &signals);
    bench.told_of_endangered_start();
    live("2\n");
    let mut hits = BTreeSet::new();
    let key = SysctlKey::parse("vm.overcommit_memory").unwrap();
    bench.agent.hits_of_key(&key, &mut hits);
    bench.agent.answer(&hits, bench.now);
    let (_, controls) = bench.agent.due.settle.take().unwrap();
    bench.agent.settle(&controls, bench.now);
    while let Some(due) = bench.agent.endangered.due() {
        assert!(due <= bench.now + Duration::from_secs(1), "{due:?}");
        bench.now = due;
        bench.agent.look_for_endangered_start(due);
    }
    let told = bench.told(Kind::StartEndangered);
    let said = "invalid kernel flag: vm.overcommit_memory, expected value: 1, actual value: 2";
    assert!(
        told.iter().any(|event| event.message.contains(said)),
        "{told:?}"
    );
}

/// `check` says it to whoever asks; nobody asks on most nodes.
#[test]
fn an_operators_line_that_ends_k3s_at_its_next_start_is_told_once_and_published_until_it_is_mended()
{
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    let mut told = |config: &str| {
        tree.write(CONFIG, config);
        let told = bench.told_of_endangered_start();
        let status = bench.agent.status();
        let published = status.k3s.endangered;
        let is_said = status.sentence.contains("next start is endangered");
        assert_eq!(is_said, !published.is_empty(), "{}", status.sentence);
        (told.len(), published)
    };
    let wrong = "kubelet-arg: [\"max-podz=10\"]\n";
    assert_eq!(told("debug: true\n"), (0, Vec::new()));
    let (count, published) = told(wrong);
    assert!(count == 1 && published.len() == 1, "{count} {published:?}");
    for part in [
        "K3s would end at its next start",
        "/etc/rancher/k3s/config.yaml:1",
        "did you mean --max-pods?",
    ] {
        assert!(published[0].contains(part), "{part}: {published:?}");
    }
    assert_eq!(told(wrong), (0, published));
    assert_eq!(told("debug: true\n"), (0, Vec::new()));
    assert_eq!(told(wrong).0, 1);
}

/// A package upgrade or a disk that is mounted starts the daemon anew; the operator knows by then.
#[test]
fn a_new_run_of_the_daemon_tells_only_what_the_one_before_it_has_not_told_in_this_boot() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let told_by_new_run = |config: &str| {
        tree.write(CONFIG, config);
        let mut bench = Bench::new(&tree, &signals);
        bench.begin();
        let told = bench.told_of_endangered_start();
        bench.agent.publish();
        told.len()
    };
    let wrong = "kubelet-arg: [\"max-podz=10\"]\n";
    assert_eq!(told_by_new_run(wrong), 1);
    assert_eq!(told_by_new_run(wrong), 0);
    let moved = format!("debug: true\n{wrong}");
    assert_eq!(told_by_new_run(&moved), 0, "the same on another line");
    assert_eq!(told_by_new_run("kubelet-arg: [\"max-podx=10\"]\n"), 1);
    assert_eq!(told_by_new_run("debug: true\n"), 0);
    assert_eq!(told_by_new_run(wrong), 1, "it was mended between");
    // What is published does not outlive the boot.
    std::fs::remove_file(tree.path("run/k3warden/status.json")).unwrap();
    assert_eq!(told_by_new_run(wrong), 1, "another boot, another reader");
}

/// The door takes it out before the start, also in a pause.
#[test]
fn what_only_ours_would_end_k3s_with_is_told_only_while_no_door_takes_it_out() {
    for (file, count) in [("run/k3warden/pause.json", 0), ("etc/k3warden/disabled", 1)] {
        let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
        let mut bench = Bench::new(&tree, &signals);
        bench.settled_server();
        if file.contains("pause") {
            let root = &bench.agent.ground.host.root;
            Pause::begin(root, Duration::from_secs(3600), "new disk").unwrap();
        } else {
            tree.write(file, "");
        }
        bench.agent.look_for_suspension(bench.now);
        assert!(bench.agent.suspension.is_some(), "{file}");
        tree.write(DROP_IN, "kubelet-arg: [\"max-podz=10\"]\n");
        let told = bench.told_of_endangered_start();
        assert_eq!(told.len(), count, "{file}: {told:?}");
    }
}
