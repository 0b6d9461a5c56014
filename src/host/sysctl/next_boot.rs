//! What systemd-sysctl will set at the next boot.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;

use super::SysctlKey;
use super::drop_in::{self, DropIn};
use super::line::{self, Assignment, Exclusion, Statement};
use super::live::same_value;
use super::precedence::Precedence;
use crate::host::{HostError, Root};

/// procps' `sysctl --system` reads this after everything else. systemd reads it only where a link in sysctl.d
/// (Debian's `99-sysctl.conf`) leads there.
const SYSCTL_CONF: &str = "/etc/sysctl.conf";

/// Every file of sysctl.d, read once, with the answers that systemd-sysctl would give.
///
/// Not seen: values from a credential `sysctl.extra`, which systemd 252 and later set last. Lines whose key climbs with
/// `..` set nothing, as systemd has it by version 252; 247 still followed them.
#[derive(Debug)]
pub struct NextBoot {
    drop_ins: BTreeMap<OsString, DropIn>,
    precedence: Precedence,
    sysctl_conf: Result<Precedence, HostError>,
}

/// Why `sysctl --system` may leave another value than a boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SysctlConfWarning {
    /// `/etc/sysctl.conf` says another value.
    Differs(Assignment),
    /// `/etc/sysctl.conf` cannot be read.
    Unreadable(String),
}

impl NextBoot {
    /// Reads the files of sysctl.d below a root.
    ///
    /// # Errors
    /// When a directory or a file cannot be read, or is a FIFO, a socket or a device.
    pub fn read(root: &Root) -> Result<Self, HostError> {
        Self::read_with(root, std::iter::empty())
    }

    /// The same with files in `/etc/sysctl.d`, path and content, that are not written yet.
    ///
    /// # Errors
    /// As for [`NextBoot::read`].
    pub fn read_with<'a>(
        root: &Root,
        planned: impl Iterator<Item = (&'a Path, &'a [u8])>,
    ) -> Result<Self, HostError> {
        let mut drop_ins = drop_in::read_all(root)?;
        for (path, content) in planned {
            if let Some(name) = path.file_name() {
                let file = DropIn {
                    path: path.to_path_buf(),
                    content: Some(content.to_vec()),
                };
                drop_ins.insert(name.to_os_string(), file);
            }
        }
        let mut precedence = Precedence::default();
        for file in drop_ins.values() {
            if let Some(content) = &file.content {
                precedence.extend(line::parse(content, &file.path));
            }
        }
        let path = Path::new(SYSCTL_CONF);
        let sysctl_conf = drop_in::read_one(root, path).map(|content| {
            let mut only = Precedence::default();
            only.extend(line::parse(&content.unwrap_or_default(), path));
            only
        });
        Ok(Self {
            drop_ins,
            precedence,
            sysctl_conf,
        })
    }

    /// The assignment that a key gets its value from; `None` if the boot leaves the kernel's own value.
    #[must_use]
    pub fn assignment(&self, key: &SysctlKey) -> Option<&Assignment> {
        match self.precedence.deciding(key)? {
            Statement::Sets(assignment) => Some(assignment),
            Statement::Excludes(_) => None,
        }
    }

    /// The bare `-key` that keeps a key from being set.
    #[must_use]
    pub fn exclusion(&self, key: &SysctlKey) -> Option<&Exclusion> {
        match self.precedence.deciding(key)? {
            Statement::Sets(_) => None,
            Statement::Excludes(exclusion) => Some(exclusion),
        }
    }

    /// Every statement about a key in the order in which systemd reads them. The one that counts need not be the last:
    /// see [`NextBoot::assignment`].
    #[must_use]
    pub fn all(&self, key: &SysctlKey) -> Vec<&Statement> {
        self.precedence.about(key)
    }

    /// The file that wins a name, as seen inside the root, mask or not. Files of the same name in later directories
    /// are not read.
    #[must_use]
    pub fn winner_of(&self, name: &OsStr) -> Option<&Path> {
        self.drop_ins.get(name).map(|file| file.path.as_path())
    }

    /// Whether what wins a name is a mask: a link to `/dev/null` or an empty file, or a dangling link or a directory,
    /// which have the same effect.
    #[must_use]
    pub fn is_masked(&self, name: &OsStr) -> bool {
        self.drop_ins
            .get(name)
            .is_some_and(|file| file.content.is_none())
    }

    /// The names of every `*.conf` in any directory, masks included, in the order in which systemd reads them.
    pub fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.drop_ins.keys().map(OsString::as_os_str)
    }

    /// What procps' `sysctl --system`, run by somebody, would set differently from a boot because of
    /// `/etc/sysctl.conf`.
    #[must_use]
    pub fn sysctl_conf_warning(&self, key: &SysctlKey) -> Option<SysctlConfWarning> {
        let statements = match &self.sysctl_conf {
            Ok(statements) => statements,
            Err(error) => return Some(SysctlConfWarning::Unreadable(error.to_string())),
        };
        let Statement::Sets(said) = statements.deciding(key)? else {
            return None;
        };
        let at_boot = self.assignment(key);
        if at_boot.is_some_and(|boot| same_value(&boot.value, &said.value)) {
            return None;
        }
        Some(SysctlConfWarning::Differs(said.clone()))
    }
}

