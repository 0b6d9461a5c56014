//! What a K3s option or component argument must be.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use crate::host::FileMode;

/// What the effective value of an option or argument must be.
///
/// Values are compared as the types they are: numbers as numbers, lists as sets, durations as durations. A
/// stricter value of the operator's holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Requirement {
    /// Exactly this value.
    Equals(String),
    /// Any value but this one.
    NotEquals(String),
    /// A number of at least this.
    AtLeast(i64),
    /// A number of at most this.
    AtMost(i64),
    /// A number above this.
    MoreThan(i64),
    /// A list with all of these.
    Includes(Vec<String>),
    /// A list with none of these.
    Excludes(Vec<String>),
    /// A list with nothing but these, and not empty.
    SubsetOf(Vec<String>),
    /// One of these values.
    OneOf(Vec<String>),
    /// Not given at all.
    Absent(bool),
    /// Given, with some value.
    Present(bool),
    /// A duration other than zero (`5m`, `4h0m0s`).
    NonzeroDuration(bool),
    /// Feature gates of which this one, which is beta, is not turned off: by itself or by `AllBeta`.
    GateNotOff(String),
    /// An address that only this machine reaches, with or without a port.
    Loopback(bool),
    /// Permission bits of a file, in octal, and none beyond these.
    ModeAtMost(FileMode),
    /// A list of `KEY=URL,URL` in which these keys have URLs of TLS only.
    TlsUrls(Vec<String>),
    /// A list of `KEY=URL,URL` in which these keys have URLs of TLS, or such that only this machine reaches.
    LocalUrls(Vec<String>),
}

impl Requirement {
    /// The bound that a number does not keep, in words: `at least 10`.
    #[must_use]
    pub fn bound_missed(&self, number: i64) -> Option<String> {
        match self {
            Self::AtLeast(least) if number < *least => Some(format!("at least {least}")),
            Self::AtMost(most) if number > *most => Some(format!("at most {most}")),
            Self::MoreThan(less) if number <= *less => Some(format!("more than {less}")),
            _ => None,
        }
    }

    /// Whether one element of a list is enough to break it, whatever else is in the list.
    #[must_use]
    pub const fn is_broken_by_one(&self) -> bool {
        matches!(
            self,
            Self::Excludes(_)
                | Self::SubsetOf(_)
                | Self::TlsUrls(_)
                | Self::LocalUrls(_)
                | Self::NotEquals(_)
                | Self::Absent(true)
        )
    }
}

/// `127.0.0.1`, `127.0.0.2:9090`, `::1`, `[::1]:9090`.
#[must_use]
pub fn is_loopback(text: &str) -> bool {
    let text = text.trim();
    let ip = text.parse::<IpAddr>().ok();
    let ip = ip.or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()));
    ip.is_some_and(|ip| ip.to_canonical().is_loopback())
}
