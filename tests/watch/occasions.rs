//! What makes the daemon do something else than repair.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::signal::Signal;

use super::bed::{Bed, SERVER, exists};

const TOKEN: &str = "var/lib/rancher/k3s/server/token";

#[test]
fn it_feeds_the_watchdog_says_what_it_does_and_ends_when_asked() {
    let mut bed = Bed::started();
    bed.notified("WATCHDOG=1");
    bed.chmod(TOKEN, 0o666);
    let status = bed.notified("STATUS=");
    assert!(status.contains("controls hold"), "{status}");
    assert_eq!(bed.end(Signal::SIGTERM), Some(0));
    assert!(bed.told().contains("asked to end"));
}

/// The sentence would say for five minutes that the last repair was a second ago.
#[test]
fn what_it_says_of_the_last_repair_gets_older_though_nothing_happens() {
    let mut bed = Bed::new();
    // Without a key of K3s's this one does not hold here, is looked at in each round, and all is published then.
    bed.policy("sysctl_interval = \"1s\"\n[control.secrets-encryption]\nstate = \"off\"\n");
    bed.k3s_files();
    bed.start();
    bed.is_right_again("start");
    assert_eq!(bed.end(Signal::SIGTERM), Some(0));
    let mut status = bed.status();
    status["last_repair"]["at"] = (Timestamp::now().as_second() - 3595).into();
    bed.write("run/k3warden/status.json", &status.to_string(), 0o644);
    bed.start();
    bed.waits("an hour", || {
        let status = bed.status();
        let sentence = status["sentence"].as_str();
        sentence.is_some_and(|sentence| sentence.contains("last repair 1 h ago"))
    });
}

