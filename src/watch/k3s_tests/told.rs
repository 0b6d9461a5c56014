//! What the journal is told, how often, and with what.

use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use super::bench::*;
use crate::catalogue::ControlId;
use crate::host::Thing;
use crate::k3s::component::Component;
use crate::reconcile::Verdict;
use crate::report::event::Kind;
use crate::report::journal::Event;
use crate::setting::{Effect, Stage};
use crate::watch::Pause;
use crate::watch::signals::Signals;
use crate::watch::work::{Done, Work};

pub(super) const SERVER: &str = "var/lib/rancher/k3s/server";

/// The next look is moments away and mostly finds it right, or repairs it.
#[test]
fn a_repair_that_somebody_overtakes_is_told_only_when_the_next_one_is_overtaken_too() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    let told = |bench: &mut Bench<'_>, result: Result<(), &str>| {
        let done = Done {
            controls: vec![ControlId::parse("server-directory").unwrap()],
            thing: Thing::Path(format!("/{SERVER}").into()),
            observed: "0777".to_owned(),
            wanted: "0700".to_owned(),
            stage: Stage::Permissions,
            effect: Effect::None,
            change_id: None,
            source: String::new(),
            left_in_cluster: Vec::new(),
            overtaken: result.is_err(),
            result: result.map_err(str::to_owned),
        };
        let work = Work {
            done: vec![done],
            ..Work::default()
        };
        bench.agent.account(work, bench.now);
        bench.told(Kind::RepairFailed).len()
    };
    assert_eq!(told(&mut bench, Err("it changed")), 0);
    assert_eq!(told(&mut bench, Ok(())), 0);
    assert_eq!(told(&mut bench, Err("it changed")), 0, "repaired between");
    assert_eq!(told(&mut bench, Err("it changed")), 1);
    assert_eq!(told(&mut bench, Err("it changed")), 0, "once");
}

#[test]
fn each_thing_of_an_observed_control_that_drifts_is_told_once_and_again_after_it_held() {
    let observe = "[control.control-plane-credentials]\nstate = \"observe\"\n";
    let (tree, signals) = (Tree::server(observe), Signals::catch().unwrap());
    let names = ["a.kubeconfig", "b.kubeconfig"];
    let set = |modes: [u32; 2]| {
        for (name, mode) in names.iter().zip(modes) {
            let path = format!("{SERVER}/cred/{name}");
            tree.write(&path, "");
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(tree.path(&path), mode).unwrap();
        }
    };
    set([0o600, 0o600]);
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    bench.told(Kind::DriftFound);
    for (modes, news) in [
        ([0o644, 0o600], vec!["a.kubeconfig"]),
        ([0o644, 0o600], vec![]),
        ([0o644, 0o644], vec!["b.kubeconfig"]),
        ([0o600, 0o644], vec![]),
        ([0o644, 0o644], vec!["a.kubeconfig"]),
    ] {
        set(modes);
        bench.agent.full_pass(bench.now);
        let told = bench.told(Kind::DriftFound);
        let of_control =
            |event: &&Event| event.field("CONTROL") == Some("control-plane-credentials");
        let found = told.iter().filter(of_control);
        let found: Vec<&str> = found.map(|event| event.field("SETTING").unwrap()).collect();
        assert_eq!(found.len(), news.len(), "{modes:?}: {found:?}");
        assert!(
            found
                .iter()
                .zip(&news)
                .all(|(found, news)| found.contains(news)),
            "{found:?}"
        );
    }
}

/// Does something within one day: the daemon takes the date from the clock, and what midnight came into is done again.
fn within_a_day(work: impl Fn()) {
    let today = || jiff::Zoned::now().date();
    let day = today();
    if let Err(failure) = catch_unwind(AssertUnwindSafe(&work)) {
        if day == today() {
            resume_unwind(failure);
        }
        work();
    }
}

#[test]
fn exceptions_that_come_with_a_reload_are_told_once() {
    within_a_day(exceptions_are_told_once);
}

fn exceptions_are_told_once() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    bench.agent.journal.take();
    let today = bench.agent.ground.today;
    let policy: String = [
        ("audit-log-retention", today.tomorrow().unwrap()),
        ("audit-log-backups", today.yesterday().unwrap()),
    ]
    .iter()
    .map(|(control, day)| {
        format!(
            "[[exception]]\ncontrol = \"{control}\"\nreason = \"an old disk\"\nowner = \"ops\"\nexpires = {day}\n"
        )
    })
    .collect();
    for expected in [1, 0] {
        bench.reload(&policy);
        let told = bench.agent.journal.take();
        for kind in [Kind::ExceptionExpiring, Kind::ExceptionExpired] {
            let count = told.iter().filter(|event| event.kind == kind).count();
            assert_eq!(count, expected, "{kind:?}");
        }
    }
    // One that ends soon is told of again on the next day, one that is over is not.
    bench.agent.ground.today = today.tomorrow().unwrap();
    bench.agent.tell_of_exceptions();
    let told = bench.agent.journal.take();
    let kinds: Vec<Kind> = told.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [Kind::ExceptionExpiring]);
}

/// The housekeeping round may be minutes away.
#[test]
fn the_end_of_a_pause_is_waited_for() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    let root = &bench.agent.ground.host.root;
    Pause::begin(root, Duration::from_secs(500), "new disk").unwrap();
    bench.agent.look_for_suspension(bench.now);
    let due = bench.agent.due.pause_ends.unwrap();
    assert!(due <= bench.now + Duration::from_secs(500));
    Pause::end(&bench.agent.ground.host.root).unwrap();
    bench.agent.look_for_suspension(bench.now);
    assert_eq!(bench.agent.due.pause_ends, None);
}

