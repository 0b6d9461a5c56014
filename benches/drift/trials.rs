//! Drift to repair: one thing at a time is perturbed, at a random moment, and looked at until it is right again.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::bare::CONTENT;
use super::node::{self, Daemon, SERVER};
use super::{Asked, peers};

/// Longer than any of the pollers needs. What is not right by then never is.
const PATIENCE: Duration = Duration::from_secs(20);
/// One thing is not perturbed so often that the daemon takes it for a fight and leaves it alone (`src/watch/contention.rs`):
/// that is ten times in a row within 2 s of each other ...
const AGAIN: Duration = Duration::from_millis(2500);
/// ... or more than 48 times at whatever distance within this benchmark. The daemon begins anew before that.
const OF_ONE_THING: usize = 40;

/// How long a thing is looked at without a pause: what takes longer is measured to some 80 us.
const SPINNING: Duration = Duration::from_millis(1);

/// One that repairs, the things that it holds, and how long each repair took.
struct Contestant {
    name: String,
    things: Vec<PathBuf>,
    last: Vec<Instant>,
    took: Vec<Duration>,
    never: usize,
}

impl Contestant {
    fn new(name: &str, things: Vec<PathBuf>) -> Self {
        let past = Instant::now() - AGAIN;
        Self {
            name: name.to_owned(),
            last: vec![past; things.len()],
            things,
            took: Vec::new(),
            never: 0,
        }
    }

    fn trial(&mut self, number: usize, perturb: impl Fn(&Path), is_right: impl Fn(&Path) -> bool) {
        let place = number % self.things.len();
        let rest = AGAIN.saturating_sub(self.last[place].elapsed());
        std::thread::sleep(rest.max(Duration::from_micros(3000 + random() % 5000)));
        let thing = &self.things[place];
        let start = Instant::now();
        perturb(thing);
        while !is_right(thing) {
            if start.elapsed() > PATIENCE {
                self.never += 1;
                return;
            }
            // Under a real-time policy a spinning reader keeps its processor from the kernel's own threads, the journal's
            // among them, and then measures itself: every repair that waits for them would end just after the spinning.
            if start.elapsed() > SPINNING {
                std::thread::sleep(Duration::from_micros(20));
            } else {
                std::thread::yield_now();
            }
        }
        self.took.push(start.elapsed());
        self.last[place] = Instant::now();
    }

    fn print(&mut self, kind: &str, floor: Option<Duration>) -> Duration {
        self.took.sort();
        let at = |share: f64| {
            let place = (self.took.len() as f64 * share) as usize;
            let last = self.took.len().saturating_sub(1);
            self.took.get(place.min(last)).copied().unwrap_or_default()
        };
        let micros = |took: Duration| took.as_nanos() as f64 / 1000.0;
        let median = at(0.5);
        let ratio = floor.map_or(1.0, |floor| micros(median) / micros(floor));
        println!(
            "{kind:<22}{:<10}{:>8}{:>12.1}{:>12.1}{:>12.1}{:>7}{:>8.2}",
            self.name,
            self.took.len() + self.never,
            micros(median),
            micros(at(0.95)),
            micros(at(0.99)),
            self.never,
            ratio
        );
        median
    }
}

/// A small generator of our own: 0 to 2^31.
fn random() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static STATE: AtomicU64 = AtomicU64::new(12345);
    let next = STATE
        .load(Ordering::Relaxed)
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1);
    STATE.store(next, Ordering::Relaxed);
    next >> 33
}

struct Bare(Child);

