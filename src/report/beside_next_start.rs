//! What stands beside K3s's next start: what the running K3s was started with, and a unit on disk that systemd has not
//! read yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use serde::Serialize;

use super::effective::{EndsReport, lines};
use crate::k3s::component::AUTO;
use crate::k3s::{Effective, SECRET};
use crate::reconcile::restart::heard::Arguments;
use crate::reconcile::restart::inputs::Input;
use crate::reconcile::restart::standing::argument_differences;
use crate::reconcile::service::standing::next_arguments;
use crate::setting::{Running, StartedWith};

/// What the running K3s was started with.
#[derive(Debug, Serialize)]
pub struct RunningReport {
    /// Why its arguments are not known.
    pub unknown: Option<String>,
    /// Where its arguments were found.
    pub seen_at: Option<String>,
    /// Every component's arguments in K3s's own order, as far as K3s logged them.
    pub arguments: BTreeMap<&'static str, Vec<String>>,
    /// The options that something had set; null where nobody wrote them down.
    pub options: Option<BTreeMap<String, Vec<String>>>,
    /// What is another at the next start.
    pub differences: Vec<DifferenceReport>,
}

/// The unit on disk, which systemd has not loaded.
#[derive(Debug, Serialize)]
pub struct OnDiskReport {
    /// Why it could not be used.
    pub problem: Option<String>,
    /// Why K3s would end if it were loaded.
    pub ends: Option<EndsReport>,
    /// The options that something would set.
    pub options: BTreeMap<String, Vec<String>>,
    /// Every component's arguments in K3s's own order.
    pub arguments: BTreeMap<&'static str, Vec<String>>,
    /// What is another at the next start, which takes what is loaded.
    pub differences: Vec<DifferenceReport>,
}

/// An option or argument that is not the same at the next start.
#[derive(Debug, Serialize)]
pub struct DifferenceReport {
    /// `kube-apiserver --audit-log-maxage`, or the name of an option.
    pub what: String,
    /// Its values here; none where it is not set.
    pub here: Vec<String>,
    /// Its values at the next start.
    pub next: Vec<String>,
}

impl RunningReport {
    /// The report; `None` while K3s does not run.
    #[must_use]
    pub fn of(running: &Running, next: &Effective) -> Option<Self> {
        let Running::Started(StartedWith {
            arguments,
            arguments_seen_at,
            options,
        }) = running
        else {
            return None;
        };
        let mut differences = Vec::new();
        if let Some(options) = options {
            differences.extend(options_that_differ(
                options,
                &next.configuration.merge.shown(),
            ));
        }
        if let Ok(arguments) = arguments {
            differences.extend(arguments_that_differ(arguments, next));
        }
        let known = arguments.as_ref().ok();
        Some(Self {
            unknown: arguments.as_ref().err().cloned(),
            seen_at: known.map(|_| (*arguments_seen_at).to_owned()),
            arguments: known.into_iter().flatten().map(named).collect(),
            options: options.clone(),
            differences,
        })
    }

    /// The report as text for a person.
    pub(super) fn write(&self, text: &mut String) {
        match (&self.unknown, &self.seen_at) {
            (Some(unknown), _) => {
                let _ = writeln!(
                    text,
                    "\nK3s runs; what its components were started with is not known: {unknown}"
                );
            }
            (None, seen_at) => {
                let seen_at = seen_at.as_deref().unwrap_or_default();
                let _ = writeln!(text, "\nK3s runs, and was started with ({seen_at}):");
                for (component, line) in &self.arguments {
                    let _ = writeln!(text, "  {component}:");
                    line.iter().for_each(|word| {
                        let _ = writeln!(text, "    {word}");
                    });
                }
            }
        }
        if self.options.is_none() {
            text.push_str("The options of its start were not written down.\n");
        }
        write_differences(
            text,
            "Another at the next start than now",
            &self.differences,
        );
        if self.differences.is_empty() && self.unknown.is_none() {
            text.push_str("\nNothing is another at the next start, as far as that is known.\n");
        }
    }
}

