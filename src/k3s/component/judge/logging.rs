//! The logging flags: each component's own, and that all of them must agree, since K3s runs them in one process.

use super::{Line, Process, Reach, cloud_controller_manager, common};
use crate::k3s::component::document::Document;
use crate::k3s::component::options::Options;
use crate::k3s::component::{Argument, Component, KubeletSettings, kubelet};
use crate::k3s::go_duration::nanoseconds;
use crate::k3s::go_value::integer;
use crate::k3s::{Ending, Place};

/// From here on K3s lets a component set the process's logging once more only if it is the same
/// (`ReapplyHandlingIgnoreUnchanged`, K3s af50e1b09).
const ONCE_SINCE_MINOR: u16 = 28;
/// Kubernetes' own default (component-base `logs/api/v1`).
const FLUSH_FREQUENCY_NS: i64 = 5_000_000_000;

/// What one component makes of the process's logging.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Logging {
    format: String,
    flush_ns: i64,
    verbosity: i128,
    /// Every pattern, in order: those of several flags add up.
    patterns: Vec<String>,
}

/// What a component refuses of its own flags.
pub(super) fn judge(line: &mut Line<'_>) {
    // The JSON logger is not linked into K3s; whether it was into those of the first years was not tried.
    let formats: &[&str] = match line.minor() < 24 {
        true => &["text", "json"],
        false => &["text"],
    };
    // Of an empty one only later sources were read.
    if let Some(argument) = line.last("logging-format")
        && (line.minor() >= 24 || !argument.value.is_empty())
        && line.flags.kind("logging-format").is_some()
        && !formats.contains(&argument.value.as_str())
    {
        let reason = format!(
            "format: Invalid value: {:?}: Unsupported log format",
            argument.value
        );
        line.end(&reason, Some(argument));
    }
    let patterns = of_flag(line, "vmodule");
    if let Some(argument) = patterns
        .into_iter()
        .find(|given| !are_patterns(&given.value))
    {
        let reason = format!(
            "invalid argument {:?} for \"--vmodule\" flag: syntax error: expect comma-separated list of filename=N",
            argument.value
        );
        line.end(&reason, Some(argument));
    }
}

fn are_patterns(value: &str) -> bool {
    let mut items = value.split(',').filter(|item| !item.is_empty());
    items.all(|item| {
        let (file, level) = item.split_once('=').unwrap_or_default();
        !file.is_empty() && level.parse::<i32>().is_ok_and(|level| level >= 0)
    })
}

/// Every argument of a flag, also of one of which only the last counts.
fn of_flag<'a>(line: &Line<'a>, flag: &str) -> Vec<&'a Argument> {
    let known = line.flags.kind(flag).is_some();
    let arguments = line.arguments.iter();
    arguments
        .filter(|argument| known && argument.flag == flag)
        .collect()
}

/// The components whose logging is not that of the apiserver (on an agent: of the kubelet), up to the one at which this start ends. Each
/// sets it for the whole process, and the second one that differs ends.
pub(super) fn changed_by_another(
    process: Process<'_>,
    settings: Option<&KubeletSettings>,
) -> Vec<Ending> {
    let mut endings = Vec::new();
    if process.node.version.minor < ONCE_SINCE_MINOR {
        return endings;
    }
    let mut first: Option<Logging> = None;
    for component in Component::ALL {
        let line = process.line(component);
        let goes_on = component == Component::CloudControllerManager
            && !cloud_controller_manager::ends_k3s(line.node.version);
        if line.arguments.is_empty() || !process.starts(component) || goes_on {
            continue;
        }
        let (logging, decided_by) = of_line(&line, process.options, settings);
        match &first {
            None => first = Some(logging),
            Some(known) if *known == logging => {}
            Some(_) => {
                let reason =
                    "the logging configuration should not be changed after setting it once";
                let reason = match component {
                    Component::Kubelet | Component::KubeProxy => {
                        format!("initialize logging: {reason}")
                    }
                    _ => reason.to_owned(),
                };
                endings.push(Ending::of(component, &reason, decided_by));
                if process.reach == Reach::ThisStart {
                    break;
                }
            }
        }
    }
    endings
}

