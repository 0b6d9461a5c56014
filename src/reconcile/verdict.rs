//! The five answers, and how findings add up to one.

use std::fmt;

use serde::Serialize;

use crate::setting::{Finding, Outcome};

/// Whether a control holds on this node.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that it asks was observed to be so.
    Compliant,
    /// Something was observed to be otherwise.
    Divergent,
    /// The operator accepts that it does not hold.
    Excepted,
    /// It does not concern this node.
    NotApplicable,
    /// It could not be observed. Never green.
    Unknown,
}

impl Verdict {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 5] = [
        Self::Compliant,
        Self::Divergent,
        Self::Excepted,
        Self::NotApplicable,
        Self::Unknown,
    ];

    /// The word in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compliant => "compliant",
            Self::Divergent => "divergent",
            Self::Excepted => "excepted",
            Self::NotApplicable => "not-applicable",
            Self::Unknown => "unknown",
        }
    }

    /// What findings add up to. One that diverges makes the control divergent; else one that could not be made makes
    /// it unknown; it is compliant only if something was observed to hold.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Self {
        let any =
            |test: fn(&Outcome) -> bool| findings.iter().any(|finding| test(&finding.outcome));
        if any(|outcome| matches!(outcome, Outcome::Diverges(_))) {
            Self::Divergent
        } else if any(Outcome::is_unknown) {
            Self::Unknown
        } else if any(|outcome| matches!(outcome, Outcome::Holds)) {
            Self::Compliant
        } else {
            Self::NotApplicable
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(outcome: Outcome) -> Finding {
        Finding {
            what: String::new(),
            wanted: String::new(),
            observed: String::new(),
            seen_at: String::new(),
            outcome,
        }
    }

    #[test]
    fn nothing_observed_is_never_compliant() {
        assert_eq!(Verdict::of(&[]), Verdict::NotApplicable);
        let absent = finding(Outcome::NotApplicable("absent".into()));
        assert_eq!(Verdict::of(&[absent]), Verdict::NotApplicable);
    }

    #[test]
    fn one_blind_spot_outweighs_everything_that_holds() {
        let blind = finding(Outcome::Unknown("EACCES".into()));
        assert_eq!(
            Verdict::of(&[finding(Outcome::Holds), blind.clone()]),
            Verdict::Unknown
        );
        let diverges = finding(Outcome::Diverges(Vec::new()));
        assert_eq!(Verdict::of(&[blind, diverges]), Verdict::Divergent);
    }
}
