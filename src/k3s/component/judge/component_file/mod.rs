//! The configuration files of kube-scheduler and kube-proxy, which stand in the place of most of their flags (kubernetes
//! `cmd/kube-scheduler/app/options/options.go` ApplyTo, `cmd/kube-proxy/app/options.go` Complete).

mod stands_for;

use super::{Line, files, wrong_kind};
use crate::k3s::component::document::Document;
use crate::k3s::component::{Argument, Component};

pub(super) use stands_for::decided;
pub(in crate::k3s::component) use stands_for::stands_for;

/// The flag that names the file.
pub(super) const FLAG: &str = "config";
const KUBECONFIG: &str = "clientConnection.kubeconfig";
/// From here on the scheduler's file has one version.
const ONE_VERSION_SINCE_MINOR: u16 = 29;
/// What the scheduler's version 1 has.
const SCHEDULER_FIELDS: [&str; 13] = [
    "apiVersion",
    "kind",
    "parallelism",
    "leaderElection",
    "clientConnection",
    "enableProfiling",
    "enableContentionProfiling",
    "percentageOfNodesToScore",
    "podInitialBackoffSeconds",
    "podMaxBackoffSeconds",
    "profiles",
    "extenders",
    "delayCacheUntilActive",
];

/// Judges the scheduler's file, which knows every key or is refused.
pub(super) fn scheduler(line: &mut Line<'_>, argument: &Argument) {
    let Some(file) = files::document(line, argument, "--config") else {
        return;
    };
    let versions: &[&str] = match line.minor() {
        ONE_VERSION_SINCE_MINOR.. => &["kubescheduler.config.k8s.io/v1"],
        _ => &[
            "kubescheduler.config.k8s.io/v1",
            "kubescheduler.config.k8s.io/v1beta3",
            "kubescheduler.config.k8s.io/v1beta2",
            "kubescheduler.config.k8s.io/v1beta1",
        ],
    };
    let unknown = || {
        let judged = line.minor() >= ONE_VERSION_SINCE_MINOR;
        let unknown = file.keys().find(|key| !SCHEDULER_FIELDS.contains(key));
        unknown
            .filter(|_| judged)
            .map(|key| format!("strict decoding error: unknown field {key:?}"))
    };
    let reason = wrong_kind(&file, "KubeSchedulerConfiguration", versions).or_else(unknown);
    if let Some(reason) = reason {
        line.end(&reason, Some(argument));
    } else if line.given("master").is_none() {
        reaches_the_apiserver(line, &file, argument);
    }
}

/// Judges kube-proxy's file. An unknown key is let pass, with a warning in the log.
pub(super) fn kube_proxy(line: &mut Line<'_>, argument: &Argument, modes: &[&str]) {
    let Some(file) = files::document(line, argument, "--config") else {
        return;
    };
    let mode = file.text("mode");
    if let Some(reason) = wrong_kind(
        &file,
        "KubeProxyConfiguration",
        &["kubeproxy.config.k8s.io/v1alpha1"],
    ) {
        line.end(&reason, Some(argument));
    } else if !modes.contains(&mode) {
        let reason = format!(
            "KubeProxyConfiguration.Mode: Invalid value: {mode:?}: must be {}",
            modes.join(",")
        );
        line.end(&reason, Some(argument));
    } else if line.given("master").is_none() {
        reaches_the_apiserver(line, &file, argument);
    }
}

/// K3s's kubeconfig is a flag, so the file has to name one too: without it a component takes itself to be in a pod.
fn reaches_the_apiserver(line: &mut Line<'_>, file: &Document, argument: &Argument) {
    let named = matches!(file.at(KUBECONFIG), Some(Document::Text(path)) if !path.is_empty());
    if named {
        return;
    }
    // client-go `tools/clientcmd`, `rest/config.go`.
    let said = match line.component {
        Component::Scheduler => "invalid configuration: no configuration has been provided",
        _ => "unable to load in-cluster configuration",
    };
    let kubeconfig = line.last("kubeconfig");
    let path = kubeconfig.map_or("", |argument| argument.value.as_str());
    let reason = format!(
        "{said}: {} has no {KUBECONFIG}, and K3s's own --kubeconfig does not count beside it: write {KUBECONFIG} {path}",
        argument.value
    );
    line.end(&reason, Some(argument));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::Role;
    use crate::k3s::component::Start;
    use crate::k3s::component::tests::with_files;

    pub(super) const FILE: &str = "/etc/edge/c.yaml";
    const KUBECONFIG_LINE: &str = "clientConnection: {kubeconfig: /var/lib/rancher/k3s/k}\n";

    pub(super) fn with_file(
        component: Component,
        items: &[&str],
        text: &str,
        version: &str,
    ) -> Start {
        let mut all = vec!["config=/etc/edge/c.yaml"];
        all.extend(items);
        let options = vec![(component.option(), all)];
        with_files(options, &[(FILE, text)], version, Role::Server)
    }

    pub(super) fn scheduler_with(text: &str) -> String {
        let head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";
        format!("{head}{KUBECONFIG_LINE}{text}")
    }

    pub(super) fn proxy_with(text: &str) -> String {
        let head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
        format!("{head}{KUBECONFIG_LINE}{text}")
    }

    #[test]
    fn a_file_that_the_component_would_not_take_ends_it() {
        for (component, text, words) in [
            (
                Component::Scheduler,
                "kind: Nope\n".to_owned(),
                "no kind \"Nope\"",
            ),
            (Component::Scheduler, "a: [\n".to_owned(), "is not YAML"),
            (
                Component::Scheduler,
                scheduler_with("enableprofiling: false\n"),
                "unknown field \"enableprofiling\"",
            ),
            (
                Component::Scheduler,
                scheduler_with("").replace(KUBECONFIG_LINE, ""),
                "write clientConnection.kubeconfig /var/lib/rancher/k3s/server/cred/scheduler.kubeconfig",
            ),
            (
                Component::KubeProxy,
                proxy_with("mode: nope\n"),
                "Mode: Invalid value: \"nope\"",
            ),
            (
                Component::KubeProxy,
                "kind: KubeProxyConfiguration\n".to_owned(),
                "for version \"\"",
            ),
            (
                Component::KubeProxy,
                proxy_with("").replace(KUBECONFIG_LINE, ""),
                "has no clientConnection.kubeconfig",
            ),
        ] {
            let start = with_file(component, &[], &text, "1.36.3");
            let reason = &start
                .endings
                .first()
                .unwrap_or_else(|| panic!("{text}"))
                .reason;
            assert!(reason.contains(words), "{text}: {reason}");
        }
    }
}
