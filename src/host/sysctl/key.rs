//! The name of a kernel parameter.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A kernel parameter by its path below `/proc/sys`: `net/ipv4/conf/enp3s0.200/forwarding`.
///
/// Every spelling that systemd takes for the same parameter parses to the same key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SysctlKey(String);

/// Why a text is no kernel parameter that we would name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing is left after normalising.
    #[error("a kernel parameter needs a name")]
    Empty,
    /// A component is `..`.
    #[error("kernel parameter {0:?} leads out of /proc/sys")]
    Climbs(String),
    /// A character that a line of sysctl.d could not carry as part of a name.
    #[error("kernel parameter {0:?} contains {1:?}, which cannot be part of a name in sysctl.d")]
    Character(String, char),
    /// Longer than a path can be.
    #[error("the name of a kernel parameter is at most {LENGTH_LIMIT_BYTES} bytes long")]
    TooLong,
}

/// `PATH_MAX` less the prefix and the final NUL.
const LENGTH_LIMIT_BYTES: usize = 4096 - "/proc/sys/".len() - 1;

impl SysctlKey {
    /// Parses a name in any spelling: with dots, with slashes, with a leading slash.
    ///
    /// # Errors
    /// When it is empty, leads out of `/proc/sys`, or could not be written as a name in sysctl.d.
    pub fn parse(spelled: &str) -> Result<Self, KeyError> {
        if spelled.len() > LENGTH_LIMIT_BYTES {
            return Err(KeyError::TooLong);
        }
        let forbidden = |c: char| c.is_control() || c.is_whitespace() || "=*?[]{}\\".contains(c);
        if let Some(character) = spelled.chars().find(|c| forbidden(*c)) {
            return Err(KeyError::Character(spelled.to_owned(), character));
        }
        let key = normalize(spelled);
        // Whoever writes `../x` means to climb, whatever the exchange of separators makes of it.
        let mut components = key.split('/').chain(spelled.split('/'));
        if components.any(|component| component == "..") {
            return Err(KeyError::Climbs(spelled.to_owned()));
        }
        match key.chars().next() {
            None => Err(KeyError::Empty),
            // At the start of a line these mean something else: a comment, a failure to ignore.
            Some(first @ ('-' | '#' | ';')) => Err(KeyError::Character(spelled.to_owned(), first)),
            Some(_) => Ok(Self(key)),
        }
    }

    /// The name with slashes: `vm/overcommit_memory`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path relative to `/proc/sys`, wherever that is mounted.
    #[must_use]
    pub fn relative_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The path as an operator knows it: `/proc/sys/vm/overcommit_memory`.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        Path::new("/proc/sys").join(&self.0)
    }
}

impl fmt::Display for SysctlKey {
    /// As an operator writes it: `net.ipv4.conf.enp3s0/200.forwarding`. Parses to the same key again.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.split('/').next().unwrap_or_default();
        if first.contains('.') {
            // With dots and slashes exchanged the first separator would be a slash and nothing be exchanged back.
            return write!(formatter, "/{}", self.0);
        }
        for character in self.0.chars() {
            fmt::Write::write_char(formatter, exchanged(character))?;
        }
        Ok(())
    }
}

impl FromStr for SysctlKey {
    type Err = KeyError;

    fn from_str(spelled: &str) -> Result<Self, KeyError> {
        Self::parse(spelled)
    }
}

impl TryFrom<String> for SysctlKey {
    type Error = KeyError;

    fn try_from(spelled: String) -> Result<Self, KeyError> {
        Self::parse(&spelled)
    }
}

impl From<SysctlKey> for String {
    fn from(key: SysctlKey) -> Self {
        key.0
    }
}

