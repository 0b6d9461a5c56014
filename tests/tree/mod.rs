//! Whole hosts as directories, from a few lines of text: `mode owner type path`, as `find` prints them.
//!
//! ```text
//! 755 root:root d /etc/rancher/k3s
//! 644 root:root f /etc/rancher/k3s/config.yaml
//! | token: secret
//! 777 root:root l /var/lib/rancher -> /data/rancher
//! ```
//! Lines after `|` are a file's content. Types: `d`, `f`, `l` link, `h` hard link to another path, `p` FIFO, `s` socket,
//! `c` character device.
//! Owners other than root can only be given by root; in a run without privilege they are ours like everything else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What k3warden keeps for itself is no part of the host that it changes.
const OWN_STATE: &str = "/var/lib/k3warden";

/// The K3s of every case that is not about its release.
pub const VERSION: [&str; 2] = ["--k3s-version", "1.36.3"];

/// The content of a server's unit.
pub const SERVER_UNIT: &str = "[Service]\nExecStart=/usr/local/bin/k3s server\n";

/// Our lines for K3s's configuration.
pub const DROP_IN: &str = "/etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml";

/// A host in a directory, gone with the test.
pub struct Tree {
    directory: tempfile::TempDir,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    pub mode: u32,
    pub owner: String,
    pub kind: char,
    /// A file's content, a link's target.
    pub content: Vec<u8>,
    /// Of a file's content, in nanoseconds.
    pub modified: i128,
}

pub type Snapshot = BTreeMap<String, Item>;

/// How a command ended.
#[derive(Debug, Default)]
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }

    /// All that it printed.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The verdict of the first control of a report, and its findings as text.
    pub fn verdict(&self) -> (String, String) {
        let control = &self.json()["controls"][0];
        let verdict = control["verdict"].as_str().unwrap().to_owned();
        (verdict, control["findings"].to_string())
    }
}

impl Tree {
    pub fn new() -> Self {
        let tree = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        set_mode(tree.path(), 0o755);
        tree
    }

    pub fn of(text: &str) -> Self {
        let tree = Self::new();
        tree.add(text);
        tree
    }

    /// The same once more, k3warden's own state included.
    pub fn copy(&self) -> Self {
        let copy = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        let all = format!("{}/.", self.path().display());
        let copied = Command::new("cp")
            .arg("-a")
            .arg(all)
            .arg(copy.path())
            .status()
            .unwrap();
        assert!(copied.success());
        copy
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.path().join(path.trim_start_matches('/'))
    }

    /// Writes a file that others may read, and the directories on the way to it.
    pub fn write(&self, path: &str, text: &str) {
        let place = self.at(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    /// What a file says; nothing where there is none.
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.at(path)).unwrap_or_default()
    }

    /// Our lines for K3s's configuration; nothing where there are none.
    pub fn lines(&self) -> String {
        self.text(DROP_IN)
    }

    /// Fails unless our lines for K3s's configuration have these words.
    #[track_caller]
    pub fn assert_writes(&self, words: &str) {
        let lines = self.lines();
        assert!(lines.contains(words), "{words} is not in: {lines}");
    }

    /// Fails if our lines for K3s's configuration have these words.
    #[track_caller]
    pub fn assert_leaves_out(&self, words: &str) {
        let lines = self.lines();
        assert!(!lines.contains(words), "{words} is in: {lines}");
    }

    /// The permission bits of what stands there.
    pub fn mode(&self, path: &str) -> u32 {
        let found = fs::symlink_metadata(self.at(path)).unwrap();
        found.permissions().mode() & 0o7777
    }

    /// Builds what the lines describe. Modes are set last, so that a directory that nobody may enter can be filled.
    pub fn add(&self, text: &str) {
        let lines: Vec<&str> = text.lines().collect();
        let mut modes = Vec::new();
        let mut index = 0;
        while index < lines.len() {
            let line = lines[index];
            index += 1;
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let mut words = line.splitn(4, ' ');
            let mut word = || words.next().unwrap_or_else(|| panic!("{line}"));
            let (mode, owner, kind, rest) = (word(), word(), word(), word());
            let (path, target) = rest.split_once(" -> ").unwrap_or((rest, ""));
            let place = self.at(path);
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            match kind {
                "d" => fs::create_dir_all(&place).unwrap(),
                "l" => symlink(target, &place).unwrap(),
                "h" => fs::hard_link(self.at(target), &place)
                    .unwrap_or_else(|error| panic!("{line}: {error}")),
                "s" => drop(std::os::unix::net::UnixListener::bind(&place).unwrap()),
                // 0:0 is the one device that the kernel lets anybody make: a whiteout of overlayfs.
                "c" => {
                    let (kind, mode) = (
                        nix::sys::stat::SFlag::S_IFCHR,
                        nix::sys::stat::Mode::S_IRUSR,
                    );
                    nix::sys::stat::mknod(&place, kind, mode, 0).unwrap();
                }
                "p" => nix::unistd::mkfifo(&place, nix::sys::stat::Mode::S_IRUSR).unwrap(),
                "f" => {
                    let mut content = String::new();
                    while index < lines.len() && lines[index].starts_with('|') {
                        let text = &lines[index][1..];
                        content.push_str(text.strip_prefix(' ').unwrap_or(text));
                        content.push('\n');
                        index += 1;
                    }
                    fs::write(&place, content).unwrap();
                }
                _ => panic!("{line}"),
            }
            give(&place, owner);
            if kind != "l" && kind != "h" {
                modes.push((place, u32::from_str_radix(mode, 8).unwrap()));
            }
        }
        for (place, mode) in modes.into_iter().rev() {
            set_mode(&place, mode);
        }
    }

