//! K3s release numbers.

use std::fmt;
use std::str::FromStr;

/// A K3s release, which is a Kubernetes release with a build suffix: `v1.36.3+k3s1`.
///
/// Ordered by Kubernetes minor and patch; the build suffix takes no part in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct K3sVersion {
    /// Kubernetes minor: 36 in `v1.36.3+k3s1`.
    pub minor: u16,
    /// Kubernetes patch: 3 in `v1.36.3+k3s1`.
    pub patch: u16,
}

impl K3sVersion {
    /// The release `1.minor.patch`.
    #[must_use]
    pub const fn new(minor: u16, patch: u16) -> Self {
        Self { minor, patch }
    }
}

impl fmt::Display for K3sVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "1.{}.{}", self.minor, self.patch)
    }
}

/// The text is no K3s version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no K3s version; it looks like 1.36.3 or v1.36.3+k3s1")]
pub struct ParseVersionError {
    text: String,
}

impl FromStr for K3sVersion {
    type Err = ParseVersionError;

    /// Reads `1.36.3`, `v1.36.3`, `v1.36.3+k3s1` or `v1.36.3-rc1+k3s1`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseVersionError {
            text: text.to_owned(),
        };
        let number = text.strip_prefix('v').unwrap_or(text);
        let end = number.bytes().position(|byte| matches!(byte, b'+' | b'-'));
        let number = end.and_then(|end| number.get(..end)).unwrap_or(number);
        let parts = number
            .strip_prefix("1.")
            .and_then(|rest| rest.split_once('.'));
        let (minor, patch) = parts.ok_or_else(error)?;
        match (minor.parse(), patch.parse()) {
            (Ok(minor), Ok(patch)) => Ok(Self { minor, patch }),
            _ => Err(error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_that_k3s_and_people_write_are_read() {
        for text in ["1.36.3", "v1.36.3", "v1.36.3+k3s1", "v1.36.3-rc1+k3s1"] {
            assert_eq!(text.parse(), Ok(K3sVersion::new(36, 3)), "{text}");
        }
        for text in ["", "1.36", "2.0.1", "1.36.3.4", "1.x.3", "1.36.", "v"] {
            assert!(text.parse::<K3sVersion>().is_err(), "{text}");
        }
    }
}
