//! The two things a K3s process can be.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a K3s unit runs: the first word after the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// `k3s server`: control plane, and a kubelet unless told otherwise.
    Server,
    /// `k3s agent`: kubelet and kube-proxy only.
    Agent,
}

impl Role {
    /// The word on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Agent => "agent",
        }
    }

    /// The role that a word of the command line names, if it names one.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "server" => Some(Self::Server),
            "agent" => Some(Self::Agent),
            _ => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
