//! What apply did and what holds afterwards.

use std::fmt::Write;

use serde::Serialize;

use crate::reconcile::{Outcome, Refused};

use super::change::{RefusedReport, one_line};
use super::{Assessment, ChangeReport};

/// The name of the format; a field is only ever added within one version.
const FORMAT: &str = "k3warden.apply/v1";

/// What apply did. That a change was made and that its control holds are two things; the check says the second.
#[derive(Debug, Serialize)]
pub struct AppliedReport {
    /// Format and its version.
    pub format: &'static str,
    /// The changes in their order.
    pub changes: Vec<AppliedChange>,
    /// What is left as it is, and why.
    pub refused: Vec<RefusedReport>,
    /// What was observed afterwards.
    pub check: Assessment,
}

/// One change and what became of it.
#[derive(Debug, Serialize)]
pub struct AppliedChange {
    /// The change.
    #[serde(flatten)]
    pub change: ChangeReport,
    /// Why it was not made.
    pub error: Option<String>,
    #[serde(skip)]
    line: String,
}

impl AppliedReport {
    /// The report of a run.
    #[must_use]
    pub fn of(outcomes: &[Outcome], refused: &[Refused], check: Assessment) -> Self {
        Self {
            format: FORMAT,
            changes: outcomes.iter().map(applied).collect(),
            refused: refused.iter().map(RefusedReport::of).collect(),
            check,
        }
    }

    /// The changes as lines for a person; says so when there were none.
    #[must_use]
    pub fn changes_text(&self) -> String {
        if self.changes.is_empty() && self.refused.is_empty() {
            return "Nothing to change.\n\n".to_owned();
        }
        let mut text = String::new();
        if self.changes.is_empty() {
            text.push_str("Nothing to change but what is refused:\n");
        }
        for change in &self.changes {
            if let Some(error) = &change.error {
                let _ = writeln!(text, "not changed  {error}");
                continue;
            }
            let _ = writeln!(text, "changed      {}", change.line);
            for line in &change.change.left_in_cluster {
                let _ = writeln!(
                    text,
                    "             stays in the cluster; to remove it: {line}"
                );
            }
        }
        for refused in &self.refused {
            let _ = writeln!(
                text,
                "not changed  {} ({})",
                refused.reason,
                refused.controls.join(", ")
            );
        }
        text.push('\n');
        text
    }
}

fn applied(outcome: &Outcome) -> AppliedChange {
    AppliedChange {
        change: ChangeReport::of(&outcome.planned),
        error: outcome.result.as_ref().err().map(ToString::to_string),
        line: one_line(&outcome.planned),
    }
}
