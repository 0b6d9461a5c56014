//! Who sets a kernel parameter to another value, as far as files and the processes of the moment tell.
//!
//! inotify tells no pid, a writer such as `sysctl -w` is gone before anybody could look for it, and fanotify, which would
//! tell, needs `CAP_SYS_ADMIN`; that is more than all the rest of the sandbox gives up. What can be seen is whoever is still
//! there: tuned, and a program or script that has the parameter on its command line. Looked for once a fight.

use std::path::Path;

use crate::host::sysctl::same_value;
use crate::host::{NextBoot, Root, SysctlKey};

const TUNED_ACTIVE: &str = "/etc/tuned/active_profile";
const TUNED_PROFILES: [&str; 4] = [
    "/etc/tuned/profiles",
    "/etc/tuned",
    "/usr/lib/tuned/profiles",
    "/usr/lib/tuned",
];
const LIMIT_BYTES: u64 = 256 << 10;
const PROCESSES: &str = "/proc";
/// A command line is seldom longer, and a machine has seldom more processes.
const COMMAND_LIMIT_BYTES: u64 = 32 << 10;
const PROCESS_LIMIT: usize = 4096;

/// Who asks for a value of a key: the file and line in sysctl.d, `/etc/sysctl.conf` or the active tuned profile, else a process
/// that is still there.
#[must_use]
pub fn of_value(root: &Root, key: &SysctlKey, value: &str) -> Option<String> {
    if let Some(file) = in_sysctl_d(root, key, value) {
        return Some(file);
    }
    if let Some(profile) = in_tuned(root, key, value) {
        let tuned = process(root, |words| {
            words.iter().any(|word| program(word) == "tuned")
        });
        return Some(match tuned {
            Some((pid, _)) => format!("{profile} (process {pid})"),
            None => profile,
        });
    }
    let spellings = [key.to_string(), key.as_str().to_owned()];
    let names_it = |words: &[&str]| {
        words
            .iter()
            .any(|word| spellings.iter().any(|key| names(word, key)))
    };
    let (pid, program) = process(root, names_it)?;
    Some(format!(
        "process {pid} ({program}), whose command line names it,"
    ))
}

/// The first process with such a command line, and its program. Its arguments can hold secrets and are told to nobody.
fn process(root: &Root, is_it: impl Fn(&[&str]) -> bool) -> Option<(u32, String)> {
    let names = root.names(Path::new(PROCESSES)).ok()??;
    let ours = std::process::id();
    let pids = names
        .iter()
        .filter_map(|name| name.to_str()?.parse::<u32>().ok());
    let others = pids.filter(|pid| *pid != ours).take(PROCESS_LIMIT);
    let look = |pid: u32| {
        let path = Path::new(PROCESSES).join(pid.to_string()).join("cmdline");
        let line = root.read(&path, COMMAND_LIMIT_BYTES).ok()??;
        let line = String::from_utf8_lossy(&line);
        let words: Vec<&str> = line.split('\0').collect();
        let shown = program(words.first()?)
            .chars()
            .filter(|char| !char.is_control());
        is_it(&words).then(|| (pid, shown.take(64).collect()))
    };
    { others }.find_map(look)
}

