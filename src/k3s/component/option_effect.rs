//! What an option of K3s comes to where an argument or a file of a component has the last word on the same thing.

use super::{Component, InForce, Start};
use crate::host::HostError;
use crate::k3s::{K3sVersion, Place};

impl Start {
    /// Whether what an option is for is on, and what decides it; `None` where the option alone tells.
    #[must_use]
    pub fn effect_of(&self, option: &str, version: K3sVersion) -> Option<(bool, Place)> {
        match option {
            "protect-kernel-defaults" => match self.in_force(Component::Kubelet, option, version) {
                InForce::One { value, place } => Some((value == "true", place)),
                _ => None,
            },
            "secrets-encryption" => self.encryption.clone(),
            _ => None,
        }
    }

    /// Why what may have the last word over an option cannot be looked at.
    #[must_use]
    pub fn effect_unseen(&self, option: &str) -> Option<&HostError> {
        match option {
            "protect-kernel-defaults" => self.kubelet_unseen.as_ref(),
            _ => None,
        }
    }
}
