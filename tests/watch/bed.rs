//! A tree that is a node, and the daemon on it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub const K3WARDEN: &str = env!("CARGO_BIN_EXE_k3warden");
pub const SERVER: &str = "var/lib/rancher/k3s/server";
/// Far beyond what any repair takes, also on a machine that is busy with other tests, and far below the five minutes after
/// which the daemon would look at everything without an event.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// With this a directory stands for the running machine.
const TEST_BED: &str = "K3WARDEN_TEST_BED";
/// After it is right nothing more may happen for so long.
const QUIET: Duration = Duration::from_millis(300);

pub struct Bed {
    kept: tempfile::TempDir,
    /// What the daemon tells systemd. Somebody must read it, as systemd does: the sender waits.
    notified: Mutex<Receiver<String>>,
    daemon: Option<Child>,
    /// A shell that sets limits and then becomes the daemon.
    pub before: &'static str,
}

impl Bed {
    /// A server without K3s, before its first start.
    pub fn new() -> Self {
        let kept = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(kept.path().join("notify")).unwrap();
        let (sender, notified) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if sender.send(text).is_err() {
                    return;
                }
            }
        });
        let bed = Self {
            kept,
            notified: Mutex::new(notified),
            daemon: None,
            before: "",
        };
        fs::create_dir(bed.tree()).unwrap();
        bed.policy("");
        bed
    }

    /// The same with the daemon on it, and some of K3s's files.
    pub fn started() -> Self {
        let mut bed = Self::new();
        bed.k3s_files();
        bed.start();
        bed
    }

    pub fn k3s_files(&self) {
        for (path, mode) in [
            ("tls/client-ca.key", 0o600),
            ("tls/client-ca.crt", 0o644),
            ("token", 0o600),
        ] {
            self.write(&format!("{SERVER}/{path}"), "k3s's own", mode);
        }
        for directory in [SERVER.to_owned(), format!("{SERVER}/tls")] {
            self.chmod(&directory, 0o700);
        }
    }

    pub fn tree(&self) -> PathBuf {
        self.kept.path().join("tree")
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.tree().join(path)
    }

    pub fn write(&self, path: &str, text: &str, mode: u32) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn chmod(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub fn mode(&self, path: &str) -> u32 {
        fs::symlink_metadata(self.path(path))
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    }

    pub fn policy(&self, more: &str) {
        let text = format!("role = \"server\"\nk3s_version = \"1.31.2\"\n{more}");
        self.write("etc/k3warden/config.toml", &text, 0o600);
    }

    pub fn start(&mut self) {
        let stderr = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.kept.path().join("stderr"))
            .unwrap();
        let mut command = if self.before.is_empty() {
            let mut command = Command::new(K3WARDEN);
            command
                .args(["watch", "--no-sync", "--root"])
                .arg(self.tree());
            command
        } else {
            let mut command = Command::new("unshare");
            let line = format!("{}; exec \"$0\" watch --no-sync --root \"$1\"", self.before);
            command.args(["--user", "--map-root-user", "sh", "-c", &line, K3WARDEN]);
            command.arg(self.tree());
            command
        };
        let child = command
            .env("NOTIFY_SOCKET", self.kept.path().join("notify"))
            .env("WATCHDOG_USEC", "200000")
            .env(TEST_BED, "1")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        self.daemon = Some(child);
        self.notified("READY=1");
    }

    /// Waits until the daemon has told systemd so.
    pub fn notified(&self, what: &str) -> String {
        let notified = self.notified.lock().unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let received = notified.recv_timeout(left);
            let text = received.unwrap_or_else(|_| panic!("no {what}: {}", self.told()));
            if text.lines().any(|line| line.starts_with(what)) {
                return text;
            }
        }
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.daemon.as_ref().unwrap().id()).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Ends the daemon by a signal; its exit status.
    pub fn end(&mut self, signal: Signal) -> Option<i32> {
        self.signal(signal);
        self.daemon.take().unwrap().wait().unwrap().code()
    }

    pub fn is_running(&mut self) -> bool {
        self.daemon.as_mut().unwrap().try_wait().unwrap().is_none()
    }

    /// What the daemon has said to the journal.
    pub fn told(&self) -> String {
        fs::read_to_string(self.kept.path().join("stderr")).unwrap_or_default()
    }

    /// Waits until it has said so.
    pub fn hears(&self, what: &str) {
        self.waits(what, || self.told().contains(what));
    }

    pub fn waits(&self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < PATIENCE, "{what}: {}", self.told());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Runs a command of ours on the tree.
    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = Command::new(K3WARDEN)
            .args(arguments)
            .env(TEST_BED, "1")
            .arg("--root")
            .arg(self.tree())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.code(), text)
    }

    /// Waits until there is nothing left to change and nothing more happens; then the ledger has to verify.
    pub fn is_right_again(&self, when: &str) {
        self.waits(when, || self.run(&["diff"]).0 == Some(0));
        std::thread::sleep(QUIET);
        let (code, text) = self.run(&["diff"]);
        assert_eq!(code, Some(0), "{when}: {text}");
        let (code, text) = self.run(&["ledger", "--verify"]);
        assert_eq!(code, Some(0), "{when}: {text}");
    }

    /// How often one path was changed.
    pub fn changes_of(&self, path: &str) -> usize {
        self.times_of(path).len()
    }

    /// When one path was changed. A change that several controls ask for is one line for each, with one time.
    pub fn times_of(&self, path: &str) -> BTreeSet<Timestamp> {
        let ledger = self.path("var/lib/k3warden/ledger.jsonl");
        let needle = format!("\"thing\":{{\"path\":\"/{path}\"}}");
        let text = fs::read_to_string(ledger).unwrap_or_default();
        let times = text
            .lines()
            .filter(|line| line.contains(&needle))
            .filter_map(|line| {
                let (_, rest) = line.split_once("\"time\":\"")?;
                rest.split('"').next()?.parse().ok()
            });
        times.collect()
    }

    /// Lines of the ledger.
    pub fn changes(&self) -> usize {
        let ledger = self.path("var/lib/k3warden/ledger.jsonl");
        fs::read_to_string(ledger)
            .unwrap_or_default()
            .lines()
            .count()
    }

    /// Whether the sentence for systemd has these words.
    pub fn says(&self, words: &str) -> bool {
        self.status()["sentence"].as_str().unwrap().contains(words)
    }

    pub fn status(&self) -> serde_json::Value {
        let text = fs::read_to_string(self.path("run/k3warden/status.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}
