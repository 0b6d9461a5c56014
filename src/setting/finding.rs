//! What judging a setting says.

use std::path::Path;

use crate::host::{HostError, Refusal, Root, State, SysctlKey, Thing, Touches};
use crate::k3s::Effective;

/// When in a pass a change is made: earlier ones first, and the reverse on revert.
///
/// Files come before the flags that point at them and live kernel values before `protect-kernel-defaults`, so that
/// a node which is restarted between any two changes still starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Live kernel parameters.
    LiveSysctl,
    /// Kernel parameters at the next boot.
    PersistedSysctl,
    /// Directories, parents before children.
    Directory,
    /// Files that K3s's configuration points at.
    File,
    /// Owner and bits of what K3s writes.
    Permissions,
    /// Manifests for the deploy controller.
    Manifest,
    /// K3s's configuration.
    Configuration,
    /// A drop-in for K3s's unit.
    UnitDropIn,
}

/// What a change needs before it is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It is in force at once.
    None,
    /// systemd must read its units again.
    DaemonReload,
    /// K3s must start again.
    K3sRestart,
    /// systemd must read its units again, and K3s must start again after that.
    DaemonReloadAndK3sRestart,
}

/// One step: a thing taken from one state to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What is changed.
    pub thing: Thing,
    /// What it was when it was judged.
    pub before: State,
    /// What it shall be.
    pub after: State,
    /// When in the pass.
    pub stage: Stage,
    /// What is needed before it is in force.
    pub effect: Effect,
}

impl Change {
    /// One change for two of the same thing: each begins with what is there now, so the second would find what the first
    /// has left and be taken for overtaken. Owner and bits go with the content, and of two limits the stricter counts;
    /// what several stages need is made in the first of them. `None` where both cannot be had.
    #[must_use]
    pub fn united_with(&self, other: &Self) -> Option<Self> {
        if self.thing != other.thing {
            return None;
        }
        let (whole, after, stage) = match (&self.after, &other.after) {
            (one, another) if one == another => (self, one.clone(), self.stage.min(other.stage)),
            (one @ State::Attributes(_), State::Attributes(limit)) => {
                (self, one.limited_to(limit), self.stage.min(other.stage))
            }
            (State::Attributes(limit), after) => (other, after.limited_to(limit), other.stage),
            (after, State::Attributes(limit)) => (self, after.limited_to(limit), self.stage),
            _ => return None,
        };
        Some(Self {
            thing: whole.thing.clone(),
            before: whole.before.clone(),
            after,
            stage,
            effect: self.effect.max(other.effect),
        })
    }

    /// Whether a directory is made, removed or given other bits, so that what was seen of it holds no longer.
    #[must_use]
    pub const fn is_of_directory(&self) -> bool {
        matches!(self.stage, Stage::Directory)
            || matches!(self.before, State::Directory(_))
            || matches!(self.after, State::Directory(_))
    }
}

/// A kernel parameter that must be set at the next boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The parameter.
    pub key: SysctlKey,
    /// Value.
    pub value: String,
}

/// How a divergence is removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// By changing one thing.
    Change(Change),
    /// By a line in a sysctl.d file, together with the other keys that need one.
    PersistSysctl(Want),
    /// By a line in our drop-in for K3s's configuration, together with all others that it needs.
    Configure,
    /// By a start of K3s, which then takes what is on disk already.
    Restart,
    /// Not by us; the finding says how.
    ByOperator,
}

/// Whether a thing is as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is.
    Holds,
    /// It is not.
    Diverges(Vec<Remedy>),
    /// It does not concern this node, and why.
    NotApplicable(String),
    /// It could not be looked at, and why.
    Unknown(String),
    /// Something there is left untouched, so that nobody makes it right, and why: a second name of the file, a link in its place, a
    /// read-only mount.
    Untouched(String),
}

/// One observation, compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The thing: a path, a key, an argument.
    pub what: String,
    /// What it should be.
    pub wanted: String,
    /// What it is.
    pub observed: String,
    /// Where that was seen: a file and line, /proc, the journal.
    pub seen_at: String,
    /// The comparison.
    pub outcome: Outcome,
}

impl Outcome {
    /// Whether nobody can say that it holds.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_) | Self::Untouched(_))
    }

    /// What is as it should be at K3s's next start, if there is one: where K3s ends before it has settled its options nothing holds.
    pub(super) fn holds_at(next_start: &Effective) -> Self {
        match next_start.unsettled() {
            Some(ending) => Self::Unknown(format!("K3s would not start: {ending}")),
            None => Self::Holds,
        }
    }
}

impl Finding {
    /// The same finding, of the K3s that runs and not of its next start.
    #[must_use]
    pub fn of_running(self) -> Self {
        Self {
            what: format!("{} (running)", self.what),
            ..self
        }
    }

    /// The same finding where the divergence cannot be removed: what stands there is left untouched.
    #[must_use]
    pub fn untouched(self, refusal: &Refusal) -> Self {
        Self {
            outcome: Outcome::Untouched(refusal.to_string()),
            ..self
        }
    }

    /// The same finding, left untouched where something stands in the way of a change at a path.
    #[must_use]
    pub fn unless_hindered(self, root: &Root, path: &Path, touches: Touches) -> Self {
        if !matches!(self.outcome, Outcome::Diverges(_)) {
            return self;
        }
        match root.obstacle(path, touches) {
            Ok(None) => self,
            Ok(Some(refusal)) => self.untouched(&refusal),
            Err(error) => Self::unreadable(self.what, self.wanted, &error),
        }
    }

    /// A finding that could not be made, because the host did not let us look.
    #[must_use]
    pub fn unreadable(
        what: impl Into<String>,
        wanted: impl Into<String>,
        error: &HostError,
    ) -> Self {
        let what = what.into();
        Self {
            seen_at: what.clone(),
            what,
            wanted: wanted.into(),
            observed: "unknown".to_owned(),
            outcome: Outcome::Unknown(error.with_mend()),
        }
    }
}
