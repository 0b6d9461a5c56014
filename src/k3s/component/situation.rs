//! What K3s's own arguments depend on: the options, the version, and a few files.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;

use super::extra;
use super::network::{Network, joined};
use super::options::Options;
use super::releases::Since;
use super::{AUTO, Node, SECRET};
use crate::host::Kind;
use crate::k3s::{Files, Place, Role};

/// The conditions that `data/defaults.txt` may name.
#[cfg(test)]
pub(super) const CONDITIONS: &[&str] = &[
    "advertise-address",
    "alsologtostderr",
    "authentication-config",
    "authorization-config",
    "cloud-controller",
    "containerd",
    "credential-provider",
    "dual-node-ip",
    "egress-selector",
    "etcd-cafile",
    "etcd-certfile",
    "etcd-keyfile",
    "flannel",
    "flannel-external-ip",
    "image-service",
    "ipv6",
    "log",
    "multi-cluster-cidr",
    "node-ip",
    "node-taints",
    "protect-kernel-defaults",
    "runtime",
    "secrets-encryption",
    "servicelb",
    "single-datastore",
    "v",
    "vmodule",
];

/// The values that `data/defaults.txt` may name.
#[cfg(test)]
pub(super) const VALUES: &[&str] = &[
    "advertise-address",
    "advertise-port",
    "agent",
    "apiserver-bind-address",
    "apiserver-port",
    "auto",
    "bind-address",
    "cluster-cidr",
    "cluster-dns",
    "cluster-domain",
    "etcd-cafile",
    "etcd-certfile",
    "etcd-keyfile",
    "etcd-servers",
    "image-credential-provider-bin-dir",
    "image-credential-provider-config",
    "image-service-endpoint",
    "log",
    "loopback",
    "node-ip",
    "node-labels",
    "node-loopback",
    "node-name",
    "node-taints",
    "pause-image",
    "resolv-conf",
    "runtime-endpoint",
    "runtime-socket",
    "server",
    "service-cidr",
    "service-node-port-range",
    "v",
    "vmodule",
];

const CONTAINERD_SOCKET: &str = "/run/k3s/containerd/containerd.sock";
const CRI_DOCKERD_SOCKET: &str = "unix:///run/k3s/cri-dockerd/cri-dockerd.sock";
const PAUSE_IMAGE: &str = "rancher/mirrored-pause:3.6";
const CREDENTIAL_PROVIDER: &str = "/var/lib/rancher/credentialprovider";

/// Which options decide a value or a condition; the first that is set is the one to look at.
const DECIDED_BY: &[(&str, &[&str])] = &[
    (
        "advertise-address",
        &[
            "advertise-address",
            "node-external-ip",
            "node-ip",
            "flannel-iface",
        ],
    ),
    ("advertise-port", &["advertise-port", "https-listen-port"]),
    ("alsologtostderr", &["alsologtostderr"]),
    ("apiserver-bind-address", &["apiserver-bind-address"]),
    ("apiserver-port", &["apiserver-port", "https-listen-port"]),
    ("bind-address", &["bind-address"]),
    ("cloud-controller", &["disable-cloud-controller"]),
    ("cluster-cidr", &["cluster-cidr"]),
    ("cluster-dns", &["cluster-dns", "service-cidr"]),
    ("cluster-domain", &["cluster-domain"]),
    ("egress-selector", &["egress-selector-mode"]),
    (
        "etcd-cafile",
        &["datastore-cafile", "cluster-init", "kine-tls"],
    ),
    ("etcd-certfile", &["datastore-certfile", "cluster-init"]),
    ("etcd-keyfile", &["datastore-keyfile", "cluster-init"]),
    (
        "etcd-servers",
        &["datastore-endpoint", "cluster-init", "server", "kine-tls"],
    ),
    ("flannel-external-ip", &["flannel-external-ip"]),
    (
        "image-credential-provider-bin-dir",
        &["image-credential-provider-bin-dir"],
    ),
    (
        "image-credential-provider-config",
        &["image-credential-provider-config"],
    ),
    ("image-service-endpoint", &["image-service-endpoint"]),
    ("log", &["log"]),
    ("multi-cluster-cidr", &["multi-cluster-cidr"]),
    ("node-ip", &["node-ip"]),
    ("node-labels", &["node-label"]),
    ("node-name", &["node-name"]),
    ("node-taints", &["node-taint"]),
    ("pause-image", &["pause-image"]),
    ("protect-kernel-defaults", &["protect-kernel-defaults"]),
    ("resolv-conf", &["resolv-conf"]),
    (
        "runtime-endpoint",
        &["docker", "container-runtime-endpoint"],
    ),
    ("runtime-socket", &["docker", "container-runtime-endpoint"]),
    ("secrets-encryption", &["secrets-encryption"]),
    ("service-cidr", &["service-cidr"]),
    ("service-node-port-range", &["service-node-port-range"]),
    ("servicelb", &["disable"]),
    ("v", &["v"]),
    ("vmodule", &["vmodule"]),
];

