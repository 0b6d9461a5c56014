//! systemd itself is the oracle for what a boot sets.
//!
//! Some hundred layouts of sysctl.d are made, `systemd-sysctl` runs over each, and every value that it wrote is compared
//! with our answer. It runs as in a boot but in a root of its own, by chroot(2), where `/proc/sys` is a directory of
//! plain files and no procfs is mounted: there is no way from there to the kernel of this machine.
//!
//! Needs root (chroot) and Debian's `systemd`. Where that cannot be had, `K3WARDEN_ORACLE=skip` says so knowingly.
//! `K3WARDEN_ORACLE_SYSTEM=DIR` takes another version from a directory with `systemd-sysctl`, its libraries and its
//! loader as `ld.so`.

// Helpers of a test fail as the test does; clippy knows only functions marked #[test].
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod dice;
#[path = "sysctl_next_boot/layouts.rs"]
mod layouts;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use k3warden::host::Root;
use k3warden::host::sysctl::{NextBoot, SysctlKey, last_sorting_name};
use layouts::{CANARY, KEYS, UNTOUCHED, write_layout};

const LAYOUTS: u64 = 300;

#[test]
fn the_next_boot_is_what_systemd_makes_of_it() {
    let work = tempfile::tempdir().unwrap();
    let Some(oracle) = Oracle::prepare(work.path()) else {
        return;
    };
    let split_lib = oracle.reads_lib();
    let mut wrong = Vec::new();
    for seed in 1..=LAYOUTS {
        let case = work.path().join(format!("layout-{seed}"));
        write_layout(&case, seed, split_lib);
        let root = Root::open(&case).unwrap();
        let next_boot = NextBoot::read(&root).unwrap();
        oracle.boot(&case);
        for key in KEYS {
            let said = next_boot.assignment(&SysctlKey::parse(key).unwrap());
            let ours = said.map_or(UNTOUCHED, |assignment| &assignment.value);
            let systemd = value(&case, key);
            if ours != systemd {
                let place = said.map(|assignment| assignment.place());
                wrong.push(format!(
                    "layout {seed}, {key}: systemd {systemd:?}, we {ours:?} from {place:?}"
                ));
            }
        }
        fs::remove_dir_all(&case).unwrap();
    }
    assert!(
        wrong.is_empty(),
        "{} answers differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn a_file_with_the_last_sorting_name_wins_in_every_layout() {
    let work = tempfile::tempdir().unwrap();
    let Some(oracle) = Oracle::prepare(work.path()) else {
        return;
    };
    for seed in 1..=40 {
        let case = work.path().join(format!("layout-{seed}"));
        write_layout(&case, seed, false);
        let root = Root::open(&case).unwrap();
        let name = last_sorting_name(NextBoot::read(&root).unwrap().names()).unwrap();
        let lines: String = KEYS.iter().map(|key| format!("{key} = ours\n")).collect();
        fs::create_dir_all(case.join("etc/sysctl.d")).unwrap();
        fs::write(case.join("etc/sysctl.d").join(&name), lines).unwrap();
        let next_boot = NextBoot::read(&root).unwrap();
        assert!(!next_boot.is_masked(OsStr::new(&name)));
        oracle.boot(&case);
        for key in KEYS {
            let said = next_boot
                .assignment(&SysctlKey::parse(key).unwrap())
                .unwrap();
            assert_eq!(said.value, "ours", "layout {seed}, {key}");
            assert_eq!(value(&case, key), "ours", "layout {seed}, {key}");
        }
    }
}

/// The first line: systemd writes a value over what is there without truncating, as the kernel's files need.
fn value(case: &Path, key: &str) -> String {
    let content = fs::read(case.join("proc/sys").join(key)).unwrap();
    let first = content.split(|byte| *byte == b'\n').next().unwrap();
    String::from_utf8_lossy(first).into_owned()
}

/// systemd-sysctl with everything that it needs to run in an empty root.
struct Oracle {
    system: PathBuf,
}

impl Oracle {
    /// `None` only where skipping was asked for.
    fn prepare(work: &Path) -> Option<Self> {
        if std::env::var_os("K3WARDEN_ORACLE").is_some_and(|value| value == "skip") {
            eprintln!("NOT RUN: K3WARDEN_ORACLE=skip; nothing was compared with systemd");
            return None;
        }
        let system = work.join("system");
        match std::env::var_os("K3WARDEN_ORACLE_SYSTEM") {
            Some(directory) => copy_all(Path::new(&directory), &system),
            None => copy_installed(&system),
        }
        Some(Self { system })
    }

    /// Runs what a boot runs.
    fn boot(&self, case: &Path) {
        let inside = case.join("system");
        fs::rename(&self.system, &inside).unwrap();
        // The plain files must be on the case's own file system, and no procfs anywhere in it.
        let device = |path: &Path| fs::metadata(path).unwrap().dev();
        assert_eq!(device(&case.join("proc/sys/kernel")), device(case));
        assert!(!case.join("proc/self").exists());
        let output = Command::new("chroot")
            .arg(case)
            .args([
                "/system/ld.so",
                "--library-path",
                "/system",
                "/system/systemd-sysctl",
            ])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("SYSTEMD_LOG_LEVEL", "warning")
            .output()
            .expect("chroot is needed: install coreutils, or set K3WARDEN_ORACLE=skip knowingly");
        fs::rename(&inside, &self.system).unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            value(case, CANARY),
            "ran",
            "systemd-sysctl did not run (as root?): {said}"
        );
    }

    /// Whether this build reads `/lib/sysctl.d` apart from `/usr/lib/sysctl.d`: Debian's did until version 255.
    fn reads_lib(&self) -> bool {
        let case = self.system.with_file_name("probe");
        write_layout(&case, 0, true);
        fs::create_dir_all(case.join("lib/sysctl.d")).unwrap();
        fs::write(
            case.join("lib/sysctl.d/99-probe.conf"),
            "kernel.panic = probed\n",
        )
        .unwrap();
        self.boot(&case);
        value(&case, "kernel/panic") == "probed"
    }
}

/// Copies the installed systemd-sysctl, its loader and its libraries, which ldd names.
fn copy_installed(system: &Path) {
    let binary = [
        "/usr/lib/systemd/systemd-sysctl",
        "/lib/systemd/systemd-sysctl",
    ]
    .map(Path::new)
    .into_iter()
    .find(|path| path.exists())
    .expect(
        "systemd-sysctl is needed: apt-get install systemd, or set K3WARDEN_ORACLE=skip knowingly",
    );
    let listed = Command::new("ldd")
        .arg(binary)
        .output()
        .expect("ldd is needed: install libc-bin");
    fs::create_dir(system).unwrap();
    fs::copy(binary, system.join("systemd-sysctl")).unwrap();
    for line in String::from_utf8_lossy(&listed.stdout).lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (path, name) = match words.as_slice() {
            [name, "=>", path, ..] => (*path, *name),
            [loader, _] if loader.starts_with('/') => (*loader, "ld.so"),
            _ => continue,
        };
        fs::copy(path, system.join(name)).unwrap();
    }
}

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
