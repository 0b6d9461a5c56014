//! What is seen without an event, and what is looked at again.

use super::bench::*;
use super::machine::Inside;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::watch::index::Concern;
use crate::watch::signals::Signals;
use crate::watch::stale::Rebuild;

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

/// No door has recorded whose cluster it is, and there are moments without a key.
#[test]
fn a_first_start_without_a_door_goes_on_encrypting_what_the_daemon_saw_begin() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    let encrypts = || tree.drop_in().contains("secrets-encryption: true");
    assert!(encrypts(), "{}", tree.drop_in());
    bench.k3s_starts_without_door();
    tree.write("var/lib/rancher/k3s/server/db/state.db", "");
    bench.agent.look_at_all(bench.now);
    assert!(encrypts(), "{}", tree.drop_in());
}

/// The daemon was there before K3s's unit: what is to begin is looked at when the unit comes.
#[test]
fn what_begins_is_noted_when_the_unit_comes() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let unit = "etc/systemd/system/k3s.service";
    let text = std::fs::read_to_string(tree.path(unit)).unwrap();
    std::fs::remove_file(tree.path(unit)).unwrap();
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    tree.write(unit, &text);
    bench.agent.look_at_all(bench.now);
    bench.k3s_starts_without_door();
    tree.write("var/lib/rancher/k3s/server/db/state.db", "");
    bench.agent.look_at_all(bench.now);
    let drop_in = tree.drop_in();
    assert!(drop_in.contains("secrets-encryption: true"), "{drop_in}");
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
