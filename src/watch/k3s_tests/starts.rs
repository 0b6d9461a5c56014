//! Starts of K3s, what they prove, and what is seen without an event.

use super::bench::*;
use super::machine::Inside;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::host::records::Found;
use crate::host::systemd::ActiveState;
use crate::k3s::component::Component;
use crate::reconcile::Verdict;
use crate::reconcile::restart::proof::LastGood;
use crate::report::event::Kind;
use crate::report::status::WaitsFor;
use crate::setting::Running;
use crate::watch::index::Concern;
use crate::watch::signals::Signals;
use crate::watch::stale::Rebuild;

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
    let second = Duration::from_millis(1100);
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
        std::thread::sleep(second);
        bench.k3s_starts_without_door();
        bench.says_its_arguments(Component::Kubelet);
        bench.is_ready();
        if written_after {
            std::thread::sleep(second);
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
        bench.now += Duration::from_secs(1);
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

/// While polling, and after events that the kernel dropped, nobody says that K3s started or what it is made of now.
#[test]
fn a_start_and_another_unit_are_seen_without_an_event() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    let before = bench.agent.keeper.seen.clone();
    bench.k3s_starts_without_door();
    tree.write(
        "etc/edge/k3s.env",
        "K3S_CONFIG_FILE=/etc/edge/config.yaml\n",
    );
    tree.write(
        "etc/systemd/system/k3s.service",
        "[Service]\nEnvironmentFile=/etc/edge/k3s.env\nExecStart=/usr/local/bin/k3s server\n",
    );
    bench.agent.look_at_all(bench.now);
    assert_ne!(bench.agent.keeper.seen, before);
    let config = PathBuf::from("/etc/edge/config.yaml");
    assert_eq!(bench.agent.ground.node.places.config_file, config);
}

/// Whatever somebody is writing into the policy: K3s is upgraded all the same.
#[test]
fn the_node_is_looked_at_anew_also_while_the_policy_is_wrong() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    tree.policy("nonsense = 1\n");
    tree.write(
        "etc/systemd/system/k3s.service",
        "[Service]\nExecStart=/usr/local/bin/k3s server --data-dir /srv/k3s\n",
    );
    bench.agent.on_k3s_inputs_changed(bench.now);
    let data_dir = PathBuf::from("/srv/k3s");
    assert_eq!(bench.agent.ground.node.places.data_dir, data_dir);
}

#[test]
fn what_a_reload_turns_off_is_given_back_if_the_policy_says_so() {
    let (tree, signals) = (
        Tree::server("new_cluster = true\n"),
        Signals::catch().unwrap(),
    );
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    let manifest = tree.path("var/lib/rancher/k3s/server/manifests/k3warden-netpol-default.yaml");
    let off = "[control.network-policy-default]\nstate = \"off\"\n";
    assert!(manifest.exists());
    bench.reload(&format!("new_cluster = true\n{off}"));
    assert!(manifest.exists());
    bench.reload(&format!(
        "new_cluster = true\non_disable = \"revert\"\n{off}"
    ));
    assert!(!manifest.exists());
}

/// No directory of a file that an argument names is watched, nor is what lies behind a link.
#[test]
fn what_raises_no_event_is_asked_for_at_each_full_pass() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    tree.write("etc/edge/tokens.yaml", "one\n");
    tree.write(
        "etc/rancher/k3s/config.yaml",
        "kube-apiserver-arg: [\"authentication-config=/etc/edge/tokens.yaml\"]\n",
    );
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    bench.agent.look_at_all(bench.now);
    bench.quiet_minutes();
    assert_eq!(bench.agent.keeper.judge, None);
    tree.write("etc/edge/tokens.yaml", "two\n");
    bench.agent.look_at_all(bench.now);
    bench.until("out of step", |bench| {
        bench.agent.k3s.in_step == Some(false)
    });
}

/// The clock may be set, and a machine may sleep: a timer of hours that was set before knows nothing of it.
#[test]
fn a_window_that_is_far_away_is_looked_for_again_at_each_full_pass() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let opens = (jiff::Zoned::now().hour() + 12) % 24;
    let rules =
        format!("restart = {{ mode = \"window\", windows = [\"{opens:02}:00-{opens:02}:50\"] }}\n");
    tree.policy(&rules);
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    bench.reload(&format!("{rules}{WITH_77_DAYS}"));
    bench.until("held", |bench| bench.agent.k3s.held.is_some());
    bench.passes(Duration::from_secs(6));
    let judged = bench.agent.keeper.judge.unwrap();
    let interval = bench.agent.ground.policy.full_pass_interval.value;
    assert!(judged <= bench.now + interval, "{:?}", bench.agent.k3s.held);
    assert_eq!(bench.machine.restarts_asked(), 0);
}