impl OnDiskReport {
    /// The report of what the unit on disk would make of K3s, or why nothing.
    #[must_use]
    pub fn of(on_disk: &Result<Effective, String>, next: &Effective) -> Self {
        match on_disk {
            Err(problem) => Self {
                problem: Some(problem.clone()),
                ends: None,
                options: BTreeMap::new(),
                arguments: BTreeMap::new(),
                differences: Vec::new(),
            },
            Ok(effective) => {
                let options = effective.configuration.merge.shown();
                let mut differences =
                    options_that_differ(&options, &next.configuration.merge.shown());
                differences.extend(arguments_that_differ(&next_arguments(effective), next));
                Self {
                    problem: None,
                    ends: EndsReport::of(effective),
                    options,
                    arguments: lines(effective),
                    differences,
                }
            }
        }
    }

    /// The report as text for a person.
    pub(super) fn write(&self, text: &mut String) {
        text.push_str(
            "\nThe unit on disk is another; `systemctl daemon-reload` makes it the one of the next start.\n",
        );
        if let Some(problem) = &self.problem {
            let _ = writeln!(text, "It cannot be used: {problem}");
        }
        if let Some(ends) = &self.ends {
            let _ = writeln!(text, "K3s would end with it: {}", ends.sentence());
        }
        write_differences(
            text,
            "On disk, and what is loaded instead",
            &self.differences,
        );
    }
}

fn write_differences(text: &mut String, title: &str, differences: &[DifferenceReport]) {
    if differences.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}:");
    for difference in differences {
        let shown = |values: &[String]| match values {
            [] => "not set".to_owned(),
            values => values.join(" "),
        };
        let (here, next) = (shown(&difference.here), shown(&difference.next));
        let _ = writeln!(text, "  {}: {here} -> {next}", difference.what);
    }
}

fn named<'a>(
    (component, line): (&'a crate::k3s::component::Component, &'a Vec<String>),
) -> (&'static str, Vec<String>) {
    (component.name(), line.clone())
}

fn options_that_differ(
    here: &BTreeMap<String, Vec<String>>,
    next: &BTreeMap<String, Vec<String>>,
) -> Vec<DifferenceReport> {
    let names: BTreeSet<&String> = here.keys().chain(next.keys()).collect();
    let values = |all: &BTreeMap<String, Vec<String>>, name: &str| {
        all.get(name).cloned().unwrap_or_default()
    };
    names
        .into_iter()
        .map(|name| DifferenceReport {
            what: name.clone(),
            here: values(here, name),
            next: values(next, name),
        })
        .filter(|pair| pair.here != pair.next && !is_free(&pair.here) && !is_free(&pair.next))
        .collect()
}

/// Values that stand for any.
fn is_free(values: &[String]) -> bool {
    values.iter().any(|value| value == AUTO || value == SECRET)
}

fn arguments_that_differ(here: &Arguments, next: &Effective) -> Vec<DifferenceReport> {
    let next = next_arguments(next);
    let values = |all: &Arguments, component: &str, flag: &str| {
        let line = all.iter().find(|(listed, _)| listed.name() == component);
        let words = line.into_iter().flat_map(|(_, words)| words);
        let (flagged, bare) = (format!("{flag}="), flag.to_owned());
        words
            .filter(|word| word.starts_with(&flagged) || **word == bare)
            .map(|word| word.strip_prefix(&flagged).unwrap_or_default().to_owned())
            .collect()
    };
    argument_differences(here, &next)
        .into_iter()
        .filter_map(|difference| match difference.input {
            Input::Argument { component, flag } => Some(DifferenceReport {
                what: format!("{component} {flag}"),
                here: values(here, component, &flag),
                next: values(&next, component, &flag),
            }),
            _ => None,
        })
        .collect()
}
