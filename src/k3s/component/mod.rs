//! From the merged K3s options to the command line of every component, as K3s logs it (`Running kube-apiserver ...`),
//! and what would keep those components from starting.
//!
//! K3s's own arguments are data (`data/defaults.txt`), as are the flags that each Kubernetes minor knows
//! (`data/flags.txt`); what K3s and Kubernetes do with them is code.

mod defaults;
mod document;
mod extra;
mod flags;
mod in_force;
mod judge;
mod kubelet;
mod minors;
mod network;
mod options;
mod releases;
mod situation;
mod value;

pub(super) use flags::knows_flag;
pub use in_force::{InForce, in_force_on_line};
pub use judge::{
    CgroupVersion, Facts, KERNEL_PARAMETERS, admission_sections, plugins_without_section,
    refuses_audit_policy,
};
pub use kubelet::{Eviction, KubeletSettings, Setting};

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::k3s::{
    Ending, Files, K3sVersion, Merge, Place, Role, SECRET, Sourced, hides, shown_value,
};
use kubelet::Extracted;
use options::Options;
use situation::Situation;

/// Stands for a value that only the running machine knows.
pub const AUTO: &str = "{auto}";

/// A Kubernetes component that K3s runs inside its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// kube-apiserver.
    Apiserver,
    /// kube-scheduler.
    Scheduler,
    /// kube-controller-manager.
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

/// One word of a component's command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// The flag without dashes.
    pub flag: String,
    /// Its value.
    pub value: String,
    /// What gave it: the item of the operator's list, or the option from which K3s made its own argument;
    /// [`Place::Default`] where nothing but K3s decided.
    pub place: Place,
    /// Values that it replaced: K3s's default, and up to 1.23.5 earlier items of the same flag.
    pub overrode: Vec<Sourced>,
}

impl Argument {
    /// The value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        hides(&self.flag, &self.value)
    }

    /// The word as it may be shown: a secret is `{secret}`.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("--{}={}", self.flag, shown_value(&self.flag, &self.value))
    }
}

/// The word as K3s logs it, a secret too.
impl fmt::Display for Argument {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "--{}={}", self.flag, self.value)
    }
}

/// The command lines of all components that K3s would run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Components {
    /// Component to arguments, in the order in which K3s logs them.
    pub lines: BTreeMap<Component, Vec<Argument>>,
}

impl Components {
    /// The arguments of a component; none if it does not run.
    #[must_use]
    pub fn line(&self, component: Component) -> &[Argument] {
        self.lines.get(&component).map_or(&[], Vec::as_slice)
    }

    /// The words of a component's line, as K3s logs them.
    #[must_use]
    pub fn words(&self, component: Component) -> Vec<String> {
        self.line(component)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Every value of a flag, in order.
    pub fn values<'a>(
        &'a self,
        component: Component,
        flag: &'a str,
    ) -> impl Iterator<Item = &'a Argument> + use<'a> {
        self.line(component)
            .iter()
            .filter(move |argument| argument.flag == flag)
    }
}

