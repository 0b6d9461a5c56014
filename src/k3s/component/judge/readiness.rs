//! Whether the apiserver becomes ready, which K3s waits for before it starts anything else.

use super::{Process, access, apiserver_elsewhere};
use crate::k3s::component::{Argument, Component};

/// What the other components find at their start.
pub(super) struct Readiness<'a> {
    is_ready: bool,
    /// What keeps the others from asking the apiserver, where they are started all the same.
    pub(super) forbids: Option<&'a Argument>,
}

impl<'a> Readiness<'a> {
    pub(super) fn of(process: Process<'a>) -> Self {
        let apiserver = process.line(Component::Apiserver);
        let is_ready = access::never_ready(&apiserver).is_none()
            && access::admits_k3s(&apiserver)
            && apiserver_elsewhere::waited_for_in_vain(&apiserver, process.options).is_none();
        Self {
            is_ready,
            forbids: access::forbids_the_others(&apiserver),
        }
    }

    pub(super) const fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Nothing keeps a component back.
    pub(super) const fn all_are_started(&self) -> bool {
        self.is_ready && self.forbids.is_none()
    }

    /// Whether a component is not started. The kubelet asks with its own rights whether the apiserver is ready.
    pub(super) const fn keeps_back(&self, component: Component) -> bool {
        match component {
            Component::Apiserver => false,
            Component::Kubelet => !self.all_are_started(),
            _ => !self.is_ready,
        }
    }
}
