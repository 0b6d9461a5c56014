//! What to wait for while a start of this node's K3s settles.

use crate::k3s::component::Component;
use crate::k3s::{Effective, Role};
use crate::reconcile::Pass;
use crate::reconcile::restart::follow::Following;
use crate::reconcile::restart::heard::Marker;
use crate::reconcile::restart::settle::SettleRules;

/// The rules of the policy, and the line that counts on this node.
#[must_use]
pub fn following(pass: &Pass<'_>) -> Following {
    let rules = &pass.policy.restart;
    let marker = match pass.effective() {
        Ok(effective) => marker(effective),
        Err(_) => None,
    };
    Following {
        rules: SettleRules {
            settle_time: rules.settle_time.value,
            limit: rules.settle_limit.value,
        },
        marker,
    }
}

fn marker(effective: &Effective) -> Option<Marker> {
    let runs = |component| !effective.start.components.line(component).is_empty();
    match effective.configuration.role {
        Role::Server => runs(Component::Scheduler).then_some(Marker::Scheduler),
        Role::Agent => Some(Marker::Kubelet),
    }
}
