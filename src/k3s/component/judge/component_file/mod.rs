//! The configuration files of kube-scheduler and kube-proxy, which stand in the place of most of their flags (kubernetes
//! `cmd/kube-scheduler/app/options/options.go` ApplyTo, `cmd/kube-proxy/app/options.go` Complete).

use std::collections::BTreeMap;

use super::named_file::NamedFile;
use super::{Line, files, wrong_kind};
use crate::k3s::component::document::Document;
use crate::k3s::component::in_force::InForce;
use crate::k3s::component::{Argument, Component};

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

/// A flag that the file stands for.
struct Field {
    flag: &'static str,
    path: &'static str,
    /// What counts where the file does not say; empty for what K3s's own default says too.
    default: &'static str,
    /// Only the host of an address counts.
    host: bool,
    /// The last minor with the field.
    until_minor: u16,
}

const fn field(flag: &'static str, path: &'static str, default: &'static str) -> Field {
    Field {
        flag,
        path,
        default,
        host: false,
        until_minor: u16::MAX,
    }
}

/// The scheduler's, whose file is without `enableProfiling` on purpose or by mistake: it profiles then. Its port without TLS
/// went with 1.23 (kubernetes PR 96345).
const SCHEDULER: [Field; 2] = [
    field("profiling", "enableProfiling", "true"),
    Field {
        host: true,
        until_minor: 22,
        ..field("address", "healthzBindAddress", "0.0.0.0")
    },
];
/// kube-proxy's (`pkg/proxy/apis/config/v1alpha1/defaults.go`).
const KUBE_PROXY: [Field; 4] = [
    field(
        "metrics-bind-address",
        "metricsBindAddress",
        "127.0.0.1:10249",
    ),
    field(
        "healthz-bind-address",
        "healthzBindAddress",
        "0.0.0.0:10256",
    ),
    field("bind-address", "bindAddress", "0.0.0.0"),
    field("proxy-mode", "mode", ""),
];

fn fields(component: Component) -> &'static [Field] {
    match component {
        Component::Scheduler => &SCHEDULER,
        Component::KubeProxy => &KUBE_PROXY,
        _ => &[],
    }
}

/// Whether the component's file, where it has one, says what a flag would.
pub(in crate::k3s::component) fn stands_for(component: Component, flag: &str) -> bool {
    fields(component).iter().any(|field| field.flag == flag)
}