#[test]
fn a_reload_takes_a_new_policy_and_refuses_a_wrong_one() {
    let mut bed = Bed::started();
    bed.policy("mode = \"observ\"\n");
    bed.signal(Signal::SIGHUP);
    let reloading = bed.notified("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    bed.notified("READY=1");
    bed.hears("config.toml");
    bed.chmod(TOKEN, 0o666);
    bed.waits("the old policy stands", || bed.mode(TOKEN) == 0o600);
    assert!(bed.status()["refused_policy"].is_string());
    assert!(bed.says("; new policy refused, the old one in force"));
    bed.policy("mode = \"observe\"\n");
    bed.signal(Signal::SIGHUP);
    bed.notified("RELOADING=1");
    bed.notified("READY=1");
    bed.chmod(TOKEN, 0o666);
    bed.hears("only observes");
    assert_eq!(bed.mode(TOKEN), 0o666);
    assert!(bed.status()["refused_policy"].is_null());
    assert!(!bed.says("refused"));
    assert!(bed.is_running());
}

#[test]
fn a_ledger_that_is_changed_under_the_daemon_is_told_of_and_repairs_go_on() {
    let bed = Bed::started();
    bed.chmod(TOKEN, 0o666);
    bed.waits("repaired", || bed.mode(TOKEN) == 0o600);
    let ledger = bed.path("var/lib/k3warden/ledger.jsonl");
    let text = fs::read_to_string(&ledger).unwrap();
    std::thread::sleep(Duration::from_millis(30));
    fs::write(&ledger, text.replacen("join-tokens", "join-tokenz", 1)).unwrap();
    bed.signal(Signal::SIGHUP);
    bed.hears("ledger.jsonl");
    bed.chmod(TOKEN, 0o666);
    bed.waits("repaired", || bed.mode(TOKEN) == 0o600);
}

#[test]
fn an_exception_that_is_over_is_enforced_again_at_the_next_start() {
    let mut bed = Bed::new();
    bed.k3s_files();
    bed.chmod(TOKEN, 0o666);
    let exception = |day: &str| {
        format!(
            "[[exception]]\ncontrol = \"join-tokens\"\nreason = \"r\"\nowner = \"o\"\nexpires = {day}\n"
        )
    };
    bed.policy(&exception("2999-01-31"));
    bed.start();
    assert_eq!(bed.mode(TOKEN), 0o666);
    let (_, text) = bed.run(&["status"]);
    assert!(text.contains("1 excepted until 2999-01-31"), "{text}");
    bed.policy(&exception("2001-01-31"));
    bed.signal(Signal::SIGHUP);
    bed.waits("enforced", || bed.mode(TOKEN) == 0o600);
}

#[test]
fn a_pause_and_the_kill_switch_stop_repairs_and_their_end_makes_up_for_it() {
    let bed = Bed::started();
    let (code, text) = bed.run(&["pause", "--for", "2h", "--reason", "new disk"]);
    assert_eq!(code, Some(0), "{text}");
    bed.hears("paused: new disk");
    bed.chmod(TOKEN, 0o666);
    bed.hears("token is 0666");
    assert_eq!(bed.mode(TOKEN), 0o666);
    bed.waits("status", || {
        bed.status()["suspended"]["reason"] == "paused: new disk"
    });
    let (code, text) = bed.run(&["status"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("no repairs: paused: new disk; ends by itself in "),
        "{text}"
    );
    assert_eq!(bed.run(&["pause", "--end"]).0, Some(0));
    bed.waits("repaired", || bed.mode(TOKEN) == 0o600);
    bed.write("etc/k3warden/disabled", "", 0o644);
    bed.hears("/etc/k3warden/disabled exists");
    bed.chmod(TOKEN, 0o666);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(bed.mode(TOKEN), 0o666);
    fs::remove_file(bed.path("etc/k3warden/disabled")).unwrap();
    bed.waits("repaired", || bed.mode(TOKEN) == 0o600);
}

#[test]
fn a_pause_ends_by_itself() {
    let mut bed = Bed::new();
    bed.policy("sysctl_interval = \"1s\"\n");
    bed.k3s_files();
    bed.start();
    // Long enough for the daemon to be seen in it: on a busy machine two seconds may be over before it has looked.
    let is_seen = |seconds: u32| {
        let length = format!("{seconds}s");
        let reason = format!("short, {seconds}");
        let (code, said) = bed.run(&["pause", "--for", &length, "--reason", &reason]);
        assert_eq!(code, Some(0), "{said}");
        bed.chmod(TOKEN, 0o666);
        bed.waits("repaired", || bed.mode(TOKEN) == 0o600);
        let told = bed.told();
        told.contains(&format!("paused: {reason}")) && told.contains("token is 0666")
    };
    let seen = [2, 8, 30].into_iter().find(|seconds| is_seen(*seconds));
    let seconds = seen.expect("a pause that is seen");
    bed.hears(&format!("over: paused: short, {seconds}"));
}

#[test]
fn what_appears_later_is_watched_from_its_first_moment() {
    let mut bed = Bed::new();
    bed.start();
    bed.write(&format!("{SERVER}/cred/admin.kubeconfig"), "x", 0o644);
    let cred = format!("{SERVER}/cred");
    let kubeconfig = format!("{SERVER}/cred/admin.kubeconfig");
    bed.waits("kubeconfig", || bed.mode(&kubeconfig) == 0o600);
    bed.waits("directory", || bed.mode(&cred) == 0o700);
    bed.write("etc/rancher/node/password", "x", 0o644);
    bed.waits("password", || {
        bed.mode("etc/rancher/node/password") == 0o600
    });
    for depth in ["usr/local/lib/sysctl.d", "run/sysctl.d"] {
        bed.write(&format!("{depth}/99-zz.conf"), "kernel.panic = 1\n", 0o644);
        bed.is_right_again(depth);
    }
}

#[test]
fn contention_is_told_once_and_the_rest_is_held() {
    let bed = Bed::started();
    // By the times in the ledger: how often it is undone in some time is up to the machine. The first time of being left
    // alone is a second, the next one two.
    let is_left_alone = || {
        let times: Vec<_> = bed.times_of(TOKEN).into_iter().collect();
        let gaps = times.windows(2).map(|pair| pair[1].duration_since(pair[0]));
        let gaps: Vec<_> = gaps.map(|gap| gap.as_millis()).collect();
        gaps.windows(2)
            .any(|pair| pair[0] >= 1000 && pair[1] >= 2000)
    };
    let mut undone = 0;
    while !is_left_alone() {
        bed.waits("repaired", || bed.mode(TOKEN) == 0o600);
        bed.chmod(TOKEN, 0o666);
        undone += 1;
        // Ten in a row, and as many again where this machine takes more than the two seconds that make a row.
        assert!(undone <= 40, "{}", bed.told());
    }
    assert!(undone >= 10, "{undone}: {}", bed.told());
    assert_eq!(bed.told().matches("keeps setting").count(), 1);
    let logs = format!("{SERVER}/logs");
    bed.chmod(&logs, 0o777);
    bed.waits("the rest", || bed.mode(&logs) == 0o700);
    bed.waits("taken up again", || bed.mode(TOKEN) == 0o600);
    bed.waits("status", || {
        bed.status()["contention"][0]["count"].as_u64() >= Some(10)
    });
}

#[test]
fn metrics_and_status_are_for_everyone_and_replaced_whole() {
    let mut bed = Bed::new();
    bed.k3s_files();
    fs::create_dir_all(bed.path("var/lib/node_exporter")).unwrap();
    bed.policy("metrics_file = \"/var/lib/node_exporter/k3warden.prom\"\n");
    bed.start();
    assert_eq!(bed.mode("run/k3warden/status.json"), 0o644);
    assert_eq!(bed.mode("run/k3warden"), 0o755);
    bed.chmod(TOKEN, 0o666);
    let metrics = bed.path("var/lib/node_exporter/k3warden.prom");
    bed.waits("metrics", || {
        let text = fs::read_to_string(&metrics).unwrap();
        text.contains("k3warden_repairs_total{control=\"join-tokens\"} 1\n")
            && text.contains(
                "k3warden_control_verdict{control=\"join-tokens\",verdict=\"compliant\"} 1\n",
            )
    });
    assert_eq!(bed.mode("var/lib/node_exporter/k3warden.prom"), 0o644);
    assert!(!exists(
        &bed.path("var/lib/node_exporter/k3warden.prom.tmp")
    ));
    // The counts outlive the daemon.
    assert_eq!(bed.end(Signal::SIGTERM), Some(0));
    let (code, text) = bed.run(&["status"]);
    assert_eq!(code, Some(2), "{text}");
    bed.start();
    let status = bed.status();
    let controls = status["controls"].as_array().unwrap();
    let tokens = controls
        .iter()
        .find(|control| control["id"] == "join-tokens")
        .unwrap();
    assert_eq!(tokens["repairs"], 1);
}

#[test]
fn the_files_of_a_network_that_is_made_later_are_held() {
    const NETWORKS: &str = "var/lib/cni/networks";
    let bed = Bed::started();
    let file = |network: &str| format!("{NETWORKS}/{network}/10.42.0.2");
    for network in ["cbr0", "multus-net"] {
        bed.write(&file(network), "", 0o666);
        bed.waits(network, || bed.mode(&file(network)) == 0o600);
    }
    std::thread::sleep(Duration::from_millis(300));
    for network in ["cbr0", "multus-net"] {
        bed.chmod(&file(network), 0o666);
        bed.waits(network, || bed.mode(&file(network)) == 0o600);
    }
    let lock = format!("{NETWORKS}/multus-net/lock");
    bed.write(&lock, "", 0o750);
    bed.write(&file("third"), "", 0o666);
    bed.waits("third", || bed.mode(&file("third")) == 0o600);
    assert_eq!(bed.mode(&lock), 0o750);
}

/// A list of ours that takes the place of the operator's hides nothing that he adds to his.
#[test]
fn a_list_in_the_place_of_the_operators_follows_his() {
    let config = "etc/rancher/k3s/config.yaml";
    let mut bed = Bed::new();
    bed.policy("control.always-admit.state = \"enforce\"\n");
    let weak = "kube-apiserver-arg:\n- enable-admission-plugins=AlwaysAdmit\n";
    bed.write(config, weak, 0o600);
    bed.start();
    let lines = || {
        let ours = bed.path("etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml");
        fs::read_to_string(ours).unwrap_or_default()
    };
    assert!(lines().contains("kube-apiserver-arg: # always-admit"));
    bed.write(config, &format!("{weak}- event-ttl=2h\n"), 0o600);
    bed.waits("what he adds", || {
        lines().contains("- 'event-ttl=2h' # from-your-list")
    });
    bed.write(config, "kube-apiserver-arg: [event-ttl=2h]\n", 0o600);
    bed.waits("his list again", || !lines().contains("from-your-list"));
}

/// The next full pass is five minutes away, and the boot may come before it.
#[test]
fn a_line_for_the_next_boot_that_k3s_does_not_start_with_is_told_of_when_it_is_written() {
    let mut bed = Bed::new();
    bed.policy(
        "[[exception]]\ncontrol = \"vm-overcommit-memory\"\nreason = \"r\"\nowner = \"o\"\nexpires = 2099-01-01\n",
    );
    bed.write(
        "etc/rancher/k3s/config.yaml",
        "protect-kernel-defaults: true\n",
        0o600,
    );
    let sysctl = "usr/lib/sysctl.d/99-operator.conf";
    bed.write(sysctl, "vm.overcommit_memory = 1\n", 0o644);
    bed.start();
    // The passes that the start asks for are over.
    bed.is_right_again("started");
    assert!(!bed.told().contains("K3s does not start"), "{}", bed.told());
    bed.write(sysctl, "vm.overcommit_memory = 2\n", 0o644);
    let text =
        "K3s does not start after the next boot, which does not set vm.overcommit_memory to 1";
    bed.hears(text);
    bed.waits("published", || bed.run(&["status"]).1.contains(text));
}
