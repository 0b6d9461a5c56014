//! Starts of K3s, and what they prove.

use super::bench::*;
use std::time::{Duration, Instant};

use crate::host::records::Found;
use crate::host::systemd::ActiveState;
use crate::host::testing::until_files_have_a_later_second;
use crate::k3s::component::Component;
use crate::reconcile::Verdict;
use crate::reconcile::restart::proof::LastGood;
use crate::report::event::Kind;
use crate::report::status::WaitsFor;
use crate::setting::Running;
use crate::watch::signals::Signals;

#[test]
fn a_change_that_settles_is_what_is_put_back_later() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    let first = tree.last_good().unwrap();
    bench.change_is_tried();
    assert_eq!(
        tree.last_good().unwrap(),
        first,
        "nothing is proven before it has settled"
    );
    bench.is_ready();
    bench.until("settled", |bench| bench.tree.last_good().unwrap() != first);
    bench.quiet_minutes();
    assert_eq!(
        bench.machine.restarts_asked(),
        1,
        "settled once, followed once"
    );
    assert!(bench.agent.keeper.following.is_none());
    assert_eq!(bench.agent.k3s.in_step, Some(true));
}

#[test]
fn a_restart_that_systemd_took_without_saying_so_is_followed() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    bench.machine.set(|inside| inside.restart_unanswered = true);
    bench.reload(WITH_77_DAYS);
    bench.until("asked", |bench| bench.machine.restarts_asked() == 1);
    bench.k3s_starts();
    bench.is_ready();
    bench.agent.journal.take();
    bench.until("settled", |bench| bench.agent.keeper.following.is_none());
    assert_eq!(bench.told(Kind::RestartDone).len(), 1);
    bench.quiet_minutes();
    assert_eq!(bench.machine.restarts_asked(), 1);
}

#[test]
fn without_k3s_nothing_is_ever_due() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    std::fs::remove_file(tree.path("etc/systemd/system/k3s.service")).unwrap();
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    bench.passes(Duration::from_secs(1));
    assert_eq!(
        bench.agent.keeper.due(),
        None,
        "the loop would turn without end"
    );
}

#[test]
fn an_agent_without_its_server_waits_and_has_not_failed() {
    let (tree, signals) = (Tree::agent(), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    let ours = tree.drop_in();
    assert!(!ours.is_empty());
    bench.k3s_starts();
    bench
        .machine
        .set(|inside| inside.status.active = ActiveState::Activating);
    bench.until("waiting", |bench| bench.agent.k3s.start.is_some());
    bench.dies(
        "time=\"2026-11-23T10:00:00Z\" level=error msg=\"Shutdown request received: \\\"failed to wait for apiserver ready: timed out\\\"\"",
    );
    bench.until("given up", |bench| {
        bench.agent.k3s.start.as_deref() == Some("the agent gave up waiting for its server")
    });
    assert_eq!((tree.drop_in(), tree.quarantine()), (ours, None));
}

#[test]
fn an_agent_that_never_was_ready_has_proven_nothing() {
    let (tree, signals) = (Tree::agent(), Signals::catch().unwrap());
    tree.policy("restart = { settle_time = \"1s\", settle_limit = \"1s\" }\n");
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    bench.k3s_starts();
    bench
        .machine
        .set(|inside| inside.status.active = ActiveState::Activating);
    bench.until("waiting", |bench| bench.agent.k3s.start.is_some());
    bench.until("the limit", |bench| bench.agent.keeper.following.is_none());
    assert_eq!(LastGood::load(&tree.records()), Found::Nothing);
}

/// The server of an agent may be away for hours. Nobody is told then that all is well.
#[test]
fn a_restart_after_which_k3s_is_not_ready_is_not_told_as_settled() {
    let rules = "restart = { settle_time = \"1s\", settle_limit = \"5s\" }\n";
    for is_ready in [true, false] {
        let (tree, signals) = (Tree::server(rules), Signals::catch().unwrap());
        let mut bench = Bench::new(&tree, &signals);
        bench.settled_server();
        bench.reload(&format!("{rules}{WITH_77_DAYS}"));
        bench.until("asked", |bench| bench.machine.restarts_asked() == 1);
        bench.k3s_starts();
        if !is_ready {
            bench
                .machine
                .set(|inside| inside.status.active = ActiveState::Activating);
        }
        bench.agent.journal.take();
        bench.until("the limit", |bench| bench.agent.keeper.following.is_none());
        let said = bench.agent.status().k3s.start;
        assert_eq!(said.is_none(), is_ready, "{said:?}");
        assert_eq!(bench.told(Kind::RestartDone).len(), usize::from(is_ready));
    }
}

#[test]
fn a_daemon_beside_a_k3s_that_never_passed_the_door_takes_nothing_of_its_own_for_proven() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.k3s_starts_without_door();
    bench.is_ready();
    bench.begin();
    bench.until("settled", |bench| bench.agent.keeper.following.is_none());
    assert_eq!(LastGood::load(&tree.records()), Found::Nothing);
    assert_eq!(bench.machine.restarts_asked(), 0, "unknown never restarts");
}

