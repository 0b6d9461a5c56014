//! What runs beside K3s's components: the data store, the container runtime, the credential provider.

use std::path::Path;

use super::Situation;
use crate::host::Kind;
use crate::k3s::Files;
use crate::k3s::component::options::Options;
use crate::k3s::component::releases::Since;
use crate::k3s::component::{Node, SECRET};

const CONTAINERD_SOCKET: &str = "/run/k3s/containerd/containerd.sock";
const CRI_DOCKERD_SOCKET: &str = "unix:///run/k3s/cri-dockerd/cri-dockerd.sock";
const STARGZ_SOCKET: &str = "/run/containerd-stargz-grpc/containerd-stargz-grpc.sock";
const IMAGE_SERVICE_OPTION: &str = "1.28.3";
/// Up to here K3s put a scheme before a socket that has one (4aca21a1f; `checkRuntimeEndpoint` looked at a flag that nothing
/// had set yet).
const SCHEME_ONCE: &str = "1.24.3";
const CREDENTIAL_PROVIDER: &str = "/var/lib/rancher/credentialprovider";

impl Situation {
    pub(super) fn datastore(&mut self, options: Options<'_>, node: &Node, files: &Files<'_>) {
        let endpoint = options.text("datastore-endpoint");
        let scheme = endpoint.and_then(|url| url.split_once("://"));
        let scheme = scheme.map(|(scheme, _)| scheme);
        let tls = |name: &'static str| options.text(name);
        if has_own_etcd(options, node, files) {
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
        } else if scheme.is_some_and(|scheme| is_passed_on(scheme, node)) {
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
            // kine takes what names no scheme for SQLite, or refuses it. These three are for one server, so nobody elects
            // a leader (pkg/drivers).
            let single =
                scheme.is_none_or(|scheme| ["sqlite", "litestream", "memory"].contains(&scheme));
            self.when("single-datastore", single);
        }
    }

    pub(super) fn runtime(&mut self, options: Options<'_>, node: &Node) {
        let given = options.text("container-runtime-endpoint");
        let docker = options.on("docker");
        // Up to 1.23 `docker` means the kubelet's own dockershim, which needs no socket.
        let dockershim = docker && given.is_none() && node.version.minor < 24;
        let socket = match given {
            Some(socket) if !docker || node.version.minor < 24 => socket,
            _ if docker => CRI_DOCKERD_SOCKET,
            _ => CONTAINERD_SOCKET,
        };
        self.when("runtime", !dockershim);
        self.when("other-runtime", docker || given.is_some());
        self.when("containerd", socket.contains("containerd"));
        self.put("runtime-socket", socket);
        let endpoint =
            match Since::parse(SCHEME_ONCE).is_some_and(|since| since.reached(node.version)) {
                true => with_scheme(socket),
                false => format!("unix://{socket}"),
            };
        self.put("runtime-endpoint", endpoint);
        let images = image_service(options, node);
        self.when("image-service", images.is_some());
        self.put("image-service-endpoint", images.unwrap_or_default());
    }

    pub(super) fn credential_provider(&mut self, options: Options<'_>, files: &Files<'_>) {
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

/// Whether a server runs etcd itself: one is there already, or it makes or joins a cluster without another data store
/// (pkg/cluster/managed.go assignManagedDriver).
pub(in crate::k3s::component) fn has_own_etcd(
    options: Options<'_>,
    node: &Node,
    files: &Files<'_>,
) -> bool {
    let write_ahead_log = node.data_dir.join("server/db/etcd/member/wal");
    let initialized = matches!(files.kind(&write_ahead_log), Ok(Some(Kind::Directory)));
    let token = options.text("token").or_else(|| options.text("token-file"));
    let joining = options.text("server").is_some() && token.is_some();
    let creating = options.on("cluster-init") || options.on("cluster-reset") || joining;
    initialized || (options.text("datastore-endpoint").is_none() && creating)
}

/// Whether kine leaves a data store to the apiserver as it is: an etcd, and from kine 0.14.13 on another kine
/// (`pkg/drivers/remote`).
fn is_passed_on(scheme: &str, node: &Node) -> bool {
    match scheme {
        "http" | "https" => true,
        "unix" | "unixs" => node.version.minor >= 36,
        _ => false,
    }
}

/// Where the kubelet asks for images (K3s pkg/agent/config/config.go). From the release on that has the option, a runtime
/// of the operator's own is asked for its images too (K3s fe18b1fce).
fn image_service(options: Options<'_>, node: &Node) -> Option<String> {
    let runtime = options.text("container-runtime-endpoint");
    let has_option =
        Since::parse(IMAGE_SERVICE_OPTION).is_some_and(|since| since.reached(node.version));
    let stargz = || (options.text("snapshotter") == Some("stargz")).then_some(STARGZ_SOCKET);
    let socket = if options.on("docker") {
        None
    } else if has_option {
        let told = options.text("image-service-endpoint");
        told.or(runtime).or_else(stargz)
    } else {
        runtime.map_or_else(stargz, |_| None)
    };
    socket.map(with_scheme)
}

fn with_scheme(socket: &str) -> String {
    if socket.starts_with("unix://") {
        socket.to_owned()
    } else {
        format!("unix://{socket}")
    }
}