impl fmt::Display for SysctlConfWarning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Differs(Assignment {
                value,
                path,
                line,
                spelled,
            }) => write!(
                formatter,
                "`sysctl --system` would set {spelled} = {value} from {}:{line}, a boot does not",
                path.display()
            ),
            Self::Unreadable(error) => write!(
                formatter,
                "what `sysctl --system` would set is not known: {error}"
            ),
        }
    }
}

impl Assignment {
    /// The place as `path:line`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.path.display(), self.line)
    }
}

impl Exclusion {
    /// The place as `path:line`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.path.display(), self.line)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use nix::sys::stat::Mode;

    use super::*;

    struct Machine(tempfile::TempDir);

    impl Machine {
        fn new(files: &[(&str, &str)]) -> Self {
            let machine = Self(tempfile::tempdir().unwrap());
            for (path, content) in files {
                fs::write(machine.at(path), content).unwrap();
            }
            machine
        }

        fn at(&self, path: &str) -> std::path::PathBuf {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        }

        fn next_boot(&self) -> NextBoot {
            NextBoot::read(&Root::open(self.0.path()).unwrap()).unwrap()
        }
    }

    fn key(spelled: &str) -> SysctlKey {
        SysctlKey::parse(spelled).unwrap()
    }

    fn value(next_boot: &NextBoot, spelled: &str) -> Option<String> {
        let assignment = next_boot.assignment(&key(spelled))?;
        Some(format!("{} {}", assignment.place(), assignment.value))
    }

    fn said(value: &str) -> Option<String> {
        Some(value.to_owned())
    }

    #[test]
    fn a_later_file_wins_and_both_are_named() {
        let machine = Machine::new(&[
            ("etc/sysctl.d/90-kubelet.conf", "# K3s\nkernel.panic=10\n"),
            ("usr/lib/sysctl.d/99-x.conf", "kernel/panic = 0\n"),
        ]);
        let next_boot = machine.next_boot();
        assert_eq!(
            value(&next_boot, "kernel.panic"),
            said("/usr/lib/sysctl.d/99-x.conf:1 0")
        );
        let all: Vec<String> = next_boot
            .all(&key("kernel.panic"))
            .iter()
            .map(|statement| format!("{}:{}", statement.path().display(), statement.line()))
            .collect();
        assert_eq!(
            all,
            [
                "/etc/sysctl.d/90-kubelet.conf:2",
                "/usr/lib/sysctl.d/99-x.conf:1"
            ]
        );
        assert_eq!(value(&next_boot, "vm.panic_on_oom"), None);
    }

    #[test]
    fn an_earlier_directory_hides_the_same_name_in_a_later_one() {
        let machine = Machine::new(&[
            ("run/sysctl.d/a.conf", "vm.x = 1\n"),
            ("usr/lib/sysctl.d/a.conf", "vm.x = 2\nvm.y = 2\n"),
            ("usr/lib/sysctl.d/a.conf.bak", "vm.y = 3\n"),
            ("usr/lib/sysctl.d/.b.conf", "vm.y = 4\n"),
        ]);
        let next_boot = machine.next_boot();
        assert_eq!(value(&next_boot, "vm.x"), said("/run/sysctl.d/a.conf:1 1"));
        assert_eq!(value(&next_boot, "vm.y"), None);
        assert_eq!(
            next_boot.winner_of(OsStr::new("a.conf")),
            Some(Path::new("/run/sysctl.d/a.conf"))
        );
    }

    #[test]
    fn every_kind_of_mask_hides_and_sets_nothing() {
        let machine = Machine::new(&[("etc/sysctl.d/empty.conf", "")]);
        let names = [
            "absolute",
            "relative",
            "dangling",
            "circle",
            "directory",
            "empty",
        ];
        for name in names {
            fs::write(
                machine.at(&format!("usr/lib/sysctl.d/{name}.conf")),
                "vm.x = 1\n",
            )
            .unwrap();
        }
        let at = |name: &str| machine.at(&format!("etc/sysctl.d/{name}.conf"));
        symlink("/dev/null", at("absolute")).unwrap();
        symlink("../../../dev/null", at("relative")).unwrap();
        symlink("/nowhere", at("dangling")).unwrap();
        symlink("circle.conf", at("circle")).unwrap();
        fs::create_dir(at("directory")).unwrap();
        let next_boot = machine.next_boot();
        assert_eq!(value(&next_boot, "vm.x"), None);
        for name in names {
            assert!(
                next_boot.is_masked(OsStr::new(&format!("{name}.conf"))),
                "{name}"
            );
        }
        assert!(!next_boot.is_masked(OsStr::new("other.conf")));
    }