    /// Every path below, k3warden's own state left out.
    pub fn snapshot(&self) -> Snapshot {
        let mut items = Snapshot::new();
        self.take(self.path(), "", &mut items);
        items
    }

    fn take(&self, place: &Path, path: &str, items: &mut Snapshot) {
        let mut entries: Vec<_> = fs::read_dir(place).unwrap().map(Result::unwrap).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = format!("{path}/{}", entry.file_name().to_string_lossy());
            if path == OWN_STATE {
                continue;
            }
            let metadata = entry.metadata().unwrap();
            let kind = match metadata.mode() & 0o170_000 {
                0o040_000 => 'd',
                0o120_000 => 'l',
                0o010_000 => 'p',
                0o140_000 => 's',
                0o020_000 => 'c',
                _ => 'f',
            };
            let content = match kind {
                'f' => fs::read(entry.path()).unwrap(),
                'l' => fs::read_link(entry.path())
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes(),
                _ => Vec::new(),
            };
            items.insert(
                path.clone(),
                Item {
                    mode: metadata.mode() & 0o7777,
                    owner: owner_name(&metadata),
                    kind,
                    content,
                    modified: if kind == 'f' {
                        i128::from(metadata.mtime()) * 1_000_000_000
                            + i128::from(metadata.mtime_nsec())
                    } else {
                        0
                    },
                },
            );
            if kind == 'd' {
                self.take(&entry.path(), &path, items);
            }
        }
    }

    /// Runs k3warden on this tree.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with(arguments, &[])
    }

    /// The same with variables in its environment. Where it is the door of a start, as systemd comes to it again and again:
    /// on a machine with too much to do the limit of ten seconds may end it early, and the next start goes on from there.
    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Answer {
        const LATE: &str = "k3warden: this took ten seconds, so K3s starts with what is there\n";
        let mut said = Answer::default();
        for _ in 0..10 {
            let mut command = Command::new(env!("CARGO_BIN_EXE_k3warden"));
            command.arg("--root").arg(self.path()).args(arguments);
            let variables = variables.iter().copied();
            let next = answer(command.env_clear().envs(variables));
            said.code = next.code;
            said.stdout += &next.stdout;
            said.stderr += &next.stderr.replace(LATE, "");
            if !next.stderr.contains(LATE) {
                return said;
            }
        }
        panic!("the door never comes to its end: {said:?}");
    }

    /// Runs k3warden as on a node with that K3s; nothing waits until a disk has what was written.
    pub fn with_k3s(&self, version: &str, command: &[&str]) -> Answer {
        self.run(&[&["--k3s-version", version, "--no-sync"], command].concat())
    }

    /// The same with the K3s of every case that is not about its release.
    pub fn k3warden(&self, command: &[&str]) -> Answer {
        self.with_k3s(VERSION[1], command)
    }
}

pub fn answer(command: &mut Command) -> Answer {
    let output = command.output().unwrap();
    Answer {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Two trees alike in names, kinds, contents, owners and bits. Times of contents too, below `unmoved`.
pub fn difference(before: &Snapshot, after: &Snapshot, unmoved: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, old) in before {
        match after.get(path) {
            None => lines.push(format!("- {path}")),
            Some(new) => {
                let same = (old.mode, &old.owner, old.kind, &old.content)
                    == (new.mode, &new.owner, new.kind, &new.content);
                if !same {
                    lines.push(format!("~ {}", shown(path, old, new)));
                } else if path.starts_with(unmoved) && old.modified != new.modified {
                    lines.push(format!("! {path} has a new time"));
                }
            }
        }
    }
    for (path, new) in after {
        if !before.contains_key(path) {
            lines.push(format!("+ {}", shown(path, new, new)));
        }
    }
    lines.sort_by(|one, other| one[2..].cmp(&other[2..]));
    lines
}

/// A line of the text form; of a content that did not change nothing is said.
fn shown(path: &str, old: &Item, new: &Item) -> String {
    let Item {
        mode,
        owner,
        kind,
        content,
        ..
    } = new;
    let mut line = format!("{mode:o} {owner} {kind} {path}");
    if *kind == 'l' {
        line.push_str(&format!(" -> {}", String::from_utf8_lossy(content)));
    }
    if *kind == 'f' && (std::ptr::eq(old, new) || old.content != *content) {
        for text in String::from_utf8_lossy(content).lines() {
            line.push_str(&format!("\n| {text}"));
        }
    }
    line
}

pub fn set_mode(place: &Path, mode: u32) {
    fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
}

fn give(place: &Path, owner: &str) {
    if owner != "root:root" && nix::unistd::geteuid().is_root() {
        let (user, group) = owner.split_once(':').unwrap();
        let id = |name: &str| {
            if name == "root" {
                0
            } else {
                name.parse().unwrap()
            }
        };
        lchown(place, Some(id(user)), Some(id(group))).unwrap();
    }
}

/// Who owns the tree is root there.
fn owner_name(metadata: &fs::Metadata) -> String {
    let (uid, gid) = (
        nix::unistd::geteuid().as_raw(),
        nix::unistd::getegid().as_raw(),
    );
    let name = |id: u32, root: u32| {
        if id == root {
            "root".to_owned()
        } else {
            id.to_string()
        }
    };
    format!(
        "{}:{}",
        name(metadata.uid(), uid),
        name(metadata.gid(), gid)
    )
}