/// The name with slashes as systemd computes it (`sysctl_normalize`, systemd `src/basic/sysctl-util.c`): if the first
/// separator is a dot, dots and slashes change places. Patterns pass through here too.
pub(super) fn normalize(spelled: &str) -> String {
    let dotted = spelled.chars().find(|c| matches!(c, '.' | '/')) == Some('.');
    let slashed: String = if dotted {
        spelled.chars().map(exchanged).collect()
    } else {
        spelled.to_owned()
    };
    let mut normal = String::with_capacity(slashed.len());
    for component in slashed.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if !normal.is_empty() {
            normal.push('/');
        }
        normal.push_str(component);
    }
    normal
}

fn exchanged(character: char) -> char {
    match character {
        '.' => '/',
        '/' => '.',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_are_normalised_as_systemd_does() {
        // systemd src/test/test-sysctl-util.c
        let cases = [
            ("a.b.c", "a/b/c"),
            ("a/b/c", "a/b/c"),
            ("a/b.c/d", "a/b.c/d"),
            ("a.b/c.d", "a/b.c/d"),
            (
                "net.ipv4.conf.enp3s0/200.forwarding",
                "net/ipv4/conf/enp3s0.200/forwarding",
            ),
            (
                "net/ipv4/conf/enp3s0.200/forwarding",
                "net/ipv4/conf/enp3s0.200/forwarding",
            ),
            ("a...b...c", "a/b/c"),
            ("a///b///c", "a/b/c"),
            (".a...b...c", "a/b/c"),
            ("/a///b///c", "a/b/c"),
        ];
        for (spelled, expected) in cases {
            assert_eq!(SysctlKey::parse(spelled).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn a_name_cannot_lead_out_of_proc_sys() {
        for spelled in [
            "../etc/passwd",
            "/../etc/passwd",
            "vm/../../etc/passwd",
            "vm/..",
            "//",
        ] {
            assert!(SysctlKey::parse(spelled).is_err(), "{spelled}");
        }
        // The exchange of separators can make a climb, too.
        assert_eq!(
            SysctlKey::parse("vm.//.x").unwrap_err(),
            KeyError::Climbs("vm.//.x".to_owned())
        );
        let absolute = SysctlKey::parse("/etc/passwd").unwrap();
        assert_eq!(absolute.path(), Path::new("/proc/sys/etc/passwd"));
    }

    #[test]
    fn a_name_that_sysctl_d_would_read_differently_is_refused() {
        for spelled in [
            "", ".", "/", "-vm.x", "#vm.x", ";vm.x", "vm.*", "vm. x", "vm.x=1", "vm.x\n", "vm.x\0",
        ] {
            assert!(SysctlKey::parse(spelled).is_err(), "{spelled:?}");
        }
        assert_eq!(SysctlKey::parse(&"a".repeat(5000)), Err(KeyError::TooLong));
    }

    #[test]
    fn a_key_is_shown_with_dots() {
        let key = SysctlKey::parse("net/ipv4/conf/enp3s0.200/forwarding").unwrap();
        assert_eq!(key.to_string(), "net.ipv4.conf.enp3s0/200.forwarding");
        assert_eq!(SysctlKey::parse("/a.b/c").unwrap().to_string(), "/a.b/c");
    }

    proptest! {
        #[test]
        fn what_is_shown_parses_to_the_same_key(spelled in "[a-c./]{1,12}") {
            if let Ok(key) = SysctlKey::parse(&spelled) {
                prop_assert_eq!(SysctlKey::parse(&key.to_string()), Ok(key.clone()));
                prop_assert_eq!(SysctlKey::parse(&format!("/{}", key.as_str())), Ok(key));
            }
        }

        #[test]
        fn normalising_twice_changes_nothing_more(spelled in "/[a-c./]{1,12}|[a-c./]{1,12}") {
            let once = normalize(&spelled);
            // A first component with a dot is kept apart by its leading slash only.
            prop_assert_eq!(normalize(&format!("/{once}")), once.clone());
            if !once.split('/').next().unwrap_or_default().contains('.') {
                prop_assert_eq!(normalize(&once), once);
            }
        }

        #[test]
        fn no_text_makes_parsing_panic(spelled in any::<String>()) {
            let _ = SysctlKey::parse(&spelled);
        }
    }
}
