//! Lost events, no watches, no instance, sudden death.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::bed::{Bed, SERVER};

const TOKEN: &str = "var/lib/rancher/k3s/server/token";
const AUDIT: &str = "var/lib/rancher/k3s/server/audit.yaml";

/// How often the daemon has gone to sleep, which is how often something woke it.
fn sleeps(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn an_overflow_loses_nothing() {
    let bed = Bed::started();
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    bed.signal(Signal::SIGSTOP);
    // Two names in turn, so that the kernel cannot merge equal events.
    let server = bed.path(SERVER);
    fs::write(server.join("noise-0"), "").unwrap();
    for number in 0..limit {
        let (from, to) = (number % 2, 1 - number % 2);
        fs::rename(
            server.join(format!("noise-{from}")),
            server.join(format!("noise-{to}")),
        )
        .unwrap();
    }
    bed.chmod(TOKEN, 0o666);
    fs::write(bed.path(AUDIT), "wrong").unwrap();
    bed.signal(Signal::SIGCONT);
    bed.hears("dropped events");
    bed.is_right_again("overflow");
    assert_eq!(bed.mode(TOKEN), 0o600);
}

#[test]
fn a_storm_of_unrelated_events_ends_right() {
    let bed = Bed::started();
    let server = bed.path(SERVER);
    // By their number: how many there are in some time is up to the machine.
    for number in 1..=5000 {
        fs::write(server.join(format!("noise-{}", number % 7)), "x").unwrap();
        if number % 500 == 0 {
            bed.chmod(TOKEN, 0o666);
            bed.waits("in the storm", || bed.mode(TOKEN) == 0o600);
        }
    }
    bed.is_right_again("storm");
}

#[test]
fn it_is_idle_when_nothing_happens_and_after_its_own_writes() {
    let bed = Bed::started();
    bed.chmod(TOKEN, 0o666);
    bed.is_right_again("chmod");
    // The watchdog of the bed is fed ten times a second; the rest is what a page not in memory may cost. Processor time
    // would also measure what else the machine does, and a busy machine makes two seconds longer. Once in three is
    // enough: a daemon that is not idle is so in none.
    let is_idle = || {
        let (changes, before, start) = (bed.changes(), sleeps(bed.pid()), Instant::now());
        std::thread::sleep(Duration::from_secs(2));
        let slept = sleeps(bed.pid()) - before;
        assert_eq!(bed.changes(), changes);
        eprintln!("{slept} times in {:?}", start.elapsed());
        Duration::from_millis(66 * slept) <= start.elapsed()
    };
    assert!((0..3).any(|_| is_idle()));
}

/// Limits of one user namespace: what other programs of this machine watch is not touched.
#[test]
fn without_inotify_it_polls_and_goes_back_when_it_can() {
    for (limit, before) in [
        (
            "max_inotify_instances",
            "echo 0 > /proc/sys/user/max_inotify_instances",
        ),
        (
            "max_inotify_watches",
            "echo 3 > /proc/sys/user/max_inotify_watches",
        ),
    ] {
        let mut bed = Bed::new();
        bed.policy("sysctl_interval = \"1s\"\n");
        bed.k3s_files();
        bed.before = before;
        bed.start();
        bed.hears("inotify is exhausted");
        bed.chmod(TOKEN, 0o666);
        bed.waits("polled", || bed.mode(TOKEN) == 0o600);
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(
            bed.told().matches("inotify is exhausted").count(),
            1,
            "{}",
            bed.told()
        );
        assert!(bed.status()["polling"].is_string());
        assert!(bed.says("; polling instead of watching"));
        let raised = std::process::Command::new("nsenter")
            .args([
                "--user",
                "--preserve-credentials",
                "--target",
                &bed.pid().to_string(),
            ])
            .args(["sh", "-c", &format!("echo 1000 > /proc/sys/user/{limit}")])
            .status()
            .unwrap();
        assert!(raised.success());
        bed.hears("watching by events again");
        bed.waits("said", || !bed.says("polling"));
        bed.chmod(TOKEN, 0o666);
        bed.waits("by events", || bed.mode(TOKEN) == 0o600);
        bed.is_right_again(limit);
    }
}

#[test]
fn killed_at_any_time_it_carries_on_where_it_was() {
    let mut bed = Bed::started();
    let mut state = 12345_u64;
    for round in 0..25 {
        // A small generator of our own, so that a failing run can be repeated.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        bed.chmod(TOKEN, 0o666);
        fs::write(bed.path(AUDIT), format!("wrong {round}")).unwrap();
        let _ = fs::remove_dir_all(bed.path(&format!("{SERVER}/logs")));
        std::thread::sleep(Duration::from_micros(state >> 50));
        let _ = bed.end(Signal::SIGKILL);
        bed.start();
        bed.waits("right", || bed.mode(TOKEN) == 0o600);
    }
    bed.is_right_again("killed");
    let leftovers = fs::read_dir(bed.path(SERVER)).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with(".k3warden-")
    });
    assert_eq!(leftovers.count(), 0);
}
