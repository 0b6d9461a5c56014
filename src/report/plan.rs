//! A plan as people and machines read it: what would be changed, what would be given back, and what would not and why.

use std::fmt::Write;

use serde::Serialize;

use super::change::{ChangeReport, RefusedReport, describe, diff, effect_name, left_by};
use crate::reconcile::{Decision, Foreseen, Plan, Put, PutBack, RevertError, UNPROVEN};
use crate::setting::Effect;

/// The name of the plan's format; a field is only ever added within one version.
const FORMAT: &str = "k3warden.plan/v1";

/// A plan for machines.
#[derive(Debug, Serialize)]
pub struct PlanReport {
    /// Format and its version.
    pub format: &'static str,
    /// Why nothing of it is carried out now.
    pub not_done: Vec<String>,
    /// The changes in their order.
    pub changes: Vec<ChangeReport>,
    /// What controls changed that the policy has turned off since, in the order in which it is given back after the changes.
    pub given_back: Vec<GivenBackReport>,
    /// What is left as it is, and why.
    pub refused: Vec<RefusedReport>,
    /// Enforced controls that could not be judged, so that what they need is not among the changes.
    pub unseen: Vec<String>,
}

/// What becomes of a thing that controls changed which are turned off, for machines.
#[derive(Debug, Serialize)]
pub struct GivenBackReport {
    /// The controls that had changed it.
    pub controls: Vec<String>,
    /// The path or kernel parameter.
    pub thing: String,
    /// What it is; `None` where it stays.
    pub before: Option<String>,
    /// What it will be; `None` where it stays.
    pub after: Option<String>,
    /// The unified diff of a text file.
    pub diff: Option<String>,
    /// Commands that would take away what stays in the cluster when a manifest goes.
    pub left_in_cluster: Vec<String>,
    /// Why it is not given back.
    pub stays: Option<String>,
}

impl PlanReport {
    /// The report of a plan, and of what is given back after it.
    #[must_use]
    pub fn of(plan: &Plan, given_back: &[Foreseen], not_done: Vec<String>) -> Self {
        Self {
            format: FORMAT,
            not_done,
            changes: plan.changes.iter().map(ChangeReport::of).collect(),
            given_back: given_back.iter().map(GivenBackReport::of).collect(),
            refused: plan.refused.iter().map(RefusedReport::of).collect(),
            unseen: plan.unseen.iter().map(ToString::to_string).collect(),
        }
    }

    /// Whether there is nothing to say of any change.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty()
            && self.given_back.is_empty()
            && self.refused.is_empty()
            && self.unseen.is_empty()
    }

    /// The report as text for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for reason in &self.not_done {
            let _ = writeln!(text, "not done: {reason}");
        }
        if !self.not_done.is_empty() {
            text.push('\n');
        }
        for change in &self.changes {
            change.tell(&mut text);
        }
        for given_back in &self.given_back {
            given_back.tell(&mut text);
        }
        if self.changes.is_empty() && self.given_back.is_empty() && !self.refused.is_empty() {
            text.push_str("Nothing to change but what is refused:\n");
        }
        for refused in &self.refused {
            let controls = refused.controls.join(", ");
            let _ = writeln!(text, "not changed: {}  [{controls}]", refused.reason);
        }
        if !self.unseen.is_empty() {
            let _ = writeln!(
                text,
                "not judged, so what it needs is not shown here (`k3warden check` says why): {}",
                self.unseen.join(", ")
            );
        }
        text
    }
}

impl ChangeReport {
    fn tell(&self, text: &mut String) {
        let _ = writeln!(text, "{}  [{}]", self.thing, self.controls.join(", "));
        tell_difference(text, self.diff.as_deref(), (&self.before, &self.after));
        tell_left(text, &self.left_in_cluster);
        if self.effect != effect_name(Effect::None) {
            let _ = writeln!(text, "  in force after: {}", self.effect);
        }
        text.push('\n');
    }
}

impl GivenBackReport {
    /// The report of one thing.
    #[must_use]
    pub fn of(foreseen: &Foreseen) -> Self {
        let thing = &foreseen.thing;
        let mut report = Self {
            controls: foreseen.controls.clone(),
            thing: thing.to_string(),
            before: None,
            after: None,
            diff: None,
            left_in_cluster: Vec::new(),
            stays: None,
        };
        match &foreseen.decision {
            Ok(Decision {
                end: PutBack::Restored(_),
                put: Some(Put { from, to, .. }),
                ..
            }) => {
                report.before = Some(describe(from));
                report.after = Some(describe(to));
                report.diff = diff(thing, from, to);
                report.left_in_cluster = left_by(thing, from, to);
            }
            Ok(Decision { end, .. }) => match end {
                PutBack::Waits(reason) | PutBack::Stays(reason) => {
                    report.stays = Some(reason.to_string());
                }
                PutBack::Restored(_) | PutBack::Already => {}
            },
            Err(RevertError::Unproven(_)) => report.stays = Some(UNPROVEN.to_owned()),
            Err(error) => report.stays = Some(error.to_string()),
        }
        report
    }

    fn tell(&self, text: &mut String) {
        let (thing, controls) = (&self.thing, self.controls.join(", "));
        if let Some(reason) = &self.stays {
            let _ = writeln!(text, "not given back: {thing}: {reason}  [{controls}]\n");
            return;
        }
        let _ = writeln!(text, "given back: {thing}  [{controls}]");
        let both = self.before.as_deref().zip(self.after.as_deref());
        tell_difference(text, self.diff.as_deref(), both.unwrap_or_default());
        tell_left(text, &self.left_in_cluster);
        text.push('\n');
    }
}

fn tell_difference(text: &mut String, diff: Option<&str>, (before, after): (&str, &str)) {
    match diff {
        Some(diff) => text.push_str(diff),
        None => {
            let _ = writeln!(text, "  {before} → {after}");
        }
    }
}

fn tell_left(text: &mut String, commands: &[String]) {
    for line in commands {
        let _ = writeln!(text, "  stays in the cluster; to remove it: {line}");
    }
}
