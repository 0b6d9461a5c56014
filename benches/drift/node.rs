//! A node in the arena, and the daemon on it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub const SERVER: &str = "/var/lib/rancher/k3s/server";
/// Kernel parameters of a network namespace that change nothing else when they are set.
const KEYS: [&str; 18] = [
    "accept_redirects",
    "secure_redirects",
    "shared_media",
    "send_redirects",
    "accept_source_route",
    "proxy_arp",
    "arp_filter",
    "arp_ignore",
    "arp_announce",
    "arp_notify",
    "arp_accept",
    "log_martians",
    "bootp_relay",
    "medium_id",
    "tag",
    "src_valid_mark",
    "promote_secondaries",
    "disable_policy",
];
/// Not ours here: the machine's own, which the arena mounts read-only.
const OFF: [&str; 6] = [
    "vm-overcommit-memory",
    "vm-panic-on-oom",
    "kernel-panic",
    "kernel-panic-on-oops",
    "kernel-keys-root-maxkeys",
    "kernel-keys-root-maxbytes",
];

/// Names of the kernel parameters, for the daemon (two interfaces) and for whoever else repairs (`all`).
pub fn keys(interfaces: &[&str]) -> Vec<PathBuf> {
    let of = |interface: &&str| {
        let directory = Path::new("/proc/sys/net/ipv4/conf").join(interface);
        KEYS.map(|key| directory.join(key))
    };
    interfaces.iter().flat_map(of).collect()
}

/// Files with bits that are to be held, in a directory.
pub fn files(directory: &Path, count: usize) -> Vec<PathBuf> {
    fs::create_dir_all(directory).unwrap();
    let file = |number| {
        let path = directory.join(format!("file-{number}"));
        if !path.exists() {
            fs::write(&path, "K3s's own").unwrap();
        }
        set_mode(&path, 0o600);
        path
    };
    (0..count).map(file).collect()
}

pub fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).map_or(0, |found| found.permissions().mode() & 0o7777)
}

/// The daemon, ended with this.
pub struct Daemon {
    child: Child,
    /// From its start until it has said that it is ready.
    pub started_in: Duration,
}

impl Daemon {
    /// Starts it on a server with so many files of K3s's own.
    pub fn start(managed: usize) -> Self {
        write_node(managed);
        Self::launch()
    }

    /// Ends it and starts it again on the same node. What it has repaired before does not count any more.
    pub fn begin_anew(&mut self) {
        self.end();
        *self = Self::launch();
    }

    fn launch() -> Self {
        let _ = fs::remove_file("/run/notify");
        let socket = UnixDatagram::bind("/run/notify").unwrap();
        let start = Instant::now();
        let child = Command::new("/bench/k3warden")
            .arg("watch")
            .env("NOTIFY_SOCKET", "/run/notify")
            .stdin(Stdio::null())
            .stderr(fs::File::create("/var/daemon.log").unwrap())
            .spawn()
            .unwrap();
        let mut buffer = [0; 4096];
        loop {
            let length = socket.recv(&mut buffer).unwrap();
            let text = String::from_utf8_lossy(buffer.get(..length).unwrap()).into_owned();
            if text.lines().any(|line| line == "READY=1") {
                break;
            }
        }
        let started_in = start.elapsed();
        // Somebody must read what it says, as systemd does.
        std::thread::spawn(move || while socket.recv(&mut buffer).is_ok() {});
        // What the first pass asked to be looked at once more.
        std::thread::sleep(Duration::from_secs(1));
        Self { child, started_in }
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// A number of a file of the process in /proc, by the word that its line begins with.
    pub fn number(&self, file: &str, word: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/{file}", self.pid())).unwrap();
        let line = text.lines().find(|line| line.starts_with(word)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Processor time so far.
    pub fn cpu(&self) -> Duration {
        let text = fs::read_to_string(format!("/proc/{}/schedstat", self.pid())).unwrap();
        Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

fn write_node(managed: usize) {
    let _ = fs::remove_dir_all(format!("{SERVER}/bench"));
    files(&Path::new(SERVER).join("bench"), managed);
    for directory in [SERVER.to_owned(), format!("{SERVER}/bench")] {
        set_mode(Path::new(&directory), 0o700);
    }
    let mut policy = "role = \"server\"\nk3s_version = \"1.36.3\"\nnew_cluster = true\n".to_owned();
    for control in OFF {
        policy.push_str(&format!("[control.{control}]\nstate = \"off\"\n"));
    }
    let mut catalogue = control("bench-modes");
    catalogue.push_str(
        "[[control.permissions]]\npath = \"{data_dir}/server/bench/*\"\nmode = \"0600\"\n",
    );
    catalogue.push_str(&control("bench-values"));
    for key in keys(&["lo", "default"]) {
        let name = key.strip_prefix("/proc/sys").unwrap().display();
        let value = fs::read_to_string(&key).unwrap();
        catalogue.push_str(&format!(
            "[[control.sysctl]]\nkey = \"{name}\"\nvalue = \"{}\"\n",
            value.trim()
        ));
    }
    fs::create_dir_all("/etc/k3warden/catalogue.d").unwrap();
    fs::write("/etc/k3warden/config.toml", policy).unwrap();
    fs::write("/etc/k3warden/catalogue.d/bench.toml", catalogue).unwrap();
    fs::write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n").unwrap();
}

fn control(id: &str) -> String {
    format!(
        "[[control]]\nid = \"{id}\"\ntitle = \"A benchmark\"\nwhy = \"To measure.\"\nrole = \"any\"\n"
    )
}
