//! A change of ours that K3s does not live with.

use std::time::Duration;

use super::bench::*;
use crate::host::testing::until_files_have_a_later_second;
use crate::reconcile::restart::proof::Quarantine;
use crate::report::event::Kind;
use crate::watch::signals::Signals;

#[test]
fn a_change_that_ends_k3s_after_it_was_ready_is_put_back_once_and_left_alone() {
    for (mode, asked) in [("auto", 1), ("never", 0)] {
        let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
        tree.policy(&format!("restart = {{ mode = \"{mode}\" }}\n"));
        let mut bench = Bench::new(&tree, &signals);
        bench.settled_server();
        tree.write(KEY, "{}");
        let good = tree.drop_in();
        bench.reload(&format!(
            "restart = {{ mode = \"{mode}\" }}\n{WITH_77_DAYS}"
        ));
        assert_ne!(tree.drop_in(), good, "{mode}");
        bench.quiet_minutes();
        assert_eq!(bench.machine.restarts_asked(), asked, "{mode}");
        assert_eq!(bench.agent.k3s.held.is_some(), mode == "never");
        bench.k3s_starts();
        bench.until("waiting", |bench| bench.agent.k3s.start.is_some());
        bench.dies(DIES);
        bench.until("put back", |bench| bench.tree.drop_in() == good);
        let quarantine = tree.quarantine().unwrap();
        assert_eq!(quarantine.reason, "apiserver exited: no");
        let published = bench.agent.status().k3s.quarantine;
        assert_eq!(published.as_deref(), Some("apiserver exited: no"));
        assert!(good.contains("secrets-encryption: true"));

        bench.k3s_starts();
        bench.is_ready();
        bench.quiet_minutes();
        bench.agent.full_pass(bench.now);
        bench.quiet_minutes();
        assert_eq!(tree.drop_in(), good, "{mode}: it is not written again");
        assert_eq!(bench.machine.restarts_asked(), asked, "{mode}: no loop");
        assert_eq!(bench.agent.k3s.in_step, Some(true), "{mode}");

        Quarantine::lift(&tree.records()).unwrap();
        bench.agent.look_for_suspension(bench.now);
        assert_eq!(bench.agent.status().k3s.quarantine, None);
        assert_ne!(
            tree.drop_in(),
            good,
            "{mode}: an operator wants it tried again"
        );
    }
}

#[test]
fn a_put_back_that_a_start_was_too_early_for_is_restarted_for_once_and_never_again() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    bench.change_is_tried();
    // systemd was quicker: the next start has read the bad part as well when ours is put back.
    bench.says(DIES);
    bench.k3s_starts();
    bench.until("asked", |bench| bench.machine.restarts_asked() == 2);
    bench.quiet_minutes();
    let restarts = |reason: &str| bench.agent.k3s.restarts.get(reason).copied();
    assert_eq!(
        (restarts("change"), restarts("put back")),
        (Some(1), Some(1))
    );
    bench.k3s_starts();
    bench.dies(DIES);
    bench.quiet_minutes();
    for _ in 0..5 {
        bench.k3s_starts();
        bench.dies(DIES);
        bench.quiet_minutes();
    }
    assert_eq!(
        bench.machine.restarts_asked(),
        2,
        "fails whatever we write: no loop"
    );
}

#[test]
fn the_kill_switch_keeps_the_put_back_out() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    let ours = tree.drop_in();
    tree.write("etc/k3warden/disabled", "");
    bench.agent.look_for_suspension(bench.now);
    let risk = bench.agent.status().suspended.unwrap().risk.unwrap();
    assert!(
        risk.contains("zz-k3warden.yaml") && risk.contains("protect-kernel-defaults"),
        "{risk}"
    );
    bench.k3s_starts();
    bench.dies(DIES);
    bench.until("told", |bench| !bench.agent.keeper.told.is_empty());
    assert_eq!(tree.drop_in(), ours);
    assert!(tree.quarantine().is_none());
}