impl Bare {
    fn start(kind: &str, directory: &Path) -> Self {
        let child = Command::new("/bench/drift")
            .args(["bare", kind])
            .arg(directory)
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(300));
        Self(child)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn latency(asked: &Asked) {
    println!(
        "{:<22}{:<10}{:>8}{:>12}{:>12}{:>12}{:>7}{:>8}",
        "microseconds", "", "trials", "p50", "p95", "p99", "never", "p50/bare"
    );
    // Enough files that each is touched a few times only, as on a node.
    let held = (asked.trials / 5).max(20);
    let mut daemon = Daemon::start(held);
    modes(asked, &daemon, held);
    values(asked, &mut daemon);
    contents(asked, &mut daemon);
}

fn modes(asked: &Asked, daemon: &Daemon, held: usize) {
    let bare = Path::new("/peers/bare-modes");
    let mut floor = Contestant::new("bare", node::files(bare, held));
    let ours = Path::new(SERVER).join("bench");
    let ours: Vec<PathBuf> = (0..held).map(|n| ours.join(format!("file-{n}"))).collect();
    let _running = Bare::start("modes", bare);
    let is_right = |path: &Path| node::mode(path) == 0o600;
    let loosen = |path: &Path| node::set_mode(path, 0o666);

    // What was there before our first touch of a thing is synced before the repair.
    let mut first = Contestant::new("k3warden", ours.clone());
    for number in 0..held {
        first.trial(number, loosen, is_right);
    }
    let mut again = Contestant::new("k3warden", ours.clone());
    let before = daemon.cpu();
    for number in 0..asked.trials {
        floor.trial(number, loosen, is_right);
        again.trial(number, loosen, is_right);
    }
    let used = daemon.cpu() - before;
    let median = floor.print("chmod", None);
    again.print("chmod", Some(median));
    first.print("chmod, first touch", Some(median));
    println!(
        "processor time of k3warden for one repair: {:.1} us",
        used.as_nanos() as f64 / 1000.0 / asked.trials as f64
    );
    // Each alone: the loop that incron makes of its own chmod would disturb everybody else's trials.
    for (start, trials) in [
        (peers::incron as fn() -> Option<peers::Peer>, 100),
        (peers::monit, 10),
    ] {
        let Some(peer) = start() else { continue };
        let mut contestant = Contestant::new(peer.name, peer.files.clone());
        for number in 0..trials {
            contestant.trial(number, loosen, is_right);
        }
        contestant.print("chmod", Some(median));
    }

    let mut given = Contestant::new("k3warden", ours);
    let owner = |path: &Path| chown(path, Some(1234), Some(1234)).unwrap();
    let is_roots = |path: &Path| {
        use std::os::unix::fs::MetadataExt;
        fs::symlink_metadata(path).is_ok_and(|found| found.uid() == 0 && found.gid() == 0)
    };
    for number in 0..asked.trials / 4 {
        given.trial(number, owner, is_roots);
    }
    given.print("chown", Some(median));
}

fn values(asked: &Asked, daemon: &mut Daemon) {
    let bare = node::keys(&["all"]);
    let _running = Bare::start("values", Path::new("/proc/sys/net/ipv4/conf/all"));
    let mut floor = Contestant::new("bare", bare);
    let mut ours = Contestant::new("k3warden", node::keys(&["lo", "default"]));
    let all: Vec<PathBuf> = floor.things.iter().chain(&ours.things).cloned().collect();
    let right: Vec<(PathBuf, String)> = all
        .into_iter()
        .map(|key| (key.clone(), fs::read_to_string(key).unwrap()))
        .collect();
    let value = |path: &Path| {
        right
            .iter()
            .find(|(key, _)| key == path)
            .map(|(_, value)| value.clone())
            .unwrap()
    };
    let is_right = |path: &Path| fs::read_to_string(path).unwrap() == value(path);
    let other = |path: &Path| {
        let other = if value(path).trim() == "1" { "0" } else { "1" };
        fs::write(path, other).unwrap();
    };
    for number in 0..asked.trials {
        if number % (OF_ONE_THING * ours.things.len()) == 0 {
            daemon.begin_anew();
        }
        floor.trial(number, other, is_right);
        ours.trial(number, other, is_right);
    }
    let median = floor.print("live value", None);
    ours.print("live value", Some(median));
}

/// A name and what it does to a file.
type Kind<'a> = (&'a str, &'a dyn Fn(&Path));

fn contents(asked: &Asked, daemon: &mut Daemon) {
    let directory = Path::new("/peers/bare-contents");
    let mine = node::files(directory, 12);
    for path in &mine {
        fs::write(path, CONTENT).unwrap();
    }
    let ours: Vec<PathBuf> = fs::read_dir(format!("{SERVER}/manifests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .chain([PathBuf::from(format!("{SERVER}/audit.yaml"))])
        .collect();
    let _running = Bare::start("contents", directory);
    let right: Vec<(PathBuf, Vec<u8>)> = mine
        .iter()
        .chain(&ours)
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    let is_right = |path: &Path| {
        let wanted = right.iter().find(|(known, _)| known == path);
        fs::read(path).is_ok_and(|found| wanted.is_some_and(|(_, wanted)| found == *wanted))
    };
    let write = |path: &Path| fs::write(path, "other: content\n").unwrap();
    let replace = |path: &Path| {
        let new = Path::new("/var/lib/rancher/k3s/server/.bench");
        fs::write(new, "other: content\n").unwrap();
        fs::rename(new, path).unwrap();
    };
    let unlink = |path: &Path| fs::remove_file(path).unwrap();
    let kinds: [Kind<'_>; 3] = [
        ("write", &write),
        ("rename over", &replace),
        ("unlink", &unlink),
    ];
    for (kind, perturb) in kinds {
        let mut floor = Contestant::new("bare", mine.clone());
        let mut contestant = Contestant::new("k3warden", ours.clone());
        for number in 0..asked.trials / 10 {
            if number % (OF_ONE_THING * ours.len()) == 0 {
                daemon.begin_anew();
            }
            floor.trial(number, perturb, is_right);
            contestant.trial(number, perturb, is_right);
        }
        let median = floor.print(kind, None);
        contestant.print(kind, Some(median));
    }
}
