//! What K3s's agent refuses before it starts a container runtime.

use crate::k3s::Ending;
use crate::k3s::Role;
use crate::k3s::component::Node;
use crate::k3s::component::options::Options;

/// The runtimes that K3s looks for (pkg/agent/containerd/runtimes.go). Whether one is there, the machine tells.
const RUNTIMES: [&str; 11] = [
    "crun",
    "lunatic",
    "nvidia",
    "nvidia-cdi",
    "nvidia-experimental",
    "slight",
    "spin",
    "wasmedge",
    "wasmer",
    "wasmtime",
    "wws",
];

/// The snapshotters that K3s's containerd has or had (pkg/containerd/builtins_linux.go), with those that K3s knows itself.
const SNAPSHOTTERS: [&str; 10] = [
    "blockfile",
    "btrfs",
    "devmapper",
    "erofs",
    "fuse-overlayfs",
    "native",
    "nix",
    "overlayfs",
    "stargz",
    "zfs",
];

/// The snapshotter that K3s's containerd is to use and does not have; only a template of the operator's can add it.
fn unknown_snapshotter<'a>(options: Options<'a>) -> Option<&'a str> {
    let given = options.text("snapshotter")?;
    let of_k3s = !options.on("docker") && options.text("container-runtime-endpoint").is_none();
    (of_k3s && !SNAPSHOTTERS.contains(&given)).then_some(given)
}

/// Whether the runtime is known to answer, without which K3s starts no kubelet.
pub(super) fn answers(options: Options<'_>) -> bool {
    unknown_snapshotter(options).is_none()
}

/// K3s waits for a containerd without its snapshotter, and does not end.
pub(super) fn waits(options: Options<'_>) -> Option<String> {
    let name = unknown_snapshotter(options).filter(|_| !options.on("disable-agent"))?;
    let place = options.place("snapshotter")?;
    Some(format!(
        "{place}: K3s's containerd has no snapshotter {name:?}; unless a template of yours adds it, K3s waits for containerd and \
         starts no kubelet; take it out, or name one that it has"
    ))
}

/// The refusals of a node that runs containers.
pub(super) fn endings(options: Options<'_>, node: &Node) -> Vec<Ending> {
    let off = options.on("disable-agent") || options.on("cluster-reset");
    if node.role == Role::Server && off {
        return Vec::new();
    }
    let other = ["docker", "container-runtime-endpoint"];
    let other = other.into_iter().find(|name| match *name {
        "docker" => options.on(name),
        _ => options.text(name).is_some(),
    });
    let registry = options.on("embedded-registry") && node.role == Role::Server;
    let mut found = Vec::new();
    if let Some(other) = other
        && registry
    {
        // pkg/agent/run.go
        let reason = "embedded registry mirror requires embedded containerd".to_owned();
        found.push(Ending::of_k3s(reason, options.place(other)));
    }
    if let Some(runtime) = options.text("default-runtime")
        && other.is_none()
        && !RUNTIMES.contains(&runtime)
    {
        // pkg/agent/containerd/config_linux.go
        let reason =
            format!("failed to start container runtime: default runtime {runtime} was not found");
        found.push(Ending::of_k3s(reason, options.place("default-runtime")));
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{ending, with};

    /// A real 1.36.3 with `btrfs2` started no kubelet, and was at no end.
    #[test]
    fn behind_a_runtime_without_its_snapshotter_no_kubelet_is_started() {
        for (snapshotter, starts) in [("overlayfs", true), ("native", true), ("overlay", false)] {
            let options = vec![
                ("snapshotter", vec![snapshotter]),
                ("kubelet-arg", vec!["container-log-max-files=0"]),
            ];
            let start = with(options, "1.36.3", Role::Server);
            assert_eq!(!start.endings.is_empty(), starts, "{snapshotter}");
            let told = |warning: &String| warning.contains("no snapshotter \"overlay\"");
            assert_eq!(!start.warnings.iter().any(told), starts, "{snapshotter}");
        }
    }

    #[test]
    fn a_runtime_that_k3s_never_looks_for_is_not_found() {
        let reason = ending("default-runtime", &["runc"]);
        let found = reason.is_some_and(|reason| reason.ends_with("runtime runc was not found"));
        assert!(found);
        assert_eq!(ending("default-runtime", &["nvidia"]), None);
    }
}
