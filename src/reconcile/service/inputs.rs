//! What the next start of this node's K3s reads, as digests.

use std::path::{Path, PathBuf};

use crate::host::{Host, HostError};
use crate::k3s::component::Component;
use crate::k3s::{Effective, FILE_LIMIT_BYTES, Place};
use crate::node::Node;
use crate::reconcile::ledger::Hash;
use crate::reconcile::restart::inputs::{Binary, InputDigest, Reading};

/// Flags that name a file which the component reads once, at its start. Those that K3s points at files which it writes
/// itself at each start are not looked at, see [`named`].
const NAMING: [(Component, &str); 9] = [
    (Component::Apiserver, "audit-policy-file"),
    (Component::Apiserver, "admission-control-config-file"),
    (Component::Apiserver, "authentication-config"),
    (Component::Apiserver, "authorization-config"),
    (Component::Apiserver, "audit-webhook-config-file"),
    (Component::Apiserver, "tracing-config-file"),
    (Component::Kubelet, "config"),
    (Component::Scheduler, "config"),
    (Component::KubeProxy, "config"),
];
/// Written by K3s at each start (K pkg/daemons/agent/agent.go).
pub(super) const OF_K3S_ITSELF: &str = "00-k3s-defaults.conf";

/// Digests everything that the next start would read.
///
/// # Errors
/// When a file or the binary cannot be looked at.
pub fn inputs(host: &Host, node: &Node, effective: &Effective) -> Result<InputDigest, HostError> {
    let mut digest = InputDigest::default().with_effective(outcome(effective));
    for input in &effective.configuration.inputs {
        let content = input.sha256.map(|sha256| Hash::of(&sha256));
        digest = digest.with_file(&input.path, Reading::Merged, content);
    }
    for path in loaded(host, node, effective)? {
        let content = host.root.read(&path, FILE_LIMIT_BYTES)?;
        let content = content.as_deref().map(Hash::of);
        digest = digest.with_file(&path, Reading::Loaded, content);
    }
    if let Some(binary) = node.binary()
        && let Some(entry) = host.root.look_through(&binary)?
    {
        digest = digest.with_binary(Binary::of(&binary, &entry, effective.version));
    }
    let Some(invocation) = node.invocation() else {
        return Ok(digest);
    };
    let words: Vec<&str> = invocation
        .words
        .iter()
        .map(|word| word.text.as_str())
        .collect();
    digest = digest.with_command_line(&words);
    for (name, variable) in invocation.environment.iter() {
        digest = digest.with_variable(name, &variable.value);
    }
    Ok(digest)
}

/// The files that the components read as they are, whoever wrote them.
///
/// # Errors
/// When the kubelet's directory cannot be listed.
pub fn loaded(host: &Host, node: &Node, effective: &Effective) -> Result<Vec<PathBuf>, HostError> {
    let mut paths = named(effective);
    let kubelet = node.places.data_dir.join("agent/etc/kubelet.conf.d");
    for name in host.root.names(&kubelet)?.unwrap_or_default() {
        let is_drop_in = Path::new(&name)
            .extension()
            .is_some_and(|ending| ending == "conf");
        if is_drop_in && name != OF_K3S_ITSELF {
            paths.push(kubelet.join(name));
        }
    }
    paths.sort_unstable();
    paths.dedup();
    Ok(paths)
}

/// The files that arguments name, without those that K3s itself points at.
fn named(effective: &Effective) -> Vec<PathBuf> {
    let components = &effective.start.components;
    NAMING
        .iter()
        .flat_map(|(component, flag)| components.values(*component, flag))
        .filter(|argument| argument.place != Place::Default)
        .filter(|argument| !argument.value.is_empty())
        .map(|argument| effective.named_file(&argument.value))
        .collect()
}

/// What comes out of the merge. Secrets are in it, so only its hash is ever kept.
fn outcome(effective: &Effective) -> Hash {
    let mut bytes = Vec::new();
    let mut put = |text: &str| {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    };
    put(&effective.version.to_string());
    let data_dir = effective.configuration.data_dir.state_or_default();
    put(&data_dir.to_string_lossy());
    for (name, option) in &effective.configuration.merge.options {
        put(name);
        option.values.iter().for_each(|value| put(&value.value));
    }
    for (component, line) in &effective.start.components.lines {
        put(component.name());
        line.iter().for_each(|argument| put(&argument.to_string()));
    }
    for (path, setting) in effective
        .start
        .kubelet
        .iter()
        .flat_map(|kubelet| kubelet.iter())
    {
        put(path);
        put(&setting.value);
    }
    Hash::of(&bytes)
}
