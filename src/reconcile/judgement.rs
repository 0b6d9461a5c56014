//! A control, judged on this node under this policy.

use crate::catalogue::{Control, Enforcement};
use crate::policy::Exception;
use crate::setting::{Finding, Outcome, Remedy};

use super::Verdict;

/// How far a control is taken here, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing<'a> {
    /// Enforced, observed or off.
    pub enforcement: Enforcement,
    /// The exception that the operator made, while it lasts.
    pub exception: Option<&'a Exception>,
    /// What decided, for `explain`.
    pub decided_by: String,
}

/// One control and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement<'a> {
    /// The control.
    pub control: &'a Control,
    /// How far it is taken.
    pub standing: Standing<'a>,
    /// The answer.
    pub verdict: Verdict,
    /// What was observed.
    pub findings: Vec<Finding>,
    /// What the operator should know: why it does not apply, what enforcing would do.
    pub note: Option<String>,
}

impl Judgement<'_> {
    /// Whether divergences are removed.
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.standing.enforcement == Enforcement::Enforce && self.standing.exception.is_none()
    }

    /// Whether something that it asks could not be observed.
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        self.verdict == Verdict::Unknown
            || self
                .findings
                .iter()
                .any(|finding| matches!(finding.outcome, Outcome::Unknown(_)))
    }

    /// How its divergences would be removed.
    pub fn remedies(&self) -> impl Iterator<Item = &Remedy> {
        self.findings.iter().flat_map(|finding| match &finding.outcome {
            Outcome::Diverges(remedies) => remedies.as_slice(),
            _ => &[],
        })
    }
}
