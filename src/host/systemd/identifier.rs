//! Names that are safe on a command line and in a path.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is neither the name of a service nor an invocation id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {expected}")]
pub struct BadIdentifier {
    text: String,
    expected: &'static str,
}

/// The name of a service: `k3s.service`, `k3s-agent.service`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UnitName(String);

impl UnitName {
    /// The name with its suffix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UnitName {
    type Err = BadIdentifier;

    /// Takes what systemd.unit(5) allows, at most 255 bytes, ending in `.service`. A leading dash would be an option.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_' | b'.' | b'\\' | b'@')
        };
        let prefix = text.strip_suffix(".service").unwrap_or_default();
        let good = !prefix.is_empty()
            && !prefix.starts_with(['-', '.'])
            && text.len() <= 255
            && text.bytes().all(allowed);
        match good {
            true => Ok(Self(text.to_owned())),
            false => Err(BadIdentifier {
                text: text.chars().take(64).collect(),
                expected: "name of a service",
            }),
        }
    }
}

impl TryFrom<String> for UnitName {
    type Error = BadIdentifier;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<UnitName> for String {
    fn from(name: UnitName) -> Self {
        name.0
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One run of a unit, from the start of its first ExecStartPre= to its end: 32 hexadecimal digits (systemd.exec(5),
/// `$INVOCATION_ID`). An automatic restart has a new one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct InvocationId(String);

impl InvocationId {
    /// The 32 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InvocationId {
    type Err = BadIdentifier;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        match text.len() == 32 && text.bytes().all(digit) {
            true => Ok(Self(text.to_owned())),
            false => Err(BadIdentifier {
                text: text.chars().take(64).collect(),
                expected: "invocation id",
            }),
        }
    }
}

impl TryFrom<String> for InvocationId {
    type Error = BadIdentifier;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<InvocationId> for String {
    fn from(id: InvocationId) -> Self {
        id.0
    }
}

impl fmt::Display for InvocationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_services_are_taken() {
        for good in ["k3s.service", "k3s-agent.service", "k3s@a\\x2db.service"] {
            assert_eq!(good.parse::<UnitName>().unwrap().as_str(), good);
        }
        let long = format!("{}.service", "x".repeat(255));
        for bad in [
            "",
            "k3s",
            ".service",
            "--help.service",
            "../k3s.service",
            "a b.service",
            "a/b.service",
            &long,
        ] {
            assert!(bad.parse::<UnitName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn only_invocation_ids_are_taken() {
        let good = "0123456789abcdef0123456789abcdef";
        assert_eq!(good.parse::<InvocationId>().unwrap().as_str(), good);
        for bad in [
            "",
            "0123",
            "0123456789ABCDEF0123456789abcdef",
            "../3456789abcdef0123456789abcdef",
        ] {
            assert!(bad.parse::<InvocationId>().is_err(), "{bad}");
        }
    }
}
