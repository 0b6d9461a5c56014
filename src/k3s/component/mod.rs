//! From the merged K3s options to the command line of every component, as K3s logs it (`Running kube-apiserver ...`),
//! and what would keep those components from starting.
//!
//! K3s's own arguments are data (`data/defaults.txt`), as are the flags that each Kubernetes minor knows
//! (`data/flags.txt`); what K3s and Kubernetes do with them is code.

mod argument;
mod csv;
mod defaults;
mod document;
mod extra;
mod flags;
mod in_force;
mod judge;
mod kubelet;
mod minors;
mod name;
mod network;
mod option_effect;
mod options;
mod releases;
mod schema;
mod sections;
mod situation;
mod value;

pub use argument::{Argument, Components};
pub use flags::flags_of;
pub(super) use flags::knows_flag;
pub use in_force::{InForce, in_force_on_line, left_to_a_file};
pub use judge::{
    CgroupVersion, Facts, KERNEL_PARAMETERS, admission_sections, plugins_without_section,
    refuses_audit_log, refuses_audit_policy,
};
pub use kubelet::{Eviction, KubeletSettings, Setting};
pub use name::Component;
pub use value::gate_pairs;

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::host::HostError;
pub use crate::k3s::go_duration::nanoseconds;
pub use crate::k3s::go_value::{boolean, integer};
use crate::k3s::{Ending, Files, K3sVersion, Merge, Place, Role, SECRET, Sourced};
use judge::{Circumstances, Process, Reach};
use kubelet::{Extracted, NoSettings};
use options::Options;
use situation::Situation;

/// Stands for a value that only the running machine knows.
pub const AUTO: &str = "{auto}";

/// The flags of all components of a release.
#[must_use]
pub fn known_flags(version: K3sVersion) -> Vec<&'static str> {
    let of = |component| flags::Flags::of(component, version.minor).names();
    Component::ALL.into_iter().flat_map(of).collect()
}

/// What the arguments depend on besides the options.
#[derive(Debug, Clone)]
pub struct Node {
    /// The K3s release that will run.
    pub version: K3sVersion,
    /// Server or agent.
    pub role: Role,
    /// K3s's data directory, `/var/lib/rancher/k3s` unless `data-dir` moved it.
    pub data_dir: PathBuf,
}

impl Node {
    /// The file that an argument of a component names. One process runs them all: a server's in its own directory (K3s
    /// pkg/server/server.go setupDataDirAndChdir), an agent's in the one that systemd starts it in.
    #[must_use]
    pub fn named_file(&self, name: &str) -> PathBuf {
        let directory = match self.role {
            Role::Server => self.data_dir.join("server"),
            Role::Agent => PathBuf::from("/"),
        };
        directory.join(name)
    }
}

/// What comes out when everything is known about the next start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// The command lines.
    pub components: Components,
    /// The kubelet's settings after flags and files; `None` where none runs or its files cannot be read.
    pub kubelet: Option<KubeletSettings>,
    /// Why the kubelet's files could not be looked at, so that nobody knows its settings.
    pub kubelet_unseen: Option<HostError>,
    /// Whether an operator's own argument has Secrets encrypted or not, and what gives it; `None` where the option tells.
    pub encryption: Option<(bool, Place)>,
    /// Encryption is off under a key: what is encrypted with it could not be read, and K3s would not become ready.
    pub encryption_withdrawn: Option<String>,
    /// The flags for which a file stands (the apiserver's `authentication-config` and `authorization-config`, `config` of the
    /// scheduler and kube-proxy), and what it says.
    pub by_files: BTreeMap<(Component, &'static str), InForce>,
    /// Why K3s would end, the first reason first; empty if nothing is known that would end it.
    pub endings: Vec<Ending>,
    /// Why it would end once all of that is mended.
    pub hidden_endings: Vec<Ending>,
    /// The operator's items that K3s would lose without a word, each with its place and mend.
    pub swallowed: Vec<String>,
    /// What else K3s would do without a word and the operator should know.
    pub warnings: Vec<String>,
}

