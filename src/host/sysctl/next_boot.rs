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
            Self::Differs(said) => write!(
                formatter,
                "`sysctl --system` would set {} = {} from {}, a boot does not",
                said.spelled,
                said.value,
                said.place()
            ),
            Self::Unreadable(error) => write!(
                formatter,
                "what `sysctl --system` would set is not known: {error}"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