#[test]
fn what_was_counted_in_this_boot_goes_on_after_a_new_start_of_the_daemon() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    bench.agent.k3s.restarts.insert("change".to_owned(), 3);
    bench.agent.publish();
    drop(bench);
    let bench = Bench::new(&tree, &signals);
    let restarts = &bench.agent.status().k3s.restarts;
    assert_eq!(restarts.get("change"), Some(&3));
}

#[test]
fn only_what_does_not_hold_counts_as_excepted() {
    let exception = "[[exception]]\ncontrol = \"server-directory\"\nreason = \"disk tool\"\nowner = \"ops\"\n\
                     expires = 2999-01-31\n";
    let (tree, signals) = (Tree::server(exception), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    let sentence = |bench: &mut Bench<'_>, mode: u32| {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(tree.path(SERVER), mode).unwrap();
        bench.agent.full_pass(bench.now);
        bench.agent.sentence()
    };
    let said = sentence(&mut bench, 0o755);
    assert!(said.contains(", 1 excepted until 2999-01-31"), "{said}");
    let said = sentence(&mut bench, 0o700);
    assert!(!said.contains("excepted"), "{said}");
}

#[test]
fn what_could_not_be_seen_is_told_beside_what_diverges() {
    let (tree, signals) = (
        Tree::server("mode = \"observe\"\n"),
        Signals::catch().unwrap(),
    );
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    tree.write(&format!("{SERVER}/cred/a.kubeconfig"), "");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(tree.path(&format!("{SERVER}/cred/a.kubeconfig")), open).unwrap();
    let seen = |bench: &mut Bench<'_>| {
        bench.agent.full_pass(bench.now);
        let mut controls = bench.agent.status().controls.into_iter();
        let control = controls.find(|control| control.id == "control-plane-credentials");
        let control = control.unwrap();
        (control.verdict.name(), control.unseen)
    };
    assert_eq!(seen(&mut bench), ("divergent", false));
    let fifo = tree.path(&format!("{SERVER}/cred/b.kubeconfig"));
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).unwrap();
    assert_eq!(seen(&mut bench), ("divergent", true));
}

/// Most controls of the part that failed hold in the one that stands in its place.
#[test]
fn what_is_not_written_again_is_told_once_however_often_everything_is_looked_at() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    let good = tree.drop_in();
    bench.change_is_tried();
    bench.dies(DIES);
    bench.until("put back", |bench| bench.tree.drop_in() == good);
    let mut told = 0;
    for _ in 0..4 {
        bench.k3s_starts();
        bench.says_its_arguments(Component::Apiserver);
        bench.is_ready();
        bench.quiet_minutes();
        bench.agent.full_pass(bench.now);
        told += bench.told(Kind::PreflightRefused).len();
    }
    assert_eq!(told, 1);
}

/// Whatever the policy says of the control.
#[test]
fn encryption_that_is_taken_away_under_its_key_is_an_alarm_once() {
    const ENCRYPTING: &str = r#"{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{"resources":["secrets"],"providers":[{"aescbc":{"keys":[{"name":"k","secret":"MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="}]}},{"identity":{}}]}]}"#;
    const CONFIG: &str = "etc/rancher/k3s/config.yaml";
    for policy in ["", "[control.secrets-encryption]\nstate = \"off\"\n"] {
        let (tree, signals) = (Tree::server(policy), Signals::catch().unwrap());
        tree.write("var/lib/rancher/k3s/server/db/state.db", "");
        tree.write(KEY, ENCRYPTING);
        tree.write(CONFIG, "secrets-encryption: true\n");
        let mut bench = Bench::new(&tree, &signals);
        bench.begin();
        let mut said = |config: &str| {
            tree.write(CONFIG, config);
            bench.agent.look_at_all(bench.now);
            // One moment is none: a line that is away may be on its way back.
            assert_eq!(bench.told(Kind::EncryptionWithdrawn), [], "{policy}");
            bench.now += Duration::from_secs(61);
            bench.agent.look_at_all(bench.now);
            bench.told(Kind::EncryptionWithdrawn).len()
        };
        assert_eq!(said("secrets-encryption: true\n"), 0, "{policy}");
        assert_eq!(said("debug: true\n"), 1, "{policy}");
        assert_eq!(said("debug: true\n"), 0, "{policy}");
        assert_eq!(said("secrets-encryption: true\n"), 0, "{policy}");
        assert_eq!(said("debug: true\n"), 1, "{policy}");
    }
}

/// Half of the controls have a release that they are for. `status` has them all.
#[test]
fn what_cannot_be_seen_is_told_once_for_all_controls_that_have_the_reason() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let policy = "etc/k3warden/config.toml";
    tree.write(policy, "");
    let mut bench = Bench::new(&tree, &signals);
    let mut told = || {
        bench.agent.full_pass(bench.now);
        let told = bench.told(Kind::Unseen);
        let unknown = bench.agent.status().controls.into_iter();
        let unknown = unknown.filter(|control| control.verdict == Verdict::Unknown);
        (told, unknown.count())
    };
    let (first, unknown) = told();
    assert!(first.len() == 1 && unknown > 10, "{first:?} {unknown}");
    let message = &first[0].message;
    assert!(message.contains("version is not known"), "{message}");
    assert_eq!(told(), (Vec::new(), unknown));
}