/// systemd's start limit has K3s down, and the daemon that put ours back died before it could restart it.
#[test]
fn a_daemon_that_begins_restarts_a_k3s_once_that_its_put_back_came_too_late_for() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    bench.change_is_tried();
    bench.dies(DIES);
    bench.until("put back", |bench| bench.tree.quarantine().is_some());
    drop(bench);

    let mut bench = Bench::new(&tree, &signals);
    bench.is_given_up();
    bench.begin();
    bench.until("asked", |bench| bench.machine.restarts_asked() == 1);
    let reset = bench.machine.0.lock().unwrap().failed_reset;
    assert_eq!(reset, 1, "systemd would refuse within its start limit");
    bench.is_given_up();
    bench.quiet_minutes();
    assert_eq!(bench.machine.restarts_asked(), 1, "once");
}

#[test]
fn a_restart_that_systemd_refuses_does_not_count_as_one() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    bench.machine.set(|inside| inside.restart_refused = true);
    bench.reload(WITH_77_DAYS);
    bench.until("refused often", |bench| bench.machine.restarts_asked() > 10);
    bench.machine.set(|inside| inside.restart_refused = false);
    let asked = bench.machine.restarts_asked();
    bench.until("asked", |bench| bench.machine.restarts_asked() > asked);
    let restarts = bench.agent.k3s.restarts.get("change").copied();
    assert_eq!(restarts, Some(1), "{:?}", bench.agent.k3s.held);
}

/// A key that is made while ours is put back is one without which no Secret can be read.
#[test]
fn a_start_that_has_begun_by_then_keeps_the_encryption_line() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    assert!(tree.drop_in().contains("secrets-encryption: true"));
    bench.k3s_starts();
    bench.until("waiting", |bench| bench.agent.k3s.start.is_some());
    bench.says(DIES);
    bench.k3s_starts();
    bench.until("put back", |bench| bench.tree.quarantine().is_some());
    let left = tree.drop_in();
    assert!(left.contains("secrets-encryption: true"), "{left}");
    assert!(!left.contains("audit-log"), "{left}");
}

/// systemd says that K3s ended before journald has read what it said.
#[test]
fn the_reason_of_an_end_is_waited_for_but_not_for_long() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    for (is_late, words) in [(true, "apiserver exited: no"), (false, "does not say why")] {
        bench.k3s_starts();
        bench.until("waiting", |bench| bench.agent.k3s.start.is_some());
        bench.told(Kind::K3sFails);
        bench.ends();
        bench.until("ended", |bench| {
            let start = bench.agent.k3s.start.as_deref();
            start == Some("waiting for the journal to say why K3s ended")
        });
        bench.passes(Duration::from_millis(300));
        if is_late {
            bench.says(DIES);
        }
        bench.until("known", |bench| bench.agent.k3s.start.is_none());
        bench.passes(Duration::from_secs(2));
        let told = bench.told(Kind::K3sFails);
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].message.contains(words), "{told:?}");
    }
}

/// systemd was quicker than the put-back, and the door took longer than it may.
#[test]
fn an_end_that_no_door_recorded_before_the_put_back_does_not_clear_the_change() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    let good = tree.drop_in();
    bench.change_is_tried();
    bench.says(DIES);
    bench.k3s_starts_without_door();
    bench.agent.look_for_start(bench.now);
    bench.until("put back", |bench| bench.tree.drop_in() == good);
    bench.dies(DIES);
    bench.quiet_minutes();
    assert!(!tree.quarantine().unwrap().exonerated);
    let told = bench.told(Kind::K3sFails);
    assert!(told.is_empty(), "the end is told of already: {told:?}");
}

/// Its first look at it came late, and all that it reads is older than the run itself.
fn put_back_by_age(is_replaced: bool) {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    let good = tree.drop_in();
    bench.reload(&format!("restart = {{ mode = \"never\" }}\n{WITH_77_DAYS}"));
    assert_ne!(tree.drop_in(), good);
    // What was written in the second in which K3s starts may be younger than it.
    until_files_have_a_later_second();
    bench.k3s_starts_without_door();
    bench.agent.take_up_run(bench.now);
    bench.until("in step", |bench| bench.agent.k3s.in_step == Some(true));
    if is_replaced {
        // The next one is seen before the end of this one is looked at.
        bench.says(DIES);
        bench.k3s_starts_without_door();
        let status = bench.machine.0.lock().unwrap().status.clone();
        bench.agent.on_shown(Ok(status), bench.now);
        bench.agent.look_for_start(bench.now);
    } else {
        bench.dies(DIES);
    }
    bench.until("put back", |bench| bench.tree.drop_in() == good);
}

