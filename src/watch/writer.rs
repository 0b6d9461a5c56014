//! Who sets a kernel parameter to another value, as far as files tell.
//!
//! Never a process: inotify tells no pid, a writer such as `sysctl -w` is gone before anybody could look for it, and
//! fanotify, which would tell, needs `CAP_SYS_ADMIN`; that is more than all the rest of the sandbox gives up.

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

/// The file and line that ask for a value of a key: sysctl.d, `/etc/sysctl.conf` or the active tuned profile.
#[must_use]
pub fn of_value(root: &Root, key: &SysctlKey, value: &str) -> Option<String> {
    in_sysctl_d(root, key, value).or_else(|| in_tuned(root, key, value))
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
}
