//! The flags that such a file stands for, and what it says of them.

use std::collections::BTreeMap;

use super::FLAG;
use crate::k3s::component::Component;
use crate::k3s::component::document::Document;
use crate::k3s::component::in_force::InForce;
use crate::k3s::component::judge::Line;
use crate::k3s::component::judge::named_file::NamedFile;

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
pub(in super::super) fn decided(line: &Line<'_>) -> BTreeMap<(Component, &'static str), InForce> {
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

#[cfg(test)]
mod tests {
    use super::super::tests::{FILE, proxy_with, scheduler_with, with_file};
    use super::*;
    use crate::k3s::Role;
    use crate::k3s::component::Start;
    use crate::k3s::component::tests::with_files;

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