/// The logging of a component, and what of the operator's decided of it.
fn of_line(
    line: &Line<'_>,
    options: Options<'_>,
    settings: Option<&KubeletSettings>,
) -> (Logging, Option<Place>) {
    // From 1.32 on K3s gives the kubelet these in a file, and the operator's own files lie over it.
    let in_file = line.component == Component::Kubelet && kubelet::reads_dropins(line.node.version);
    let of_option = |name: &str| options.text(name).filter(|_| in_file);
    let of_files = |name: &str| {
        let settings = settings.filter(|_| in_file)?;
        settings.over_k3s_file(&format!("logging.{name}"))
    };
    let (format, flush) = (
        line.given("logging-format"),
        line.last("log-flush-frequency"),
    );
    let (verbosity, patterns) = (line.last("v"), of_flag(line, "vmodule"));
    let (format_file, flush_file) = (of_files("format"), of_files("flushFrequency"));
    let (verbosity_file, patterns_file) = (of_files("verbosity"), of_files("vmodule"));
    let flag_or = |flag: Option<&Argument>, file: Option<&(&Document, Place)>| {
        let of_file = || file.map(|(value, _)| value.shown().to_owned());
        flag.map(|given| given.value.clone()).or_else(of_file)
    };
    let verbosity_text =
        flag_or(verbosity, verbosity_file.as_ref()).or_else(|| of_option("v").map(str::to_owned));
    let own_patterns = match &patterns_file {
        Some((list, _)) => list.items().iter().map(pattern).collect(),
        None => Vec::from_iter(of_option("vmodule").map(str::to_owned)),
    };
    let texts = patterns.iter().map(|given| given.value.clone());
    let texts: Vec<String> = own_patterns.into_iter().chain(texts).collect();
    let logging = Logging {
        format: flag_or(format, format_file.as_ref()).unwrap_or_else(|| "text".to_owned()),
        flush_ns: flag_or(flush, flush_file.as_ref())
            .and_then(|text| flush_frequency(&text))
            .unwrap_or(FLUSH_FREQUENCY_NS),
        verbosity: verbosity_text.as_deref().and_then(integer).unwrap_or(0),
        patterns: texts
            .iter()
            .flat_map(|text| text.split(','))
            .filter(|pattern| !pattern.is_empty())
            .map(str::to_owned)
            .collect(),
    };
    let flags = [format, flush, verbosity].into_iter().flatten();
    let mut flags = flags
        .chain(patterns)
        .filter(|argument| common::is_given(argument));
    let of_flags = flags.next().map(|argument| argument.place.clone());
    let mut of_files = [format_file, flush_file, verbosity_file, patterns_file]
        .into_iter()
        .flatten();
    let decided_by = of_flags.or_else(|| of_files.next().map(|(_, place)| place));
    (logging, decided_by)
}

/// A pattern of a file, as its flag writes it.
fn pattern(entry: &Document) -> String {
    let verbosity = entry.get("verbosity").map_or("0", Document::shown);
    format!("{}={verbosity}", entry.text("filePattern"))
}

/// A file may also have nanoseconds (component-base `logs/api/v1` TimeOrMetaDuration).
fn flush_frequency(text: &str) -> Option<i64> {
    nanoseconds(text).or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{ending, with_files};
    use crate::k3s::Role;

    const DROP_IN: &str = "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/50-log.conf";

    fn reason(version: &str, logging: &str) -> String {
        let file = format!(
            "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nfailCgroupV1: false\nlogging: {logging}\n"
        );
        let start = with_files(vec![], &[(DROP_IN, &file)], version, Role::Server);
        let first = start.endings.into_iter().next();
        first.map_or_else(String::new, |ending| ending.to_string())
    }

    /// Asked of a real 1.36.3.
    #[test]
    fn a_component_logs_in_some_format() {
        for option in [
            "kube-apiserver-arg",
            "kube-controller-manager-arg",
            "kubelet-arg",
        ] {
            let of = |format: &str| ending(option, &[&format!("logging-format={format}")]);
            let none = of("").unwrap_or_default();
            assert!(
                none.contains("Invalid value: \"\": Unsupported log format"),
                "{option}: {none}"
            );
            assert_eq!(of("text"), None, "{option}");
        }
    }

    #[test]
    fn the_kubelet_s_files_may_not_log_otherwise_than_the_others() {
        for other in [
            "{verbosity: 4}",
            "{flushFrequency: 1s}",
            "{vmodule: [{filePattern: a, verbosity: 2}]}",
        ] {
            let found = reason("1.36.3", other);
            let words = "kubelet exited: initialize logging: the logging configuration should not be changed";
            assert!(found.starts_with(words), "{other}: {found}");
            assert!(found.contains("50-log.conf:4"), "{other}: {found}");
        }
        for same in [
            "{verbosity: 0}",
            "{flushFrequency: 5s, format: text}",
            "{flushFrequency: 5000000000}",
            "{}",
        ] {
            assert_eq!(reason("1.36.3", same), "", "{same}");
        }
        assert_eq!(reason("1.31.4", "{verbosity: 4}"), "");
    }
}
