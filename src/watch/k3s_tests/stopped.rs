//! Ends: an operator who stops the daemon while it is about to change something, a K3s that is stopped or taken away, a
//! run that ends for a new namespace.

use std::time::{Duration, Instant};

use super::bench::*;
use crate::host::systemd::ActiveState;
use crate::reconcile::restart::gate::Brake;
use crate::report::event::Kind;
use crate::watch::Pause;
use crate::watch::signals::Signals;
use crate::watch::stale::Rebuild;

const AUDIT: &str = "var/lib/rancher/k3s/server/audit.yaml";

#[test]
fn an_event_of_the_kill_switch_or_a_pause_that_nobody_has_read_yet_stops_the_next_change() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    let all_is_read = |bench: &mut Bench<'_>| {
        while bench.agent.eyes.has_unread() {
            bench.agent.on_events(bench.now).unwrap();
        }
    };
    for file in ["etc/k3warden/disabled", "run/k3warden/pause.json"] {
        all_is_read(&mut bench);
        std::fs::remove_file(tree.path(AUDIT)).unwrap();
        if file.contains("pause") {
            let root = &bench.agent.ground.host.root;
            Pause::begin(root, Duration::from_secs(3600), "new disk").unwrap();
        } else {
            tree.write(file, "");
        }
        assert!(bench.agent.suspension.is_none(), "{file} is not known yet");
        bench.agent.full_pass(bench.now);
        assert!(!tree.path(AUDIT).exists(), "{file} stands");
        all_is_read(&mut bench);
        assert!(bench.agent.suspension.is_some(), "{file}");
        std::fs::remove_file(tree.path(file)).unwrap();
        all_is_read(&mut bench);
        assert!(tree.path(AUDIT).exists(), "{file} is gone");
    }
}

/// What cannot be looked for counts as found, wherever it is asked for.
#[test]
fn a_pause_or_a_kill_switch_that_cannot_be_read_holds_restarts_too() {
    for unreadable in ["run/k3warden/pause.json", "etc/k3warden"] {
        let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
        let mut bench = Bench::new(&tree, &signals);
        bench.settled_server();
        assert_eq!(bench.agent.brake(), Brake::Free);
        let path = tree.path(unreadable);
        let _ = std::fs::remove_dir_all(&path);
        if unreadable.ends_with(".json") {
            std::fs::create_dir_all(&path).unwrap();
        } else {
            std::os::unix::fs::symlink("k3warden", &path).unwrap();
        }
        assert_ne!(bench.agent.brake(), Brake::Free, "{unreadable}");
    }
}

#[test]
fn nothing_is_said_of_the_last_k3s_once_there_is_none() {
    for gone in [false, true] {
        let (tree, signals) = (
            Tree::server("restart = { mode = \"never\" }\n"),
            Signals::catch().unwrap(),
        );
        let mut bench = Bench::new(&tree, &signals);
        bench.settled_server();
        let more = format!("restart = {{ mode = \"never\" }}\n{WITH_77_DAYS}");
        bench.reload(&more);
        bench.until("pending", |bench| bench.agent.k3s.pending_restart.is_some());
        bench.is_given_up();
        let run = bench.run();
        bench.machine.set(|inside| {
            inside.status.active = ActiveState::Inactive;
            inside.status.invocation = Some(run);
        });
        if gone {
            std::fs::remove_file(tree.path("etc/systemd/system/k3s.service")).unwrap();
            bench.agent.on_k3s_inputs_changed(bench.now);
        }
        bench.agent.on_k3s_start_seen(bench.now);
        bench.quiet_minutes();
        let k3s = &bench.agent.k3s;
        assert_eq!((k3s.in_step, &k3s.pending_restart), (None, &None), "{gone}");
        assert_eq!((&k3s.held, &k3s.start), (&None, &None), "{gone}");
    }
}

/// systemd does not start us again with rules that are wrong: our unit says so of that exit code.
#[test]
fn a_run_whose_rules_are_wrong_by_now_does_not_end_for_a_new_namespace() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    tree.policy("role = \"servant\"\n");
    let (at, reads_unit) = (Instant::now(), false);
    bench.agent.due.rebuild = Some(Rebuild {
        at,
        reads_unit,
        is_held: false,
    });
    bench.now = at;
    for _ in 0..5 {
        assert!(!bench.agent.ends_for_rebuild(bench.now));
        bench.now += Duration::from_secs(60);
    }
    assert_eq!(bench.told(Kind::ReloadRefused).len(), 1);
    assert!(bench.agent.status().refused_policy.is_some());
    tree.policy("");
    assert!(bench.agent.ends_for_rebuild(bench.now));
}
