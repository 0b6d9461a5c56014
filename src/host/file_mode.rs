//! Permission bits.

use std::fmt;

use serde::{Deserialize, Deserializer, de::Error};

/// Permission bits of a file or directory, as in `0600`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileMode(u32);

impl FileMode {
    /// The twelve permission bits of a mode, file type dropped.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits & 0o7777)
    }

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Whether this mode grants nothing beyond `limit`. CIS asks for "600 or more restrictive".
    #[must_use]
    pub const fn within(self, limit: Self) -> bool {
        self.0 & !limit.0 == 0
    }

    /// The bits that both grant: what a mode is tightened to, so that a stricter one of the operator stands.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:04o}", self.0)
    }
}

impl<'de> Deserialize<'de> for FileMode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let octal = text.len() == 4 && text.starts_with('0');
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if octal => Ok(Self(bits)),
            _ => Err(D::Error::custom(format!(
                "`{text}` is no mode; write four octal digits such as \"0600\""
            ))),
        }
    }
}
