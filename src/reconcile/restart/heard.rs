//! What the journal of one run of K3s tells: the arguments of its components, how far it came, and how it ended.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;

use super::log_line;
use crate::host::systemd::{InvocationId, JournalFrom, JournalQuery, ServiceManager};
use crate::k3s::component::Component;
use crate::k3s::{shown_value, without_credentials};

/// A value that only the running machine knows.
pub const AUTO: &str = "{auto}";

/// A run that ended within seconds says little; one that lived is not read to its end.
const JOURNAL_LIMIT_BYTES: usize = 4 << 20;
const JOURNAL_TIME: Duration = Duration::from_secs(2);
/// The last error lines that are kept for the alarm.
const ERRORS_KEPT: usize = 5;
const ERROR_LIMIT_CHARS: usize = 500;

/// Component arguments, in K3s's own order.
pub type Arguments = BTreeMap<Component, Vec<String>>;

/// The line from which on K3s must live to count as settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    /// `Starting Kubernetes Scheduler`: on a server the scheduler waits for the node, so its flags are judged last.
    Scheduler,
    /// `Started kubelet`, on an agent.
    Kubelet,
}

impl Marker {
    const fn text(self) -> &'static str {
        match self {
            Self::Scheduler => "Starting Kubernetes Scheduler",
            Self::Kubelet => "Started kubelet",
        }
    }
}

/// How K3s said that it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// A signal asked it to.
    Asked,
    /// An agent gave up waiting for its server: nothing that a change of ours does.
    ServerUnreachable(String),
    /// A component or K3s itself failed.
    Failed(String),
}

/// What was heard so far of one run. Fed line by line; keeps little, however long the journal.
#[derive(Debug, Clone)]
pub struct Heard {
    marker: Option<Marker>,
    arguments: Arguments,
    marker_seen: bool,
    ended: Option<Ended>,
    errors: VecDeque<String>,
}

impl Heard {
    /// Nothing yet. Secrets are never kept.
    #[must_use]
    pub const fn new(marker: Option<Marker>) -> Self {
        Self {
            marker,
            arguments: Arguments::new(),
            marker_seen: false,
            ended: None,
            errors: VecDeque::new(),
        }
    }

    /// Takes the next line.
    pub fn hear(&mut self, line: &str) {
        if let Some(marker) = self.marker {
            self.marker_seen |= line.contains(marker.text());
        }
        let Some(entry) = log_line::parse(line) else {
            return;
        };
        if let Some((component, arguments)) = running(&entry.message) {
            let arguments = arguments.iter().map(|argument| masked(argument));
            self.arguments.insert(component, arguments.collect());
        }
        if let Some(ended) = end(
            &entry.level,
            &entry.message,
            self.marker == Some(Marker::Kubelet),
        ) {
            // The first is the cause; others follow from it.
            self.ended.get_or_insert(ended);
        }
        if matches!(entry.level.as_str(), "error" | "fatal") {
            if self.errors.len() == ERRORS_KEPT {
                self.errors.pop_front();
            }
            let message = without_credentials(&entry.message);
            let text = message.chars().take(ERROR_LIMIT_CHARS).collect();
            self.errors.push_back(text);
        }
    }

    /// Reads the journal of a run that is over or under way. What cannot be read was not heard.
    pub fn read(&mut self, manager: &dyn ServiceManager, invocation: &InvocationId) {
        let query = JournalQuery {
            invocation: invocation.clone(),
            from: JournalFrom::Start,
            limit_bytes: JOURNAL_LIMIT_BYTES,
            limit_time: JOURNAL_TIME,
        };
        let _ = manager.journal(&query, &mut |line| {
            self.hear(line);
            ControlFlow::Continue(())
        });
    }

    /// The arguments of each component that was heard of.
    #[must_use]
    pub const fn arguments(&self) -> &Arguments {
        &self.arguments
    }

    /// Whether the line was there from which on K3s settles.
    #[must_use]
    pub const fn is_marker_seen(&self) -> bool {
        self.marker_seen
    }

    /// How K3s said that it ends, if it did.
    #[must_use]
    pub const fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// The last lines of level error and fatal.
    pub fn errors(&self) -> impl Iterator<Item = &str> {
        self.errors.iter().map(String::as_str)
    }
}

/// `Running kube-apiserver --a=b --c=d e`: K3s joins the arguments by blanks and quotes none (K
/// pkg/daemons/config/types.go), so a word without dashes belongs to the value before it.
fn masked(argument: &str) -> String {
    match argument.split_once('=') {
        Some((flag, value)) => {
            format!(
                "{flag}={}",
                shown_value(flag.trim_start_matches('-'), value)
            )
        }
        None => argument.to_owned(),
    }
}

fn running(message: &str) -> Option<(Component, Vec<String>)> {
    let rest = message.strip_prefix("Running ")?;
    let (name, words) = rest.split_once(' ').unwrap_or((rest, ""));
    let component = Component::named(name)?;
    let mut arguments: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match arguments.last_mut() {
            Some(last) if !word.starts_with("--") => {
                last.push(' ');
                last.push_str(word);
            }
            _ if word.is_empty() => {}
            _ => arguments.push(word.to_owned()),
        }
    }
    Some((component, arguments))
}

/// From 1.33 on `Shutdown request received: "apiserver exited: ..."`, which K3s writes only for an error of its own (K
/// pkg/signals/signals.go; a signal is logged at debug level); up to 1.32 `apiserver exited: ...` at level fatal, which a
/// stopped K3s writes too, with `<nil>` or `context canceled` as the error.
fn end(level: &str, message: &str, is_agent: bool) -> Option<Ended> {
    let reason = match message.strip_prefix("Shutdown request received: ") {
        Some(reason) => match reason.strip_prefix('"') {
            Some(quoted) => log_line::unquote(quoted).0,
            None => reason.to_owned(),
        },
        None if level == "fatal" && is_stop(message) => return Some(Ended::Asked),
        None if level == "fatal" => message.to_owned(),
        None => return None,
    };
    // It is told and published. Masked before its quotes are undone, the first word might be hidden with the quote before it.
    let reason = without_credentials(&reason);
    Some(if is_agent && is_unreachable(&reason) {
        Ended::ServerUnreachable(reason)
    } else {
        Ended::Failed(reason)
    })
}

fn is_stop(message: &str) -> bool {
    message.ends_with("<nil>") || message.contains("context canceled")
}

/// Words with which an agent gives up on a server (K pkg/agent/run.go, pkg/util/api.go): up to 1.32 the first, then the
/// second.
fn is_unreachable(reason: &str) -> bool {
    let reason = reason.to_ascii_lowercase();
    [
        "failed to wait for apiserver ready",
        "failed to wait for api server to become ready",
    ]
    .iter()
    .any(|words| reason.contains(words))
}

#[cfg(test)]
mod tests;