/// Works out what K3s would start its components with, and whether it would end over it.
///
/// `files` are looked at for every file that an argument names. What only a running machine tells is in `facts`.
#[must_use]
pub fn start(merge: &Merge, node: &Node, facts: &Facts, files: &Files<'_>) -> Start {
    let options = Options::new(merge);
    let situation = Situation::of(options, node, files);
    let extracted = extracted(options, node);
    let components = components(options, node, &situation, &extracted);
    let line = components.line(Component::Kubelet);
    let read =
        (!line.is_empty()).then(|| kubelet::effective(line, &extracted, &situation, node, files));
    let (settings, kubelet_unseen) = match read {
        Some(Ok(settings)) => (Some(Ok(settings)), None),
        Some(Err(NoSettings::Ends(ending))) => (Some(Err(ending)), None),
        Some(Err(NoSettings::Unseen(error))) => (None, Some(error)),
        None => (None, None),
    };
    let process = Process {
        options,
        components: &components,
        node,
        files,
        reach: Reach::ThisStart,
    };
    let circumstances = Circumstances {
        settings: settings.as_ref(),
        extracted: &extracted,
        facts,
    };
    let endings = judge::endings(process, circumstances);
    let hidden_endings = judge::hidden_behind(&endings, process, circumstances);
    Start {
        kubelet: settings.and_then(Result::ok),
        kubelet_unseen,
        encryption: judge::encryption(process),
        encryption_withdrawn: judge::encryption_withdrawn(process),
        by_files: judge::decided_by_files(process),
        endings,
        hidden_endings,
        swallowed: judge::swallowed(&extracted, node),
        warnings: judge::warnings(process),
        components,
    }
}

/// The operator's kubelet list; from 1.32 on K3s takes configuration files out of it.
fn extracted(options: Options<'_>, node: &Node) -> Extracted {
    let items = options.items(Component::Kubelet.option());
    if kubelet::reads_dropins(node.version) {
        kubelet::extract(items)
    } else {
        Extracted {
            items: items.to_vec(),
            ..Extracted::default()
        }
    }
}

fn components(
    options: Options<'_>,
    node: &Node,
    situation: &Situation,
    extracted: &Extracted,
) -> Components {
    let mut components = Components::default();
    for component in Component::ALL {
        if !runs(component, options, node, situation) {
            continue;
        }
        let own = defaults::of(component, node, situation);
        let items = match component {
            Component::Apiserver => apiserver_items(options, node),
            Component::Kubelet => extracted.items.clone(),
            _ => options.items(component.option()).to_vec(),
        };
        components
            .lines
            .insert(component, extra::merge(own, &items, node.version));
    }
    components
}

/// Whether K3s runs a component at all (control.Server, agent.Agent).
fn runs(component: Component, options: Options<'_>, node: &Node, situation: &Situation) -> bool {
    let agent = node.role == Role::Agent;
    let reset = options.on("cluster-reset");
    match component {
        Component::Kubelet => agent || !(options.on("disable-agent") || reset),
        Component::KubeProxy => {
            let off = options.on("disable-kube-proxy") || options.on("disable-agent") || reset;
            agent || !off
        }
        _ if agent || reset => false,
        Component::Apiserver => !options.on("disable-apiserver"),
        Component::Scheduler => !options.on("disable-scheduler"),
        Component::ControllerManager => !options.on("disable-controller-manager"),
        Component::CloudControllerManager => {
            let balancer = releases::Since::parse("1.23.13+1.24.7+1.25.3")
                .is_some_and(|since| since.reached(node.version));
            situation.holds("cloud-controller") || (balancer && situation.holds("servicelb"))
        }
    }
}

/// The ciphers that K3s appends when it finds none in the operator's list (pkg/cli/server/server.go).
const CIPHERS: &str = "tls-cipher-suites=TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,\
TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,\
TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305,\
TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305";

fn apiserver_items(options: Options<'_>, node: &Node) -> Vec<Sourced> {
    let mut items = options.items(Component::Apiserver.option()).to_vec();
    let appended = releases::Since::parse("1.23.16+1.24.10+1.25.6+1.26.1")
        .is_some_and(|since| since.reached(node.version));
    let found = extra::find("tls-cipher-suites", &items, node.version);
    // Only the first suite of the first item is looked at.
    let first = found.text().split(',').next().unwrap_or_default().trim();
    if appended && first.is_empty() {
        items.push(Sourced {
            value: CIPHERS.to_owned(),
            place: Place::Default,
        });
    }
    items
}

#[cfg(test)]
mod tests;
