//! Kernel parameters as they are now.

use std::io::Write;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;

use super::{PinnedSysctl, SysctlKey};
use crate::host::{HostError, Refusal, Root};

/// The kernel answers with a page at most, a few tables with more.
const VALUE_LIMIT_BYTES: u64 = 64 * 1024;

/// Where our unit binds the host's own /proc/sys: the private procfs of the sandbox raises no events for writes of
/// others (inotify marks belong to one mounted procfs).
pub const HOST_SYSCTLS: &str = "/run/host-sysctl";

/// Which parameters the sandbox of our unit shows as those of another namespace (`PrivateNetwork=`, `ProtectHostname=`).
const OTHER_NAMESPACES: [(&str, &str); 3] = [
    ("net.", "network"),
    ("kernel.hostname", "host name"),
    ("kernel.domainname", "host name"),
];

/// The directory of kernel parameters of the running kernel.
#[derive(Debug, Clone)]
pub struct LiveSysctls {
    /// The error is given at each look: without /proc/sys everything else is judged all the same.
    directory: Result<Root, HostError>,
    shown_as: PathBuf,
    /// We run in the sandbox of our unit.
    in_unit: bool,
    /// The kernel is this machine's own, so its values are ours to set.
    is_ours: bool,
}

impl LiveSysctls {
    /// The kernel parameters that belong to a root: those of `/proc/sys`; `None` for an image or a tree, where no
    /// kernel runs.
    ///
    /// Where `/proc/sys` cannot be opened or is no procfs, each reading says so.
    #[must_use]
    pub fn of(root: &Root) -> Option<Self> {
        let shown_as = PathBuf::from("/proc/sys");
        root.is_live().then(|| Self {
            directory: open_procfs(&shown_as),
            shown_as,
            // systemd leaves the empty mount point behind on the host.
            in_unit: open_procfs(Path::new(HOST_SYSCTLS)).is_ok(),
            is_ours: true,
        })
    }

    /// The same where the kernel belongs to the machine around a container: a kubelet in it reads these values too, but
    /// they are not ours to set.
    #[must_use]
    pub fn not_ours(self) -> Self {
        Self {
            is_ours: false,
            ..self
        }
    }

