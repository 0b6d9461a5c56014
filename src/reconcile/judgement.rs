//! A control, judged on this node under this policy.

use crate::catalogue::Control;
use crate::policy::{Decision, Exception, Stance};
use crate::setting::{Finding, Outcome, Remedy};

use super::Verdict;

/// One control and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement<'a> {
    /// The control.
    pub control: &'a Control,
    /// How far it is taken, and which line of the policy says so.
    pub decision: Decision<'a>,
    /// The answer.
    pub verdict: Verdict,
    /// What was observed.
    pub findings: Vec<Finding>,
    /// What the operator should know: why it does not apply, what enforcing would do.
    pub note: Option<String>,
}

impl<'a> Judgement<'a> {
    /// Whether divergences are removed.
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.decision.stance == Stance::Enforce
    }

    /// Whether it concerns this node, so far as that is known.
    #[must_use]
    pub fn applies(&self) -> bool {
        !matches!(self.verdict, Verdict::NotApplicable | Verdict::Unknown)
    }

    /// Whether it is a matter of this node at all, even where something of it cannot be observed: what is not seen is no
    /// reason to take away what makes it hold.
    #[must_use]
    pub fn concerns_node(&self) -> bool {
        self.applies() || !self.findings.is_empty()
    }

    /// The exception in force.
    #[must_use]
    pub const fn exception(&self) -> Option<&'a Exception> {
        match self.decision.stance {
            Stance::Excepted(exception) => Some(exception),
            _ => None,
        }
    }

    /// Whether something that it asks could not be observed.
    #[must_use]
    pub fn has_unknown(&self) -> bool {
        let unknown = |finding: &Finding| finding.outcome.is_unknown();
        self.verdict == Verdict::Unknown || self.findings.iter().any(unknown)
    }

    /// How its divergences would be removed.
    pub fn remedies(&self) -> impl Iterator<Item = &Remedy> {
        self.findings
            .iter()
            .flat_map(|finding| match &finding.outcome {
                Outcome::Diverges(remedies) => remedies.as_slice(),
                _ => &[],
            })
    }
}