/// What comes out when everything is known about the next start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Start {
    /// The command lines.
    pub components: Components,
    /// The kubelet's settings after flags and files; `None` where none runs or its files cannot be read.
    pub kubelet: Option<KubeletSettings>,
    /// Why K3s would end, the first reason first; empty if nothing is known that would end it.
    pub endings: Vec<Ending>,
    /// What K3s would do without a word and the operator should know.
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
    let settings =
        (!line.is_empty()).then(|| kubelet::effective(line, &extracted, &situation, node, files));
    let endings = judge::endings(
        options,
        &components,
        settings.as_ref(),
        &extracted,
        facts,
        node,
        files,
    );
    Start {
        kubelet: settings.and_then(Result::ok),
        endings,
        warnings: [
            judge::warnings(&extracted),
            judge::unknown_flags(&components, node),
        ]
        .concat(),
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
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::host::Root;
    use crate::k3s::SetOption;

    fn option(texts: Vec<String>) -> SetOption {
        let values = texts
            .into_iter()
            .map(|value| Sourced {
                value,
                place: Place::ExecStart {
                    unit: "k3s.service".to_owned(),
                },
            })
            .collect();
        SetOption {
            list: true,
            values,
            overrode: Vec::new(),
        }
    }

    fn with(options: Vec<(&str, Vec<&str>)>, version: &str, role: Role) -> Start {
        let tree = tempfile::tempdir().unwrap();
        let root = Root::open(tree.path()).unwrap();
        let mut merge = Merge::default();
        for (name, values) in options {
            let values = values.into_iter().map(str::to_owned).collect();
            merge.options.insert(name.to_owned(), option(values));
        }
        let node = Node {
            version: version.parse().unwrap(),
            role,
            data_dir: "/var/lib/rancher/k3s".into(),
        };
        start(&merge, &node, &Facts::default(), &Files::new(&root))
    }

    fn value(start: &Start, component: Component, flag: &str) -> Option<String> {
        let mut values = start.components.values(component, flag);
        values.next().map(|argument| argument.value.clone())
    }

    #[test]
    fn k3s_starts_with_its_own_defaults_in_every_release_of_the_tables() {
        for minor in 20..=37 {
            for role in [Role::Server, Role::Agent] {
                let start = with(vec![], &format!("1.{minor}.5"), role);
                assert!(
                    start.endings.is_empty(),
                    "1.{minor} {role:?}: {:#?}",
                    start.endings
                );
                for component in Component::ALL {
                    let flags = flags::Flags::of(component, minor);
                    for argument in start.components.line(component) {
                        let refused = flags.refuses(argument);
                        assert!(refused.is_none(), "1.{minor} {component}: {refused:?}");
                    }
                }
                let control_plane = !start.components.line(Component::Apiserver).is_empty();
                assert_eq!(control_plane, role == Role::Server);
                assert!(start.kubelet.is_some());
            }
        }
    }

    #[test]
    fn an_argument_that_k3s_makes_of_an_option_names_the_option_s_place() {
        let start = with(
            vec![("cluster-cidr", vec!["10.9.3.0/16"])],
            "1.36.3",
            Role::Server,
        );
        let argument = start
            .components
            .values(Component::KubeProxy, "cluster-cidr")
            .next()
            .unwrap();
        assert_eq!(argument.value, "10.9.0.0/16");
        assert_eq!(argument.place.to_string(), "k3s.service ExecStart");
    }

    #[test]
    fn the_port_after_the_largest_number_wraps_as_in_go() {
        let largest = i64::MAX.to_string();
        let start = with(
            vec![("https-listen-port", vec![&largest])],
            "1.36.3",
            Role::Server,
        );
        let port = value(&start, Component::Apiserver, "secure-port");
        assert_eq!(port, Some(i64::MIN.to_string()));
    }

    #[test]
    fn a_default_that_the_operator_replaced_is_named() {
        let start = with(
            vec![("kube-apiserver-arg", vec!["anonymous-auth=true"])],
            "1.36.3",
            Role::Server,
        );
        let argument = start
            .components
            .values(Component::Apiserver, "anonymous-auth")
            .next()
            .unwrap();
        assert_eq!(argument.overrode[0].value, "false");
    }

    #[test]
    fn an_external_etcd_is_a_secret_and_a_managed_one_is_not() {
        let external = with(
            vec![("datastore-endpoint", vec!["https://u:p@db:2379"])],
            "1.36.3",
            Role::Server,
        );
        let servers = |start: &Start| value(start, Component::Apiserver, "etcd-servers");
        assert_eq!(servers(&external), Some(SECRET.to_owned()));
        let managed = with(vec![("cluster-init", vec!["true"])], "1.36.3", Role::Server);
        assert_eq!(servers(&managed), Some("https://127.0.0.1:2379".to_owned()));
        let elects = value(&managed, Component::Scheduler, "leader-elect");
        assert_eq!(elects, None);
    }

    #[test]
    fn flags_that_went_away_end_k3s_from_the_release_on_that_lost_them() {
        for (item, last) in [
            ("insecure-port=0", 23),
            ("enable-admission-plugins=PodSecurityPolicy", 24),
        ] {
            let ends = |minor: u16| {
                let options = vec![("kube-apiserver-arg", vec![item])];
                !with(options, &format!("1.{minor}.9"), Role::Server)
                    .endings
                    .is_empty()
            };
            assert!(!ends(last), "{item} at 1.{last}");
            assert!(ends(last + 1), "{item} at 1.{}", last + 1);
        }
    }

    #[test]
    fn a_release_newer_than_the_tables_has_no_unknown_flags() {
        let options = vec![("kube-apiserver-arg", vec!["brand-new-flag=1"])];
        assert!(with(options, "1.99.0", Role::Server).endings.is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn no_list_of_items_makes_it_panic(
            items in proptest::collection::vec("(--)?[a-z-]{0,12}[+-]?(=.{0,12})?", 0..6),
            minor in 20_u16..38,
        ) {
            let tree = tempfile::tempdir().unwrap();
            let root = Root::open(tree.path()).unwrap();
            let mut merge = Merge::default();
            for component in Component::ALL {
                merge.options.insert(component.option().to_owned(), option(items.clone()));
            }
            for name in ["cluster-cidr", "node-ip", "node-label", "tls-san", "disable", "data-dir"] {
                merge.options.insert(name.to_owned(), option(items.clone()));
            }
            let node = Node { version: K3sVersion::new(minor, 5), role: Role::Server, data_dir: "/d".into() };
            let found = start(&merge, &node, &Facts::default(), &Files::new(&root));
            prop_assert!(found.components.lines.len() > 1);
        }
    }
}