/// Values and conditions for the table of defaults.
#[derive(Debug, Clone, Default)]
pub(super) struct Situation {
    values: BTreeMap<&'static str, String>,
    conditions: BTreeSet<&'static str>,
    places: BTreeMap<&'static str, Place>,
}

impl Situation {
    /// Looks at the merged options and, for the data store and the credential provider, at files.
    pub(super) fn of(options: Options<'_>, node: &Node, files: &Files<'_>) -> Self {
        let mut situation = Self::default();
        situation.paths(options, node);
        situation.addresses(options, node);
        situation.networks(options, node);
        situation.datastore(options, node, files);
        situation.switches(options, node);
        situation.runtime(options, node);
        situation.credential_provider(options, files);
        for (name, deciding) in DECIDED_BY {
            if let Some(place) = deciding.iter().find_map(|option| options.place(option)) {
                situation.places.insert(name, place.clone());
            }
        }
        situation
    }

    /// The option that decided a value or a condition; `None` where K3s's own default did.
    pub(super) fn place(&self, name: &str) -> Option<Place> {
        self.places.get(name).cloned()
    }

    /// Whether a condition holds.
    pub(super) fn holds(&self, condition: &str) -> bool {
        self.conditions.contains(condition)
    }

    /// Puts values into `{name}`.
    pub(super) fn fill(&self, template: &str) -> String {
        let mut text = String::with_capacity(template.len());
        let mut parts = template.split('{');
        text.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or((part, ""));
            text.push_str(self.value(name));
            text.push_str(rest);
        }
        text
    }

    /// A value by name.
    pub(super) fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    fn put(&mut self, name: &'static str, value: impl Into<String>) {
        self.values.insert(name, value.into());
    }

    fn when(&mut self, name: &'static str, holds: bool) {
        if holds {
            self.conditions.insert(name);
        }
    }

    /// A value that is also a condition: given or not.
    fn given(&mut self, name: &'static str, value: Option<&str>) {
        self.when(name, value.is_some());
        self.put(name, value.unwrap_or_default());
    }

    fn paths(&mut self, options: Options<'_>, node: &Node) {
        let data = node.data_dir.display();
        self.put("server", format!("{data}/server"));
        self.put("agent", format!("{data}/agent"));
        self.put("auto", AUTO);
        self.put(
            "cluster-domain",
            options
                .text("cluster-domain")
                .unwrap_or(if node.role == Role::Server {
                    "cluster.local"
                } else {
                    AUTO
                }),
        );
        self.put("resolv-conf", options.text("resolv-conf").unwrap_or(AUTO));
        self.put(
            "pause-image",
            options.text("pause-image").unwrap_or(PAUSE_IMAGE),
        );
        for (name, option) in [("vmodule", "vmodule"), ("log", "log")] {
            self.given(name, options.text(option));
        }
        self.given("v", options.text("v").filter(|level| *level != "0"));
    }

    fn addresses(&mut self, options: Options<'_>, node: &Node) {
        let addresses: Vec<IpAddr> = options
            .words("node-ip")
            .filter_map(|(word, _)| word.parse().ok())
            .collect();
        let ipv6 = addresses.first().is_some_and(IpAddr::is_ipv6);
        let several = Since::parse("1.25.15+1.26.10+1.27.7+1.28.3")
            .is_some_and(|since| since.reached(node.version));
        let vpn = options.text("vpn-auth").is_some() || options.text("vpn-auth-file").is_some();
        let shown = match addresses.first() {
            _ if vpn => AUTO.to_owned(),
            None => AUTO.to_owned(),
            Some(_) if several && !options.on("disable-cloud-controller") => joined(&addresses),
            Some(first) => first.to_string(),
        };
        self.when("node-ip", !addresses.is_empty() || vpn);
        self.when("dual-node-ip", addresses.len() > 1);
        self.put("node-ip", shown);
        self.put("node-loopback", if ipv6 { "::1" } else { "127.0.0.1" });
        let listen = if ipv6 { "::" } else { "0.0.0.0" };
        self.put(
            "bind-address",
            options.text("bind-address").unwrap_or(listen),
        );
        let name = match options.text("node-name") {
            Some(name) if !options.on("with-node-id") => name.to_lowercase(),
            _ => AUTO.to_owned(),
        };
        self.put("node-name", name);
        self.advertised(options, vpn);
    }

    /// `advertise-address` is passed on only where something leads to one (pkg/cli/server/server.go).
    fn advertised(&mut self, options: Options<'_>, vpn: bool) {
        let first = |name: &str| {
            options
                .words(name)
                .find(|(word, _)| word.parse::<IpAddr>().is_ok())
                .map(|(word, _)| word)
        };
        let interface = options.text("flannel-iface").map(|_| AUTO);
        let address = if vpn {
            Some(AUTO)
        } else {
            options
                .text("advertise-address")
                .or_else(|| first("node-external-ip"))
                .or_else(|| first("node-ip"))
                .or(interface)
        };
        self.given("advertise-address", address);
        let https = options.number("https-listen-port", 6443);
        let or = |number: i64, other: i64| if number == 0 { other } else { number };
        let advertised = or(options.number("advertise-port", 0), https);
        // Go wraps, and so K3s gets as far as listening there.
        let next = or(https, 6443).wrapping_add(1);
        let internal = or(options.number("apiserver-port", 0), next);
        self.put("advertise-port", advertised.to_string());
        self.put("apiserver-port", internal.to_string());
    }

    fn networks(&mut self, options: Options<'_>, node: &Node) {
        let ipv6 = self.value("node-loopback") == "::1";
        let networks = |name: &str, default: &str| -> Vec<Network> {
            let given: Vec<Network> = options
                .words(name)
                .filter_map(|(word, _)| Network::parse(word))
                .collect();
            if given.is_empty() {
                Network::parse(default).into_iter().collect()
            } else {
                given
            }
        };
        let clusters = networks(
            "cluster-cidr",
            if ipv6 { "fd00:42::/56" } else { "10.42.0.0/16" },
        );
        let services = networks(
            "service-cidr",
            if ipv6 {
                "fd00:43::/112"
            } else {
                "10.43.0.0/16"
            },
        );
        let loopback = match services.first() {
            Some(network) if network.is_ipv6() => "::1",
            _ => "127.0.0.1",
        };
        self.when(
            "ipv6",
            clusters.iter().chain(&services).any(Network::is_ipv6),
        );
        self.put("loopback", loopback);
        self.put(
            "apiserver-bind-address",
            options.text("apiserver-bind-address").unwrap_or(loopback),
        );
        let server = node.role == Role::Server;
        let known = |text: String| if server { text } else { AUTO.to_owned() };
        self.put("cluster-dns", known(cluster_dns(options, node, &services)));
        self.put("cluster-cidr", known(joined(&clusters)));
        self.put("service-cidr", known(joined(&services)));
        let ports = options.text("service-node-port-range");
        self.put("service-node-port-range", ports.unwrap_or("30000-32767"));
    }

    fn datastore(&mut self, options: Options<'_>, node: &Node, files: &Files<'_>) {
        let endpoint = options.text("datastore-endpoint");
        let write_ahead_log = node.data_dir.join("server/db/etcd/member/wal");
        let initialized = matches!(files.kind(&write_ahead_log), Ok(Some(Kind::Directory)));
        let token = options.text("token").or_else(|| options.text("token-file"));
        let joining = options.text("server").is_some() && token.is_some();
        let creating = options.on("cluster-init") || options.on("cluster-reset") || joining;
        let tls = |name: &'static str| options.text(name);
        if initialized || (endpoint.is_none() && creating) {
            let host = if self.value("loopback") == "::1" {
                "[::1]"
            } else {
                "127.0.0.1"
            };
            self.put("etcd-servers", format!("https://{host}:2379"));
            let server = self.value("server").to_owned();
            for (name, file) in [
                ("etcd-cafile", "server-ca.crt"),
                ("etcd-certfile", "client.crt"),
                ("etcd-keyfile", "client.key"),
            ] {
                self.given(name, Some(&format!("{server}/tls/etcd/{file}")));
            }
        } else if endpoint
            .is_some_and(|url| url.starts_with("http://") || url.starts_with("https://"))
        {
            self.put("etcd-servers", SECRET);
            self.given("etcd-cafile", tls("datastore-cafile"));
            self.given("etcd-certfile", tls("datastore-certfile"));
            self.given("etcd-keyfile", tls("datastore-keyfile"));
        } else {
            let encrypted = options.on("kine-tls");
            self.put(
                "etcd-servers",
                if encrypted {
                    "unixs://kine.sock"
                } else {
                    "unix://kine.sock"
                },
            );
            let authority = format!("{}/tls/etcd/server-ca.crt", self.value("server"));
            self.given("etcd-cafile", encrypted.then_some(authority.as_str()));
            let sqlite =
                endpoint.is_none_or(|url| url.starts_with("sqlite") || !url.contains("://"));
            self.when("single-datastore", sqlite);
        }
    }

    fn switches(&mut self, options: Options<'_>, node: &Node) {
        let apiserver = options.items("kube-apiserver-arg");
        for name in ["authentication-config", "authorization-config"] {
            self.when(
                name,
                !extra::find(name, apiserver, node.version).text().is_empty(),
            );
        }
        for name in [
            "alsologtostderr",
            "flannel-external-ip",
            "multi-cluster-cidr",
            "protect-kernel-defaults",
            "secrets-encryption",
        ] {
            self.when(name, options.on(name));
        }
        let reset = options.on("cluster-reset");
        self.when(
            "cloud-controller",
            !options.on("disable-cloud-controller") && !reset,
        );
        let servicelb = options
            .words("disable")
            .any(|(word, _)| word == "servicelb");
        self.when("servicelb", !servicelb && !reset);
        self.when("flannel", options.text("flannel-backend") != Some("none"));
        let egress = options.text("egress-selector-mode").unwrap_or("agent");
        self.when("egress-selector", egress != "disabled");
        let list = |name: &str| -> Vec<&str> {
            let items = options.items(name).iter();
            items.map(|sourced| sourced.value.as_str()).collect()
        };
        self.put("node-labels", list("node-label").join(","));
        let taints = list("node-taint");
        self.when("node-taints", !taints.is_empty());
        self.put("node-taints", taints.join(","));
    }

    fn runtime(&mut self, options: Options<'_>, node: &Node) {
        // Up to 1.23 `docker` means the kubelet's own dockershim, which needs no socket.
        let dockershim = options.on("docker") && node.version.minor < 24;
        let socket = match options.text("container-runtime-endpoint") {
            _ if options.on("docker") => CRI_DOCKERD_SOCKET,
            Some(socket) => socket,
            None => CONTAINERD_SOCKET,
        };
        self.when("runtime", !dockershim);
        self.when("containerd", socket.contains("containerd"));
        self.put("runtime-socket", socket);
        self.put("runtime-endpoint", with_scheme(socket));
        let images = options.text("image-service-endpoint").map(with_scheme);
        self.when("image-service", images.is_some());
        self.put("image-service-endpoint", images.unwrap_or_default());
    }

    fn credential_provider(&mut self, options: Options<'_>, files: &Files<'_>) {
        let directory = options
            .text("image-credential-provider-bin-dir")
            .map_or_else(|| format!("{CREDENTIAL_PROVIDER}/bin"), str::to_owned);
        let config = options
            .text("image-credential-provider-config")
            .map_or_else(
                || format!("{CREDENTIAL_PROVIDER}/config.yaml"),
                str::to_owned,
            );
        let kind = |path: &str| files.kind(Path::new(path)).ok().flatten();
        let available = kind(&directory) == Some(Kind::Directory)
            && kind(&config).is_some_and(|kind| kind != Kind::Directory);
        self.when("credential-provider", available);
        self.put("image-credential-provider-bin-dir", directory);
        self.put("image-credential-provider-config", config);
    }
}

fn with_scheme(socket: &str) -> String {
    if socket.starts_with("unix://") {
        socket.to_owned()
    } else {
        format!("unix://{socket}")
    }
}

/// The operator's addresses, or the tenth of each service network (before 1.28.3 of the first only).
fn cluster_dns(options: Options<'_>, node: &Node, services: &[Network]) -> String {
    let given: Vec<&str> = options.words("cluster-dns").map(|(word, _)| word).collect();
    if !given.is_empty() {
        return given.join(",");
    }
    let networks = if (node.version.minor, node.version.patch) >= (28, 3) {
        services
    } else {
        services.get(..1).unwrap_or_default()
    };
    let tenths: Vec<IpAddr> = networks
        .iter()
        .filter_map(|network| network.nth(10))
        .collect();
    joined(&tenths)
}
