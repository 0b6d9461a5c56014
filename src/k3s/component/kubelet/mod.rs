//! The kubelet: which of its arguments K3s takes away, its configuration files, and the settings that come out.

mod dropins;
mod eviction;
mod extract;
mod fields;
mod settings;
mod table;

pub use eviction::Eviction;
pub use settings::{KubeletSettings, Setting};

pub(super) use extract::{Extracted, extract};
pub(super) use settings::effective;

use super::releases::Since;
use crate::host::HostError;
use crate::k3s::{Ending, K3sVersion};

/// From 1.32 on K3s configures the kubelet by files in `agent/etc/kubelet.conf.d`.
pub(super) fn reads_dropins(version: K3sVersion) -> bool {
    Since::parse("1.32.0").is_some_and(|since| since.reached(version))
}

/// From 1.30 on the kubelet walks the directory that `config-dir` names without being told so by a variable too (kubernetes
/// `cmd/kubelet/app/server.go`).
pub(super) fn walks_a_directory(version: K3sVersion) -> bool {
    Since::parse("1.30.0").is_some_and(|since| since.reached(version))
}

/// Why the kubelet's files give no settings.
#[derive(Debug)]
pub(super) enum NoSettings {
    /// The kubelet would end over them, or K3s before it.
    Ends(Ending),
    /// They cannot be looked at, so nobody knows.
    Unseen(HostError),
}

impl From<Ending> for NoSettings {
    fn from(ending: Ending) -> Self {
        Self::Ends(ending)
    }
}

impl From<HostError> for NoSettings {
    fn from(error: HostError) -> Self {
        Self::Unseen(error)
    }
}
