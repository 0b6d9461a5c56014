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
    use crate::k3s::component::tests::ending;

    #[test]
    fn a_runtime_that_k3s_never_looks_for_is_not_found() {
        let reason = ending("default-runtime", &["runc"]);
        let found = reason.is_some_and(|reason| reason.ends_with("runtime runc was not found"));
        assert!(found);
        assert_eq!(ending("default-runtime", &["nvidia"]), None);
    }
}
