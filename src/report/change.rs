//! A change as people read it: unified diffs for contents, old → new for the rest.

use serde::Serialize;

use crate::host::{Attributes, State, Thing};
use crate::k3s::shown_command;
use crate::reconcile::{PlannedChange, Refused, is_our_configuration, unit_override};
use crate::setting::configuration::is_written_by_us;
use crate::setting::{Change, Effect, kubectl_lines};

/// One change for machines.
#[derive(Debug, Serialize)]
pub struct ChangeReport {
    /// The controls that want it.
    pub controls: Vec<String>,
    /// The path or kernel parameter.
    pub thing: String,
    /// What it is.
    pub before: String,
    /// What it will be.
    pub after: String,
    /// What is needed before it is in force.
    pub effect: &'static str,
    /// The unified diff of a text file.
    pub diff: Option<String>,
    /// Commands that would take away what stays in the cluster when a manifest goes.
    pub left_in_cluster: Vec<String>,
}

/// Something refused, for machines.
#[derive(Debug, Serialize)]
pub struct RefusedReport {
    /// The controls that stay divergent.
    pub controls: Vec<String>,
    /// Why.
    pub reason: String,
}

impl RefusedReport {
    /// The report of a refusal.
    #[must_use]
    pub fn of(refused: &Refused) -> Self {
        Self {
            controls: refused.controls.iter().map(ToString::to_string).collect(),
            reason: refused.reason.clone(),
        }
    }
}

/// What a change leaves in the cluster, as commands that take it away.
#[must_use]
pub fn left_in_cluster(change: &Change) -> Vec<String> {
    left_by(&change.thing, &change.before, &change.after)
}

/// The same of a thing.
pub(super) fn left_by(thing: &Thing, before: &State, after: &State) -> Vec<String> {
    match (thing, before, after) {
        (Thing::Path(path), State::File { content, .. }, State::Absent) => {
            kubectl_lines(path, content)
        }
        _ => Vec::new(),
    }
}

impl ChangeReport {
    /// The report of a planned change.
    #[must_use]
    pub fn of(planned: &PlannedChange) -> Self {
        let change = &planned.change;
        Self {
            controls: planned.controls.iter().map(ToString::to_string).collect(),
            thing: change.thing.to_string(),
            before: describe(&change.before),
            after: describe(&change.after),
            effect: effect_name(change.effect),
            diff: diff(&change.thing, &change.before, &change.after),
            left_in_cluster: left_in_cluster(change),
        }
    }
}

/// One line about a change, as apply prints it.
#[must_use]
pub fn one_line(planned: &PlannedChange) -> String {
    let change = &planned.change;
    format!(
        "{}: {} → {}",
        change.thing,
        describe(&change.before),
        describe(&change.after)
    )
}

/// A state in a few words; never a content.
#[must_use]
pub fn describe(state: &State) -> String {
    match state {
        State::Absent => "absent".to_owned(),
        State::File {
            content,
            attributes,
        } => {
            format!("file of {} bytes, {}", content.len(), access(attributes))
        }
        State::Directory(attributes) => format!("directory {}", access(attributes)),
        State::Attributes(attributes) => access(attributes),
        State::Value(value) => value.clone(),
    }
}

fn access(attributes: &Attributes) -> String {
    format!("{} {}:{}", attributes.mode, attributes.uid, attributes.gid)
}

pub(super) const fn effect_name(effect: Effect) -> &'static str {
    match effect {
        Effect::None => "nothing",
        Effect::DaemonReload => "systemctl daemon-reload",
        Effect::K3sRestart => "a start of K3s",
        Effect::DaemonReloadAndK3sRestart => "systemctl daemon-reload and a start of K3s",
    }
}