/// The daemon that wrote a drop-in died before systemd had read it.
#[test]
fn a_drop_in_of_ours_that_systemd_has_not_read_is_read_at_the_next_start() {
    for (file, reloads) in [("50-paths.conf", 1), ("10-operator.conf", 0)] {
        let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
        let directory = "etc/systemd/system/k3warden.service.d";
        tree.write(&format!("{directory}/{file}"), "[Service]\n");
        let mut bench = Bench::new(&tree, &signals);
        let set = |inside: &mut Inside| inside.own.need_daemon_reload = true;
        bench.machine.set(set);
        bench.begin();
        bench.quiet_minutes();
        let found = bench.machine.0.lock().unwrap().reloads;
        assert_eq!(
            found, reloads,
            "{file}: once, though systemd goes on saying so"
        );
    }
}

#[test]
fn a_reload_that_was_asked_for_before_a_write_has_not_read_it() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    let (at, reads_unit) = (bench.now, true);
    bench.agent.due.rebuild = Some(Rebuild {
        at,
        reads_unit,
        is_held: false,
    });
    let due = |bench: &Bench<'_>| bench.agent.due.rebuild.as_ref().and_then(Rebuild::due);
    bench.agent.keeper.reload_units_at(bench.now);
    bench.agent.on_units_reloaded(Ok(()), bench.now);
    assert_eq!(due(&bench), None);
    bench.agent.keeper.reload_units = None;
    bench.agent.on_units_reloaded(Ok(()), bench.now);
    assert_eq!(due(&bench), Some(at));
}

#[test]
fn changes_that_never_end_hold_a_restart_for_a_while_and_not_for_ever() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    bench.reload(WITH_77_DAYS);
    let mut asked_after = None;
    for second in 0..300 {
        bench.agent.reads_differ(bench.now);
        bench.passes(Duration::from_secs(1));
        if bench.machine.restarts_asked() > 0 {
            asked_after.get_or_insert(second);
        }
    }
    assert!(
        asked_after.is_some_and(|second| second > 30),
        "{asked_after:?}"
    );
}

/// systemd.unit(5), "Unit File Load Path".
#[test]
fn a_unit_is_watched_wherever_systemd_reads_it() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let bench = Bench::new(&tree, &signals);
    for (directory, name) in [
        ("/run/systemd/transient", "k3s.service"),
        ("/etc/systemd/system.control/k3s.service.d", "50-x.conf"),
        ("/run/systemd/generator/k3s.service.d", "50-x.conf"),
        ("/etc/systemd/system/service.d", "50-x.conf"),
        ("/usr/lib/systemd/system/service.d", "50-x.conf"),
        ("/usr/lib/systemd/system", "k3s-agent.service"),
    ] {
        let mut concerns = bench
            .agent
            .index
            .of_name(std::path::Path::new(directory), name.as_ref());
        assert_eq!(
            concerns.next(),
            Some(Concern::K3sInputs),
            "{directory}/{name}"
        );
    }
}

#[test]
fn what_waits_to_be_judged_goes_on_waiting_beside_another_repair() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    let server = tree.path("var/lib/rancher/k3s/server");
    std::fs::set_permissions(&server, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let waits = [0].into();
    bench.agent.due.settle = Some((bench.now, waits));
    let count = bench.agent.ground.catalogue.controls().len();
    bench.agent.settle(&(1..count).collect(), bench.now);
    let (_, controls) = bench.agent.due.settle.as_ref().unwrap();
    assert!(controls.contains(&0) && controls.len() > 1, "{controls:?}");
}

#[test]
fn a_configuration_that_is_a_link_is_heard_of_where_it_lies() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    tree.write("data/site.yaml", "debug: true\n");
    tree.write("etc/rancher/k3s/registries.yaml", "");
    let link = tree.path("etc/rancher/k3s/config.yaml");
    std::os::unix::fs::symlink("/data/site.yaml", link).unwrap();
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    let name = std::ffi::OsStr::new("site.yaml");
    let mut concerns = bench.agent.index.of_name(Path::new("/data"), name);
    assert!(concerns.any(|concern| concern == Concern::K3sInputs));
}