/// The flags that the file stands for, with what it says of them. Where it is not there, or no YAML, none is in force.
pub(super) fn decided(line: &Line<'_>) -> BTreeMap<(Component, &'static str), InForce> {
    let known = fields(line.component).iter();
    let known = known.filter(|field| line.minor() <= field.until_minor);
    let Some(argument) = line.given(FLAG) else {
        return BTreeMap::new();
    };
    let file = NamedFile::of(line, FLAG);
    let said = |field: &Field| {
        let file = match &file {
            Ok(Some(file)) => file,
            Ok(None) => {
                return InForce::Emptied {
                    place: argument.place.clone(),
                };
            }
            Err(error) => return InForce::Unseen(error.clone()),
        };
        let value = file
            .document
            .at(field.path)
            .filter(|value| **value != Document::Null);
        let value = value.map_or(field.default, Document::shown);
        let value = match value.rsplit_once(':') {
            Some((host, _)) if field.host => host.trim_matches(['[', ']']),
            _ => value,
        };
        InForce::One {
            value: value.to_owned(),
            place: file.place(&[field.path]),
        }
    };
    known
        .map(|field| ((line.component, field.flag), said(field)))
        .collect()
}

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

    const FILE: &str = "/etc/edge/c.yaml";
    const KUBECONFIG_LINE: &str = "clientConnection: {kubeconfig: /var/lib/rancher/k3s/k}\n";

    fn with_file(component: Component, items: &[&str], text: &str, version: &str) -> Start {
        let mut all = vec!["config=/etc/edge/c.yaml"];
        all.extend(items);
        let options = vec![(component.option(), all)];
        with_files(options, &[(FILE, text)], version, Role::Server)
    }

    fn scheduler_with(text: &str) -> String {
        let head = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";
        format!("{head}{KUBECONFIG_LINE}{text}")
    }

    fn proxy_with(text: &str) -> String {
        let head = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n";
        format!("{head}{KUBECONFIG_LINE}{text}")
    }

    fn value(start: &Start, component: Component, flag: &str, version: &str) -> (String, String) {
        match start.in_force(component, flag, version.parse().unwrap()) {
            InForce::One { value, place } => (value, place.to_string()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_schedulers_file_decides_on_profiling_and_its_flag_does_not() {
        for (text, wanted) in [
            ("", ("true", "/etc/edge/c.yaml:1")),
            ("enableProfiling: false\n", ("false", "/etc/edge/c.yaml:4")),
            ("enableProfiling: ~\n", ("true", "/etc/edge/c.yaml:4")),
        ] {
            for version in ["1.31.4", "1.36.3"] {
                let component = Component::Scheduler;
                let start = with_file(
                    component,
                    &["profiling=false"],
                    &scheduler_with(text),
                    version,
                );
                assert_eq!(start.endings, [], "{text}");
                let (value, place) = value(&start, component, "profiling", version);
                assert_eq!((value.as_str(), place.as_str()), wanted, "{text}");
            }
        }
    }

    #[test]
    fn kube_proxys_file_decides_where_its_metrics_are_served() {
        let component = Component::KubeProxy;
        let of = |text: &str| {
            let start = with_file(
                component,
                &["metrics-bind-address=127.0.0.1:10249"],
                &proxy_with(text),
                "1.36.3",
            );
            assert_eq!(start.endings, [], "{text}");
            value(&start, component, "metrics-bind-address", "1.36.3").0
        };
        assert_eq!(of(""), "127.0.0.1:10249");
        assert_eq!(of("metricsBindAddress: 0.0.0.0:10249\n"), "0.0.0.0:10249");
        assert_eq!(of("unknown: 1\n"), "127.0.0.1:10249");
    }

    #[test]
    fn the_port_without_tls_is_the_files_as_long_as_there_is_one() {
        let component = Component::Scheduler;
        let file = scheduler_with("healthzBindAddress: 127.0.0.1:10251\n");
        let start = with_file(component, &["address=0.0.0.0"], &file, "1.22.5");
        assert_eq!(value(&start, component, "address", "1.22.5").0, "127.0.0.1");
        let start = with_file(
            component,
            &["address=127.0.0.1"],
            &scheduler_with(""),
            "1.22.5",
        );
        assert_eq!(value(&start, component, "address", "1.22.5").0, "0.0.0.0");
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

    /// What nobody could look at says nothing for or against the node.
    #[test]
    fn a_file_that_cannot_be_looked_at_is_unseen() {
        let options = vec![("kube-proxy-arg", vec!["config=/etc/edge"])];
        let start = with_files(options, &[(FILE, "")], "1.36.3", Role::Server);
        let version = "1.36.3".parse().unwrap();
        let found = start.in_force(Component::KubeProxy, "metrics-bind-address", version);
        assert!(matches!(found, InForce::Unseen(_)), "{found:?}");
    }

    #[test]
    fn a_file_that_is_not_there_decides_and_holds_nothing() {
        let options = vec![(
            "kube-scheduler-arg",
            vec!["config=/nope", "profiling=false"],
        )];
        let start = with_files(options, &[], "1.36.3", Role::Server);
        let reason = &start.endings.first().unwrap().reason;
        assert!(reason.contains("open /nope: no such file"), "{reason}");
        let found = start.in_force(Component::Scheduler, "profiling", "1.36.3".parse().unwrap());
        assert!(matches!(found, InForce::Emptied { .. }), "{found:?}");
    }
}
