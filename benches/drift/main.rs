//! How soon drift is repaired, and what watching for it costs. A program that measures, no test.
//!
//! `cargo bench --bench drift -- [latency|idle|churn|scale]... [--trials N] [--seconds N]`, as root. Without a word all four
//! run. The daemon is the release build, or the one that `K3WARDEN_BIN` names. It runs for real, as on a machine, but in
//! namespaces of its own on a root of its own (`arena.sh`): nothing of this machine is changed.
//!
//! Beside the daemon, in the same run and in turn with it, the same drift is repaired by a bare inotify loop that knows one
//! thing only, and by incron and monit where they are installed or unpacked below `BENCH_PEERS`.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a program for developers that fails by saying so"
)]

mod bare;
mod cost;
mod node;
mod peers;
mod trials;

use std::path::{Path, PathBuf};
use std::process::Command;

const INSIDE: &str = "K3WARDEN_BENCH_INSIDE";
const PARTS: [&str; 4] = ["latency", "idle", "churn", "scale"];

/// What is asked for on the command line.
#[derive(Debug)]
pub struct Asked {
    parts: Vec<String>,
    /// Trials of each kind of mutation that need no sync; a quarter of it of the others.
    pub trials: usize,
    /// How long idleness is looked at.
    pub seconds: u64,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.first().is_some_and(|word| word == "bare") {
        bare::run(words.get(1).unwrap(), Path::new(words.get(2).unwrap()));
    }
    let asked = read(&words);
    if std::env::var_os(INSIDE).is_none() {
        std::process::exit(enter(&words));
    }
    for part in &asked.parts {
        match part.as_str() {
            "latency" => trials::latency(&asked),
            "idle" => cost::idle(&asked),
            "churn" => cost::churn(),
            _ => cost::scale(),
        }
    }
}

fn read(words: &[String]) -> Asked {
    let mut asked = Asked {
        parts: Vec::new(),
        trials: 2000,
        seconds: 600,
    };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            // Cargo's own.
            "--bench" => {}
            "--trials" => asked.trials = words.next().unwrap().parse().unwrap(),
            "--seconds" => asked.seconds = words.next().unwrap().parse().unwrap(),
            part if PARTS.contains(&part) => asked.parts.push(part.to_owned()),
            other => panic!("there is no `{other}`; there are {PARTS:?}, --trials and --seconds"),
        }
    }
    if asked.parts.is_empty() {
        asked.parts = PARTS.map(str::to_owned).to_vec();
    }
    asked
}

/// Runs ourselves again in the arena; the exit status of that.
fn enter(words: &[String]) -> i32 {
    let kept = tempfile::Builder::new()
        .prefix("k3warden-bench-")
        .tempdir_in(std::env::var_os("TMPDIR").unwrap_or_else(|| "/var/tmp".into()))
        .unwrap();
    let programs = kept.path().join("programs");
    let root = kept.path().join("root");
    std::fs::create_dir_all(&programs).unwrap();
    std::fs::create_dir_all(&root).unwrap();
    let ours = std::env::current_exe().unwrap();
    let daemon = std::env::var_os("K3WARDEN_BIN").map_or_else(
        || PathBuf::from(env!("CARGO_BIN_EXE_k3warden")),
        PathBuf::from,
    );
    std::fs::copy(&ours, programs.join("drift")).unwrap();
    std::fs::copy(&daemon, programs.join("k3warden")).unwrap();
    peers::collect(&programs);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/drift/arena.sh");
    let status = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "sh"])
        .arg(script)
        .arg(&root)
        .arg("/bench/drift")
        .args(words)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("BENCH_PROGRAMS", &programs)
        .env(INSIDE, "1")
        .status()
        .unwrap();
    status.code().unwrap_or(1)
}