#[test]
fn an_end_is_ours_too_where_only_the_age_of_what_k3s_read_tells_what_it_was() {
    put_back_by_age(false);
}

#[test]
fn the_next_run_does_not_hide_what_the_one_before_it_had_read() {
    put_back_by_age(true);
}

/// From 1.33 on K3s ends with status 0, and an operator's `Restart=on-failure` leaves it down then.
#[test]
fn a_k3s_that_systemd_does_not_start_again_after_such_an_end_is_restarted_once() {
    for (rule, asked) in [("on-failure", 2), ("no", 2), ("always", 1)] {
        let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
        let mut bench = Bench::new(&tree, &signals);
        bench.settled_server();
        let good = tree.drop_in();
        bench.change_is_tried();
        bench.says(DIES);
        bench.is_down_after_success(rule);
        bench.until("put back", |bench| bench.tree.drop_in() == good);
        bench.quiet_minutes();
        assert_eq!(bench.machine.restarts_asked(), asked, "{rule}");
        if asked == 2 {
            // It has read what was put back, and who stops it then wants it down.
            bench.k3s_starts();
            bench.is_ready();
            bench.quiet_minutes();
            bench.is_down_after_success(rule);
            bench.agent.look_for_start(bench.now);
            bench.agent.look_soon(bench.now);
            bench.quiet_minutes();
            assert_eq!(bench.machine.restarts_asked(), asked, "{rule}: stopped");
        }
    }
}

/// K3s says where its datastore is with the password in it, and everybody reads the status.
#[test]
fn no_secret_in_the_last_words_of_k3s_is_kept_told_or_published() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    bench.change_is_tried();
    let words = "exited: no: parse \\\\\\\"postgres://k3s:hunter2@db:x/k3s\\\\\\\": invalid port";
    bench.dies(&DIES.replace("exited: no", words));
    bench.until("put back", |bench| bench.tree.quarantine().is_some());
    let reason = tree.quarantine().unwrap().reason;
    let status = crate::report::to_json(&bench.agent.status());
    let told = bench.told(Kind::RestartRolledBack);
    assert!(
        reason.starts_with("apiserver exited: no: parse ") && reason.ends_with(" invalid port"),
        "{reason}"
    );
    assert_eq!(told.len(), 1, "{told:?}");
    for text in [reason, status, told[0].message.clone()] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

/// What is held back outlives the daemon, and so does that it was told.
#[test]
fn a_quarantine_is_told_once_whatever_is_reloaded_or_started_anew() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    let told = |bench: &mut Bench<'_>| {
        let told = bench.agent.journal.take().into_iter();
        let of_it = told.filter(|event| event.message.contains("did not live with"));
        let kinds: Vec<Kind> = of_it.map(|event| event.kind).collect();
        kinds
    };
    bench.settled_server();
    let good = tree.drop_in();
    bench.change_is_tried();
    bench.dies(DIES);
    bench.until("put back", |bench| bench.tree.drop_in() == good);
    bench.passes(Duration::from_secs(2));
    bench.agent.full_pass(bench.now);
    let once = [Kind::RestartRolledBack, Kind::PreflightRefused];
    assert_eq!(told(&mut bench), once);
    bench.agent.reload(bench.now);
    assert_eq!(told(&mut bench), [], "reloaded");
    drop(bench);

    // The run that ended is still the one that systemd names, and it had read what failed.
    let mut bench = Bench::new(&tree, &signals);
    bench.runs = 2;
    bench.dies(DIES);
    bench.begin();
    bench.quiet_minutes();
    assert!(tree.quarantine().is_some());
    assert_eq!(told(&mut bench), [], "started anew");

    Quarantine::lift(&tree.records()).unwrap();
    bench.agent.look_for_suspension(bench.now);
    bench.k3s_starts();
    bench.dies(DIES);
    bench.until("put back again", |bench| bench.tree.quarantine().is_some());
    bench.agent.full_pass(bench.now);
    assert_eq!(told(&mut bench), once, "failed anew");
}
