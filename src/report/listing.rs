//! How verdicts look in a table, and which controls it lists.

use super::terminal::Tone;
use crate::reconcile::Verdict;

/// As wide as the longest verdict, in columns.
pub(super) const VERDICT_WIDTH: usize = 14;

/// Which controls a table lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// Every one.
    All,
    /// Those that somebody has to look at: not those that hold or do not apply.
    Telling,
}

impl Listed {
    /// Lists all controls, or only those that need somebody.
    #[must_use]
    pub const fn all_if(all: bool) -> Self {
        match all {
            true => Self::All,
            false => Self::Telling,
        }
    }

    /// Whether a control with that verdict is listed.
    pub(super) const fn lists(self, verdict: Verdict) -> bool {
        matches!(self, Self::All) || !matches!(verdict, Verdict::Compliant | Verdict::NotApplicable)
    }
}

/// The tone of a verdict.
pub(super) const fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Compliant => Tone::Good,
        Verdict::Divergent => Tone::Bad,
        Verdict::Excepted | Verdict::Unknown => Tone::Doubtful,
        Verdict::NotApplicable => Tone::Faint,
    }
}
