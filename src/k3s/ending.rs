//! Why K3s would end when it starts.

use std::fmt;

use super::Place;
use super::component::Component;

/// Why K3s would end when it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// One sentence for the operator.
    pub reason: String,
    /// The place to mend, where there is one.
    pub from: Option<Place>,
    /// The component that K3s ends with; `None` where it starts none before it ends.
    pub component: Option<Component>,
    /// What was wrong, where a mend of it is known.
    pub slip: Option<Slip>,
}

/// What an operator can have wrong that there is a mend for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slip {
    /// No option of K3s: its name without dashes, as it may be shown.
    UnknownOption(String),
    /// No flag of the component: its name without dashes, as it may be shown.
    UnknownFlag(String),
    /// The kubelet takes no host with cgroup v1.
    CgroupV1,
}

impl Ending {
    /// K3s itself refuses.
    pub(super) fn new(reason: impl Into<String>, from: Option<Place>) -> Self {
        Self {
            reason: reason.into(),
            from,
            component: None,
            slip: None,
        }
    }

    /// The same, over what an option says.
    pub(super) fn of_k3s(reason: impl Into<String>, from: Option<&Place>) -> Self {
        Self::new(reason, from.cloned())
    }

    /// A component ends, and K3s with it. K3s's defaults are no place to mend.
    pub(super) fn of(component: Component, reason: &str, from: Option<Place>) -> Self {
        let name = match component {
            Component::Apiserver => "apiserver",
            Component::Scheduler => "scheduler",
            Component::ControllerManager => "controller-manager",
            other => other.name(),
        };
        Self {
            component: Some(component),
            ..Self::new(
                format!("{name} exited: {reason}"),
                from.filter(|place| *place != Place::Default),
            )
        }
    }

    /// The same, with what was wrong.
    pub(super) fn over(self, slip: Slip) -> Self {
        Self {
            slip: Some(slip),
            ..self
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.from {
            Some(from) => write!(formatter, "{} ({from})", self.reason),
            None => formatter.write_str(&self.reason),
        }
    }
}