    /// Whether the values are ours to set.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// The kernel parameters seen through another directory: a second mount of `/proc/sys`, or plain files in a test.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn at(directory: &Path) -> Result<Self, HostError> {
        Ok(Self {
            directory: Ok(Root::open(directory)?),
            shown_as: directory.to_path_buf(),
            in_unit: false,
            is_ours: true,
        })
    }

    /// The value of a key without its line end; `None` if this kernel has no such key.
    ///
    /// # Errors
    /// When the kernel refuses to tell, the key is a directory of keys, or its value here is not the host's.
    pub fn read(&self, key: &SysctlKey) -> Result<Option<String>, HostError> {
        let content = self
            .directory_of(key)?
            .read(key.relative_path(), VALUE_LIMIT_BYTES)
            .map_err(|error| self.located(key, error))?;
        Ok(content.map(|bytes| {
            let text = String::from_utf8_lossy(&bytes);
            text.trim_end_matches(['\n', '\r']).to_owned()
        }))
    }

    /// Keeps a key open, to be watched and read again and again; `None` if this kernel has no such key.
    ///
    /// # Errors
    /// When the kernel refuses to open it.
    pub fn pin(&self, key: &SysctlKey) -> Result<Option<PinnedSysctl>, HostError> {
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let opened = self
            .directory_of(key)?
            .open_following(key.relative_path(), flags)
            .map_err(|error| self.located(key, error))?;
        Ok(opened.map(|descriptor| PinnedSysctl::new(descriptor, self.path(key))))
    }

    /// Sets a key and reads it back. A key that has the value already is not written, so that no watcher wakes.
    ///
    /// # Errors
    /// When the kernel is not this machine's own, has no such key, refuses the value, or says another value afterwards.
    pub fn write(&self, key: &SysctlKey, value: &str) -> Result<(), HostError> {
        if !self.is_ours {
            return Err(HostError::refused(&self.path(key), Refusal::OtherKernel));
        }
        let before = self.read(key);
        if matches!(&before, Ok(Some(now)) if same_value(now, value)) {
            return Ok(());
        }
        let written = self.put(key, value);
        match (written, self.read(key)) {
            // Somebody else may have set it between; a refused write of the right value is no failure.
            (_, Ok(Some(now))) if same_value(&now, value) => Ok(()),
            (Err(error), _) | (Ok(()), Err(error)) => Err(error),
            (Ok(()), Ok(observed)) => Err(HostError::NotTaken {
                path: self.path(key),
                wanted: value.to_owned(),
                observed: observed.unwrap_or_default(),
            }),
        }
    }

    fn put(&self, key: &SysctlKey, value: &str) -> Result<(), HostError> {
        // The kernel takes a value in one write at offset 0 and ignores O_TRUNC; plain files need it.
        let flags = OFlag::O_WRONLY | OFlag::O_TRUNC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let descriptor = self
            .directory_of(key)?
            .open_following(key.relative_path(), flags)
            .map_err(|error| self.located(key, error))?
            .ok_or_else(|| HostError::system("set", &self.path(key), Errno::ENOENT))?;
        std::fs::File::from(descriptor)
            .write_all(format!("{value}\n").as_bytes())
            .map_err(|error| HostError::io("set", &self.path(key), &error))
    }

    fn directory_of(&self, key: &SysctlKey) -> Result<&Root, HostError> {
        let name = key.to_string();
        let other = OTHER_NAMESPACES
            .iter()
            .find(|(prefix, _)| self.in_unit && name.starts_with(prefix));
        if let Some((_, namespace)) = other {
            let reason = Refusal::OtherNamespace { namespace };
            return Err(HostError::refused(&self.path(key), reason));
        }
        self.directory.as_ref().map_err(Clone::clone)
    }

    fn path(&self, key: &SysctlKey) -> PathBuf {
        self.shown_as.join(key.relative_path())
    }

    /// The same error with the path as seen from `/`.
    fn located(&self, key: &SysctlKey, error: HostError) -> HostError {
        match error {
            HostError::System {
                operation, errno, ..
            } => HostError::system(operation, &self.path(key), errno),
            HostError::Refused { reason, .. } => HostError::refused(&self.path(key), reason),
            other => other,
        }
    }
}

/// An empty directory in its place, as in a half-made chroot, would look like a kernel that has no parameters.
fn open_procfs(directory: &Path) -> Result<Root, HostError> {
    let failed = |errno| HostError::system("find kernel parameters in", directory, errno);
    let statistics = nix::sys::statfs::statfs(directory).map_err(failed)?;
    if statistics.filesystem_type() != nix::sys::statfs::PROC_SUPER_MAGIC {
        return Err(failed(Errno::ENOENT));
    }
    Root::open(directory)
}

