//! The logging flags: each component's own, and that all of them must agree, since K3s runs them in one process.

use super::{Line, common};
use crate::k3s::Ending;
use crate::k3s::Files;
use crate::k3s::component::options::Options;
use crate::k3s::component::{Argument, Component, Components, Node, kubelet};
use crate::k3s::go_duration::nanoseconds;
use crate::k3s::go_value::integer;

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
    if let Some(argument) = line.given("logging-format")
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

/// The first component whose logging is not that of the apiserver (on an agent: of the kubelet). Each sets it for the
/// whole process, and the second one that differs ends.
pub(super) fn changed_by_another(
    options: Options<'_>,
    components: &Components,
    node: &Node,
    files: &Files<'_>,
) -> Option<Ending> {
    if node.version.minor < ONCE_SINCE_MINOR {
        return None;
    }
    let mut first: Option<Logging> = None;
    for component in Component::ALL {
        let mut line = Line::of(component, components, node, files);
        if line.arguments.is_empty() || !super::starts(component, options) {
            continue;
        }
        let (logging, decided_by) = of_line(&line, options);
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
                line.end(&reason, decided_by);
                return line.endings.pop();
            }
        }
    }
    None
}

/// The logging of a component, and the operator's argument that decided of it.
fn of_line<'a>(line: &Line<'a>, options: Options<'_>) -> (Logging, Option<&'a Argument>) {
    // From 1.32 on K3s gives the kubelet these two in a file.
    let in_file = line.component == Component::Kubelet && kubelet::reads_dropins(line.node.version);
    let of_option = |name: &str| options.text(name).filter(|_| in_file);
    let (format, flush) = (
        line.given("logging-format"),
        line.last("log-flush-frequency"),
    );
    let (verbosity, patterns) = (line.last("v"), of_flag(line, "vmodule"));
    let verbosity_text = verbosity
        .map(|given| given.value.as_str())
        .or_else(|| of_option("v"));
    let texts = patterns.iter().map(|given| given.value.as_str());
    let texts = of_option("vmodule").into_iter().chain(texts);
    let logging = Logging {
        format: format.map_or("text", |given| &given.value).to_owned(),
        flush_ns: flush
            .and_then(|given| nanoseconds(&given.value))
            .unwrap_or(FLUSH_FREQUENCY_NS),
        verbosity: verbosity_text.and_then(integer).unwrap_or(0),
        patterns: texts
            .flat_map(|text| text.split(','))
            .filter(|pattern| !pattern.is_empty())
            .map(str::to_owned)
            .collect(),
    };
    let mut all = [format, flush, verbosity]
        .into_iter()
        .flatten()
        .chain(patterns);
    let decided_by = all.find(|argument| common::is_given(argument));
    (logging, decided_by)
}