/// From 1.32 on this option is no argument, and no line of the journal says what it was.
#[test]
fn an_option_that_came_after_the_start_is_not_taken_for_one_that_k3s_runs_with() {
    for written_after in [false, true] {
        let (tree, signals) = (
            Tree::server("mode = \"observe\"\n"),
            Signals::catch().unwrap(),
        );
        let option = || {
            tree.write(
                "etc/rancher/k3s/config.yaml",
                "protect-kernel-defaults: true\n",
            )
        };
        if !written_after {
            option();
        }
        let mut bench = Bench::new(&tree, &signals);
        until_files_have_a_later_second();
        bench.k3s_starts_without_door();
        bench.says_its_arguments(Component::Kubelet);
        bench.is_ready();
        if written_after {
            until_files_have_a_later_second();
            option();
        }
        bench.begin();
        bench.until("settled", |bench| bench.agent.keeper.following.is_none());
        bench.quiet_minutes();
        let in_step = bench.agent.k3s.in_step;
        assert_eq!(in_step, (!written_after).then_some(true));
        bench.agent.full_pass(bench.now);
        let expected = match written_after {
            true => Verdict::Unknown,
            false => Verdict::Compliant,
        };
        assert_eq!(bench.verdict("protect-kernel-defaults"), expected);
    }
}

#[test]
fn a_restart_that_only_a_new_catalogue_wants_waits_for_the_next_start() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    tree.write(
        "etc/k3warden/catalogue.d/more.toml",
        "[[control]]\nid = \"more\"\ntitle = \"A flag\"\nwhy = \"To see what happens then.\"\nrole = \"server\"\n\
         [[control.argument]]\ncomponent = \"kubelet\"\nflag = \"event-burst\"\nrequire = { equals = \"55\" }\nset = \"55\"\n",
    );
    bench.agent.reload(bench.now);
    assert!(tree.drop_in().contains("event-burst=55"));
    bench.quiet_minutes();
    assert_eq!(bench.machine.restarts_asked(), 0);
    assert_eq!(bench.agent.k3s.waits_for, Some(WaitsFor::NextStart));
    let held = bench.agent.k3s.held.clone().unwrap();
    assert!(held.contains("new catalogue or package"), "{held}");

    // Drift on top of it is no business of the catalogue's.
    bench.reload(WITH_77_DAYS);
    bench.until("asked", |bench| bench.machine.restarts_asked() == 1);
}

#[test]
fn a_journal_that_does_not_answer_holds_up_no_pass() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.k3s_starts_without_door();
    bench.says(
        "time=\"2026-11-23T10:00:00Z\" level=info msg=\"Running kube-apiserver --audit-log-maxage=5\"",
    );
    bench.machine.set(|inside| inside.journal_hangs = true);
    bench.begin();
    // The thread of the follower asks, and hangs.
    bench.now += Duration::from_secs(5);
    let end = Instant::now() + PATIENCE;
    while bench.machine.0.lock().unwrap().journal_read == 0 {
        bench.agent.on_k3s_due(bench.now);
        // While a thread of ours is not run yet, no time passes for the daemon.
        if bench.agent.keeper.is_waiting() {
            std::thread::sleep(Duration::from_millis(1));
        } else {
            bench.now += Duration::from_secs(1);
        }
        assert!(Instant::now() < end);
    }
    let server = tree.path("var/lib/rancher/k3s/server");
    std::fs::set_permissions(&server, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    bench.agent.full_pass(bench.now);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&server).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700, "repaired while the journal hangs");
    assert_eq!(
        bench.machine.0.lock().unwrap().journal_read,
        1,
        "no pass asked it"
    );
    assert_eq!(bench.verdict("audit-log-retention"), Verdict::Unknown);

    bench.machine.set(|inside| inside.journal_hangs = false);
    bench.until("heard", |bench| {
        matches!(&*bench.agent.ground.running, Running::Started(started) if started.arguments.is_ok())
    });
    bench.agent.full_pass(bench.now);
    assert_eq!(
        bench.verdict("audit-log-retention"),
        Verdict::Divergent,
        "the running one keeps logs for five days"
    );
}