    #[test]
    fn a_pattern_yields_to_a_line_of_the_key_and_to_an_exclusion() {
        let machine = Machine::new(&[
            (
                "etc/sysctl.d/10-a.conf",
                "net.ipv4.conf.eth0.rp_filter = 2\n-net.ipv4.conf.lo.rp_filter\n",
            ),
            ("etc/sysctl.d/20-b.conf", "net.ipv4.conf.*.rp_filter = 1\n"),
        ]);
        let next_boot = machine.next_boot();
        assert_eq!(
            value(&next_boot, "net.ipv4.conf.eth0.rp_filter"),
            said("/etc/sysctl.d/10-a.conf:1 2")
        );
        assert_eq!(
            value(&next_boot, "net.ipv4.conf.eth1.rp_filter"),
            said("/etc/sysctl.d/20-b.conf:1 1")
        );
        let excluded = key("net.ipv4.conf.lo.rp_filter");
        assert_eq!(next_boot.assignment(&excluded), None);
        assert_eq!(next_boot.exclusion(&excluded).unwrap().line, 2);
    }

    #[test]
    fn a_pattern_said_again_keeps_its_place_unless_its_value_changes() {
        let machine =
            Machine::new(&[("etc/sysctl.d/a.conf", "vm.p* = 1\nvm.pa* = 2\nvm.p* = 1\n")]);
        assert_eq!(
            value(&machine.next_boot(), "vm.panic_on_oom"),
            said("/etc/sysctl.d/a.conf:2 2")
        );
        let machine =
            Machine::new(&[("etc/sysctl.d/a.conf", "vm.p* = 1\nvm.pa* = 2\nvm.p* = 3\n")]);
        assert_eq!(
            value(&machine.next_boot(), "vm.panic_on_oom"),
            said("/etc/sysctl.d/a.conf:3 3")
        );
    }

    #[test]
    fn a_bare_exclusion_undoes_an_earlier_assignment() {
        let machine =
            Machine::new(&[("etc/sysctl.d/a.conf", "kernel.panic = 10\n-kernel.panic\n")]);
        assert_eq!(value(&machine.next_boot(), "kernel.panic"), None);
    }

    #[test]
    fn a_key_that_climbs_sets_nothing() {
        let machine = Machine::new(&[(
            "etc/sysctl.d/a.conf",
            "vm/../kernel/panic = 1\nvm/../kernel/pan* = 2\n",
        )]);
        assert_eq!(value(&machine.next_boot(), "kernel.panic"), None);
    }

    #[test]
    fn sysctl_conf_counts_at_boot_only_through_a_link_but_warns_always() {
        let machine = Machine::new(&[
            ("etc/sysctl.conf", "\nkernel.panic = 0\n"),
            ("etc/sysctl.d/90-kubelet.conf", "kernel.panic = 10\n"),
        ]);
        let next_boot = machine.next_boot();
        assert_eq!(
            value(&next_boot, "kernel.panic"),
            said("/etc/sysctl.d/90-kubelet.conf:1 10")
        );
        let warning = next_boot.sysctl_conf_warning(&key("kernel.panic")).unwrap();
        assert_eq!(
            warning.to_string(),
            "`sysctl --system` would set kernel.panic = 0 from /etc/sysctl.conf:2, a boot does not"
        );
        assert_eq!(next_boot.sysctl_conf_warning(&key("vm.panic_on_oom")), None);

        symlink("../sysctl.conf", machine.at("etc/sysctl.d/99-sysctl.conf")).unwrap();
        let next_boot = machine.next_boot();
        assert_eq!(
            value(&next_boot, "kernel.panic"),
            said("/etc/sysctl.d/99-sysctl.conf:2 0")
        );
        assert_eq!(next_boot.sysctl_conf_warning(&key("kernel.panic")), None);
    }

    #[test]
    fn a_fifo_is_an_error_that_names_it_and_never_waited_for() {
        let machine = Machine::new(&[]);
        nix::unistd::mkfifo(&machine.at("etc/sysctl.d/a.conf"), Mode::S_IRUSR).unwrap();
        let error = NextBoot::read(&Root::open(machine.0.path()).unwrap()).unwrap_err();
        assert!(
            error.to_string().starts_with("/etc/sysctl.d/a.conf "),
            "{error}"
        );
    }

    #[test]
    fn a_machine_without_any_sysctl_d_sets_nothing() {
        let next_boot = Machine::new(&[]).next_boot();
        assert_eq!(next_boot.names().count(), 0);
        assert_eq!(next_boot.sysctl_conf_warning(&key("kernel.panic")), None);
    }
}