/// What changes in a text, as a unified diff; `None` where one of them is none.
pub(super) fn diff(thing: &Thing, before: &State, after: &State) -> Option<String> {
    let old = shown(thing, text(before)?);
    let new = shown(thing, text(after)?);
    let name = |state: &State| match state {
        State::Absent => "/dev/null".to_owned(),
        _ => thing.to_string(),
    };
    let patch = diffy::DiffOptions::new()
        .set_original_filename(name(before))
        .set_modified_filename(name(after))
        .create_patch(&old, &new);
    // Where only owner and bits change, or what is not shown, these are told.
    if patch.hunks().is_empty() {
        return None;
    }
    // An empty line that stays begins with a space, as in what diff and git write.
    let format = diffy::PatchFormatter::new().suppress_blank_empty(false);
    Some(format.fmt_patch(&patch).to_string())
}

fn text(state: &State) -> Option<&str> {
    match state {
        State::Absent => Some(""),
        State::File { content, .. } => std::str::from_utf8(content).ok(),
        _ => None,
    }
}

/// What is shown in the place of a line that may say anything.
const SOMEBODY_ELSES: &str = "{a line that k3warden did not write}";

/// A text as it may be shown. Our drop-in for K3s's unit repeats the whole command, its token too, and what an operator
/// wrote into a file of ours for K3s's configuration can be anything.
fn shown(thing: &Thing, text: &str) -> String {
    let Thing::Path(path) = thing else {
        return text.to_owned();
    };
    let line = if unit_override::is_ours(path) {
        shown_line_of_unit
    } else if is_our_configuration(path) {
        shown_line
    } else {
        return text.to_owned();
    };
    text.split_inclusive('\n')
        .map(|whole| match whole.strip_suffix('\n') {
            Some(bare) => format!("{}\n", line(bare)),
            None => line(whole),
        })
        .collect()
}

/// The same of our drop-in for the unit, which has a command and nothing else.
fn shown_line_of_unit(line: &str) -> String {
    match line.strip_prefix("ExecStart=") {
        Some(command) => format!("ExecStart={}", shown_command(command)),
        None if line.starts_with('#') || line == "[Service]" => line.to_owned(),
        None => SOMEBODY_ELSES.to_owned(),
    }
}

/// A line of ours, or that there is one of somebody else's.
fn shown_line(line: &str) -> String {
    let is_key = line
        .strip_suffix("+:")
        .is_some_and(|key| !key.contains(char::is_whitespace));
    if is_key || line.starts_with('#') || is_written_by_us(line) {
        return line.to_owned();
    }
    SOMEBODY_ELSES.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::FileMode;

    fn file(text: &str) -> State {
        State::File {
            content: text.as_bytes().to_vec(),
            attributes: Attributes {
                mode: FileMode::new(0o600),
                uid: 0,
                gid: 0,
            },
        }
    }

    fn shown(before: &State, after: &State) -> String {
        let thing = Thing::Path("/etc/rancher/k3s/config.yaml".into());
        diff(&thing, before, after).unwrap()
    }

    #[test]
    fn a_diff_is_one_that_patch_takes() {
        assert_eq!(
            shown(&file("a\n\nb\nc\nd\ne\nf"), &file("a\n\nb\nC\nd\ne\nf")),
            "--- /etc/rancher/k3s/config.yaml\n+++ /etc/rancher/k3s/config.yaml\n@@ -1,7 +1,7 @@\n a\n \n b\n-c\n+C\n d\n e\n f\n\\ No newline at end of file\n"
        );
    }

    #[test]
    fn a_file_that_comes_or_goes_is_compared_with_none() {
        assert_eq!(
            shown(&State::Absent, &file("a\nb\n")),
            "--- /dev/null\n+++ /etc/rancher/k3s/config.yaml\n@@ -0,0 +1,2 @@\n+a\n+b\n"
        );
        assert_eq!(
            shown(&file("a\n"), &State::Absent),
            "--- /etc/rancher/k3s/config.yaml\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"
        );
    }

    #[test]
    fn where_only_bits_change_there_is_no_diff() {
        let thing = Thing::Path("/etc/rancher/k3s/config.yaml".into());
        assert_eq!(diff(&thing, &file("a\n"), &file("a\n")), None);
    }
}