/// Whether a word holds a key, and not one that only begins or ends with it.
fn names(word: &str, key: &str) -> bool {
    let is_part = |char: char| char.is_ascii_alphanumeric() || char == '_';
    word.match_indices(key).any(|(at, _)| {
        let before = word.get(..at).and_then(|before| before.chars().next_back());
        let after = word
            .get(at + key.len()..)
            .and_then(|after| after.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn in_sysctl_d(root: &Root, key: &SysctlKey, value: &str) -> Option<String> {
    let next_boot = NextBoot::read(root).ok()?;
    let says_so = |said: Option<&str>| said.is_some_and(|said| same_value(said, value));
    let statement = next_boot
        .all(key)
        .into_iter()
        .find(|statement| says_so(statement.value()));
    match statement {
        Some(statement) => Some(statement.path().display().to_string()),
        None => next_boot
            .sysctl_conf_warning(key)
            .map(|_| "/etc/sysctl.conf".to_owned()),
    }
}

fn in_tuned(root: &Root, key: &SysctlKey, value: &str) -> Option<String> {
    let active = root.read(Path::new(TUNED_ACTIVE), LIMIT_BYTES).ok()??;
    let active = String::from_utf8_lossy(&active).into_owned();
    for profile in active.split_ascii_whitespace() {
        for directory in TUNED_PROFILES {
            let path = Path::new(directory).join(profile).join("tuned.conf");
            let Ok(Some(text)) = root.read(&path, LIMIT_BYTES) else {
                continue;
            };
            let text = String::from_utf8_lossy(&text).into_owned();
            for (number, line) in text.lines().enumerate() {
                if sets(line, key, value) {
                    return Some(format!("tuned profile {}:{}", path.display(), number + 1));
                }
            }
        }
    }
    None
}

fn sets(line: &str, key: &SysctlKey, value: &str) -> bool {
    let Some((name, said)) = line.split_once('=') else {
        return false;
    };
    // `vm.swappiness=>10` in tuned means "at least".
    let said = said.trim().trim_start_matches(['>', '<']);
    SysctlKey::parse(name.trim()).is_ok_and(|name| name == *key) && same_value(said, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_asks_for_the_value_is_named() {
        let kept = tempfile::tempdir().unwrap();
        let root = Root::open(kept.path()).unwrap();
        let key = SysctlKey::parse("vm.overcommit_memory").unwrap();
        assert_eq!(of_value(&root, &key, "2"), None);
        let write = |path: &str, text: &str| {
            let path = kept.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("etc/tuned/active_profile", "nope db\n");
        write(
            "usr/lib/tuned/db/tuned.conf",
            "[sysctl]\nvm.overcommit_memory = 2\n",
        );
        assert_eq!(
            of_value(&root, &key, "2").as_deref(),
            Some("tuned profile /usr/lib/tuned/db/tuned.conf:2")
        );
        write("etc/sysctl.d/50-db.conf", "vm/overcommit_memory=2\n");
        assert_eq!(
            of_value(&root, &key, "2").as_deref(),
            Some("/etc/sysctl.d/50-db.conf")
        );
        assert_eq!(of_value(&root, &key, "0"), None);
    }

    #[test]
    fn a_process_that_is_still_there_is_named_without_its_arguments() {
        let kept = tempfile::tempdir().unwrap();
        let root = Root::open(kept.path()).unwrap();
        let key = SysctlKey::parse("vm.overcommit_memory").unwrap();
        let write = |path: &str, text: &str| {
            let path = kept.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let who = || of_value(&root, &key, "2");
        write("proc/self/cmdline", "vm.overcommit_memory");
        write("proc/7/cmdline", "");
        write(
            "proc/8/cmdline",
            "sysctl\0-w\0vm.overcommit_memory_other=2\0",
        );
        write(
            &format!("proc/{}/cmdline", std::process::id()),
            "k3warden\0vm.overcommit_memory\0",
        );
        assert_eq!(who(), None);
        write(
            "proc/812/cmdline",
            "/usr/bin/python3\0/usr/sbin/tuned\0-l\0",
        );
        write(
            "proc/90/cmdline",
            "/bin/sh\0-c\0while sysctl -w vm.overcommit_memory=2 --token=x; do :; done\0",
        );
        let expected = "process 90 (sh), whose command line names it,";
        assert_eq!(who().as_deref(), Some(expected));
        write("etc/tuned/active_profile", "db\n");
        write(
            "usr/lib/tuned/db/tuned.conf",
            "[sysctl]\nvm.overcommit_memory = 2\n",
        );
        let expected = "tuned profile /usr/lib/tuned/db/tuned.conf:2 (process 812)";
        assert_eq!(who().as_deref(), Some(expected));
    }
}
