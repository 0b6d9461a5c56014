//! The kill switch: everything off, whatever the policy says.

use std::ffi::OsStr;
use std::fmt;
use std::path::Path;

use crate::host::{HostError, Root};

/// Why k3warden does nothing on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillSwitch {
    /// `/etc/k3warden/disabled` exists.
    File,
    /// The kernel was started with `k3warden=off`.
    KernelCommandLine,
}

const COMMAND_LINE_LIMIT_BYTES: u64 = 64 << 10;

impl KillSwitch {
    /// Looks for the kill switch; `None` if it is not thrown. The kernel command line is read on the running machine
    /// only.
    ///
    /// # Errors
    /// When it cannot be looked for. Whoever changes the node must then treat it as thrown.
    pub fn look(root: &Root) -> Result<Option<Self>, HostError> {
        // By name, so that a link that leads nowhere counts too.
        let names = root.names(Path::new("/etc/k3warden"))?.unwrap_or_default();
        if names.iter().any(|name| name == OsStr::new("disabled")) {
            return Ok(Some(Self::File));
        }
        if !root.is_live() {
            return Ok(None);
        }
        let command_line = root.read(Path::new("/proc/cmdline"), COMMAND_LINE_LIMIT_BYTES)?;
        let is_off = is_off(&command_line.unwrap_or_default());
        Ok(is_off.then_some(Self::KernelCommandLine))
    }
}

impl fmt::Display for KillSwitch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::File => "/etc/k3warden/disabled exists",
            Self::KernelCommandLine => "k3warden=off stands on the kernel command line",
        })
    }
}

fn is_off(command_line: &[u8]) -> bool {
    command_line
        .split(u8::is_ascii_whitespace)
        .any(|word| word == b"k3warden=off")
}

#[cfg(test)]
mod tests {
    use super::super::sample::Tree;
    use super::*;

    #[test]
    fn the_file_throws_the_switch_whatever_it_is() {
        let tree = Tree::new(&[]);
        assert_eq!(KillSwitch::look(&tree.root()).unwrap(), None);
        let tree = Tree::new(&[("/etc/k3warden/config.toml", "")]);
        assert_eq!(KillSwitch::look(&tree.root()).unwrap(), None);
        tree.link("/etc/k3warden/disabled", "/nowhere");
        assert_eq!(
            KillSwitch::look(&tree.root()).unwrap(),
            Some(KillSwitch::File)
        );
    }

    #[test]
    fn the_kernel_command_line_of_this_machine_says_nothing_about_another_root() {
        let tree = Tree::new(&[("/proc/cmdline", "k3warden=off")]);
        assert_eq!(KillSwitch::look(&tree.root()).unwrap(), None);
    }

    #[test]
    fn only_the_whole_word_turns_us_off() {
        assert!(is_off(b"root=/dev/vda1 k3warden=off quiet\n"));
        assert!(is_off(b"k3warden=off\n"));
        assert!(!is_off(b"k3warden=offline xk3warden=off\n"));
        assert!(!is_off(b""));
    }
}
