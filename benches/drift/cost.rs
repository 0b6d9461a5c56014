//! What the daemon costs: idle, under writes that do not concern it, and with many paths.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::Asked;
use super::node::{self, Daemon, SERVER};

pub fn idle(asked: &Asked) {
    let daemon = Daemon::start(20);
    std::thread::sleep(Duration::from_secs(3));
    let turns = |daemon: &Daemon| {
        daemon.number("status", "voluntary_ctxt_switches")
            + daemon.number("status", "nonvoluntary_ctxt_switches")
    };
    let (cpu, before) = (daemon.cpu(), turns(&daemon));
    std::thread::sleep(Duration::from_secs(asked.seconds));
    println!(
        "idle for {} s: {} context switches, {:.2} ms of processor time, RSS {} KiB, PSS {} KiB, of it anonymous {} KiB",
        asked.seconds,
        turns(&daemon) - before,
        (daemon.cpu() - cpu).as_secs_f64() * 1000.0,
        daemon.number("smaps_rollup", "Rss:"),
        daemon.number("smaps_rollup", "Pss:"),
        daemon.number("smaps_rollup", "Anonymous:"),
    );
}

/// A thousand writes each second to files that nobody holds, in directories that are watched.
pub fn churn() {
    let daemon = Daemon::start(20);
    let names: Vec<PathBuf> = [
        format!("{SERVER}/manifests"),
        SERVER.to_owned(),
        "/etc/sysctl.d".to_owned(),
    ]
    .iter()
    .flat_map(|directory| {
        (0..7)
            .map(|n| Path::new(directory).join(format!("noise-{n}")))
            .collect::<Vec<_>>()
    })
    .collect();
    let (start, cpu) = (Instant::now(), daemon.cpu());
    let mut writes = 0_u32;
    while start.elapsed() < Duration::from_secs(20) {
        fs::write(&names[writes as usize % names.len()], "x").unwrap();
        writes += 1;
        let due = start + Duration::from_millis(1) * writes;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let took = start.elapsed().as_secs_f64();
    println!(
        "churn: {:.0} writes/s to names that nobody holds cost {:.2} % of a core",
        f64::from(writes) / took,
        (daemon.cpu() - cpu).as_secs_f64() / took * 100.0
    );
    names.iter().for_each(|name| drop(fs::remove_file(name)));
}

pub fn scale() {
    println!(
        "{:>14}{:>12}{:>22}{:>14}",
        "managed paths", "start ms", "processor us/event", "RSS KiB"
    );
    for managed in [10, 100, 1000, 10_000] {
        let daemon = Daemon::start(managed);
        let cpu = daemon.cpu();
        const EVENTS: u32 = 200;
        for number in 0..EVENTS {
            let path = format!("{SERVER}/bench/file-{}", number as usize % managed);
            node::set_mode(Path::new(&path), 0o600);
            std::thread::sleep(Duration::from_millis(25));
        }
        println!(
            "{managed:>14}{:>12.1}{:>22.1}{:>14}",
            daemon.started_in.as_secs_f64() * 1000.0,
            (daemon.cpu() - cpu).as_secs_f64() * 1e6 / f64::from(EVENTS),
            daemon.number("smaps_rollup", "Rss:"),
        );
    }
}
