//! The components of Kubernetes that K3s runs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A Kubernetes component that K3s runs inside its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// kube-apiserver.
    #[serde(rename = "kube-apiserver")]
    Apiserver,
    /// kube-scheduler.
    #[serde(rename = "kube-scheduler")]
    Scheduler,
    /// kube-controller-manager.
    #[serde(rename = "kube-controller-manager")]
    ControllerManager,
    /// cloud-controller-manager.
    CloudControllerManager,
    /// kubelet.
    Kubelet,
    /// kube-proxy.
    KubeProxy,
}

impl Component {
    /// Every component, in the order in which K3s starts them.
    pub const ALL: [Self; 6] = [
        Self::Apiserver,
        Self::Scheduler,
        Self::ControllerManager,
        Self::CloudControllerManager,
        Self::Kubelet,
        Self::KubeProxy,
    ];

    /// The name that K3s logs: `kube-apiserver`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apiserver => "kube-apiserver",
            Self::Scheduler => "kube-scheduler",
            Self::ControllerManager => "kube-controller-manager",
            Self::CloudControllerManager => "cloud-controller-manager",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
        }
    }

    /// The component that the list of a K3s option goes to.
    #[must_use]
    pub fn of_option(option: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|component| component.option() == option)
    }

    /// The K3s option whose list goes to this component.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Apiserver => "kube-apiserver-arg",
            Self::Scheduler => "kube-scheduler-arg",
            Self::ControllerManager => "kube-controller-manager-arg",
            Self::CloudControllerManager => "kube-cloud-controller-manager-arg",
            Self::Kubelet => "kubelet-arg",
            Self::KubeProxy => "kube-proxy-arg",
        }
    }

    /// Finds a component by the name that K3s logs.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|component| component.name() == name)
    }
}

impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