/// Whether two values are the same to the kernel, which separates the fields of a value by tabs and reads any blanks.
#[must_use]
pub fn same_value(one: &str, other: &str) -> bool {
    one.split_ascii_whitespace()
        .eq(other.split_ascii_whitespace())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn key(spelled: &str) -> SysctlKey {
        SysctlKey::parse(spelled).unwrap()
    }

    fn kernel(values: &[(&str, &str)]) -> (tempfile::TempDir, LiveSysctls) {
        let directory = tempfile::tempdir().unwrap();
        for (name, value) in values {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, value).unwrap();
        }
        let live = LiveSysctls::at(directory.path()).unwrap();
        (directory, live)
    }

    #[test]
    fn a_value_is_read_without_its_line_end() {
        let (_kept, live) = kernel(&[
            ("vm/panic_on_oom", "0\n"),
            ("kernel/printk", "4\t4\t1\t7\n"),
        ]);
        assert_eq!(
            live.read(&key("vm.panic_on_oom")).unwrap().as_deref(),
            Some("0")
        );
        assert_eq!(
            live.read(&key("kernel.printk")).unwrap().as_deref(),
            Some("4\t4\t1\t7")
        );
    }

    #[test]
    fn a_key_that_this_kernel_lacks_is_none_and_not_created() {
        let (kept, live) = kernel(&[("vm/panic_on_oom", "0\n")]);
        assert_eq!(live.read(&key("vm.absent")).unwrap(), None);
        let error = live.write(&key("vm.absent"), "1").unwrap_err();
        assert!(matches!(
            error,
            HostError::System {
                errno: Errno::ENOENT,
                ..
            }
        ));
        assert!(!kept.path().join("vm/absent").exists());
    }

    #[test]
    fn in_our_unit_the_value_of_another_namespace_is_unknown() {
        let (_kept, mut live) = kernel(&[("net/core/somaxconn", "7\n"), ("kernel/panic", "3\n")]);
        let network = key("net.core.somaxconn");
        assert_eq!(live.read(&network).unwrap().as_deref(), Some("7"));
        live.in_unit = true;
        let said = live.read(&network).unwrap_err().to_string();
        assert!(
            said.contains("each network namespace has its own"),
            "{said}"
        );
        assert!(live.write(&network, "8").is_err() && live.pin(&network).is_err());
        let panic = live.read(&key("kernel.panic")).unwrap();
        assert_eq!(panic.as_deref(), Some("3"));
    }

    #[test]
    fn a_directory_of_keys_has_no_value() {
        let (kept, live) = kernel(&[("vm/panic_on_oom", "0\n")]);
        let error = live.read(&key("vm")).unwrap_err().to_string();
        assert!(
            error.contains(&kept.path().join("vm").display().to_string()),
            "{error}"
        );
    }

    #[test]
    fn a_written_value_is_there_afterwards() {
        let (kept, live) = kernel(&[("kernel/panic", "1000\n")]);
        live.write(&key("kernel.panic"), "10").unwrap();
        assert_eq!(
            fs::read_to_string(kept.path().join("kernel/panic")).unwrap(),
            "10\n"
        );
    }

    #[test]
    fn fields_compare_whatever_separates_them() {
        let (kept, live) = kernel(&[("kernel/printk", "4\t4\t1\t7\n")]);
        live.write(&key("kernel.printk"), "4 4 1 7").unwrap();
        let untouched = fs::read_to_string(kept.path().join("kernel/printk")).unwrap();
        assert_eq!(
            untouched, "4\t4\t1\t7\n",
            "a value that is right is not written again"
        );
        assert!(!same_value("4 4", "44"));
    }

    #[test]
    fn a_value_that_does_not_stick_is_named() {
        // A file of procfs that takes hexadecimal and answers it with eight digits; it concerns this process only.
        let live = LiveSysctls::at(Path::new("/proc/self")).unwrap();
        let error = live.write(&key("coredump_filter"), "0x33").unwrap_err();
        assert_eq!(
            error.to_string(),
            "/proc/self/coredump_filter was set to \"0x33\" but the kernel says \"00000033\""
        );
    }

    #[test]
    fn a_value_that_the_kernel_refuses_is_an_error() {
        let live = LiveSysctls::at(Path::new("/proc/self")).unwrap();
        let error = live.write(&key("coredump_filter"), "none").unwrap_err();
        assert!(
            matches!(
                error,
                HostError::System {
                    errno: Errno::EINVAL,
                    ..
                }
            ),
            "{error}"
        );
    }

    #[test]
    fn a_link_does_not_lead_out_of_the_directory() {
        let (kept, live) = kernel(&[]);
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("x"), "secret\n").unwrap();
        symlink(outside.path(), kept.path().join("vm")).unwrap();
        assert_eq!(live.read(&key("vm.x")).unwrap(), None);
        assert!(live.write(&key("vm.x"), "1").is_err());
        assert_eq!(
            fs::read_to_string(outside.path().join("x")).unwrap(),
            "secret\n"
        );
    }

    #[test]
    fn a_tree_has_no_live_values() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        assert!(LiveSysctls::of(&root).is_none());
    }
}
