//! Whether a start of K3s has settled: a pure state machine, fed with what systemd and the journal say.
//!
//! READY=1 comes before the kubelet has started, and the scheduler's flags are judged only once the node is Ready (K
//! pkg/daemons/control/server.go), so K3s must live on for the settle time after that. Only a process that has ended has
//! failed: a node without network is not Ready and has not failed.

mod followed;

use std::time::Duration;

use followed::Followed;

use super::heard::Ended;
use crate::host::systemd::{ActiveState, InvocationId, UnitStatus};

/// Between two looks at a start.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(2);

/// How long is long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettleRules {
    /// It must live this long from the marker line, or from READY.
    pub settle_time: Duration,
    /// The same main process for this long has settled, whatever it logs.
    pub limit: Duration,
}

/// Whether the marker was seen: the line of the journal from which the settle time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkerSeen {
    /// It was there.
    Yes,
    /// Not yet.
    NotYet,
    /// No scheduler runs here that would write it. Then READY counts.
    NotWritten,
    /// The journal cannot be read, or not to its end: the line may be there and may not. READY counts where it stays so.
    Unreadable,
}

/// One look at K3s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Time since boot.
    pub at: Duration,
    /// Where the unit is in its life.
    pub active: ActiveState,
    /// systemd waits to start it again by itself.
    pub auto_restart: bool,
    /// systemd's word for how the last run ended is not `success`.
    pub result_failed: bool,
    /// The main process.
    pub main_pid: Option<u32>,
    /// Automatic restarts.
    pub restarts: u32,
    /// The run.
    pub invocation: Option<InvocationId>,
    /// The marker line.
    pub marker: MarkerSeen,
    /// How K3s said that it ends, in the journal of the run that is followed.
    pub ended: Option<Ended>,
}

impl Sample {
    /// A look at systemd's answer, together with what the journal told.
    #[must_use]
    pub fn of(at: Duration, status: &UnitStatus, marker: MarkerSeen, ended: Option<Ended>) -> Self {
        Self {
            at,
            active: status.active,
            auto_restart: status.is_auto_restart(),
            result_failed: !matches!(status.result.as_str(), "" | "success"),
            main_pid: status.main_pid,
            restarts: status.restarts,
            invocation: status.invocation.clone(),
            marker,
            ended,
        }
    }
}

/// What the looks so far amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settling {
    /// Not decided.
    Waiting {
        /// What for, for STATUS= and `k3warden status`.
        what_for: &'static str,
        /// When to look again.
        again: Duration,
    },
    /// It lives and lived on.
    Settled {
        /// At the upper limit, without the marker.
        at_limit: bool,
        /// It was READY. An agent whose server cannot be reached may wait for a quarter of an hour before its kubelet
        /// reads anything.
        ready: bool,
    },
    /// The process ended by itself.
    Failed {
        /// What K3s or systemd says of it.
        reason: String,
    },
    /// Somebody stopped or restarted it, or an agent gave up on its server: this start proved nothing either way. What
    /// starts next has to be followed anew.
    Broken {
        /// Why.
        reason: &'static str,
    },
}

/// The start that is followed.
#[derive(Debug, Clone)]
pub struct Settle {
    rules: SettleRules,
    /// The run that our restart ends; it is waited for to be gone.
    previous: Option<InvocationId>,
    /// The run that is to be followed, where it is known.
    run: Option<InvocationId>,
    /// When it was first looked for.
    asked: Option<Duration>,
    followed: Option<Followed>,
    decided: Option<Settling>,
}

impl Settle {
    /// Follows the start that replaces `previous`: after a restart was asked for. The old process may take its time.
    #[must_use]
    pub const fn after(previous: Option<InvocationId>, rules: SettleRules) -> Self {
        Self {
            rules,
            previous,
            run: None,
            asked: None,
            followed: None,
            decided: None,
        }
    }

    /// Follows a run that somebody else started. It may be over before the first sample.
    #[must_use]
    pub fn of_run(run: InvocationId, rules: SettleRules) -> Self {
        let mut settle = Self::after(None, rules);
        settle.run = Some(run);
        settle
    }

    /// A run was seen to begin. It is the one to follow, unless another is followed or it is the old one; it may be over
    /// before the next sample.
    pub fn sees(&mut self, run: &InvocationId) {
        if self.run.is_none() && self.previous.as_ref() != Some(run) {
            self.run = Some(run.clone());
        }
    }

    /// The run that is followed, once it is known.
    #[must_use]
    pub const fn invocation(&self) -> Option<&InvocationId> {
        self.run.as_ref()
    }

    /// Takes a sample. A decision, once made, stands.
    pub fn take(&mut self, sample: &Sample) -> Settling {
        if let Some(decided) = &self.decided {
            return decided.clone();
        }
        let answer = self.judge(sample);
        if !matches!(answer, Settling::Waiting { .. }) {
            self.decided = Some(answer.clone());
        }
        answer
    }

    fn judge(&mut self, sample: &Sample) -> Settling {
        let Some(followed) = &mut self.followed else {
            return self.begin(sample);
        };
        if let Some(end) = followed.end(sample) {
            return end;
        }
        followed.main_pid = followed.main_pid.or(sample.main_pid);
        if followed.main_pid.is_none() {
            return waiting("K3s's process to start");
        }
        if sample.active == ActiveState::Deactivating {
            return waiting("systemd to say how K3s ended");
        }
        followed.count(sample);
        if let Some(counting) = followed.counting
            && sample.at.saturating_sub(counting.since) >= self.rules.settle_time
        {
            return Settling::Settled {
                at_limit: false,
                ready: true,
            };
        }
        if sample.at.saturating_sub(followed.since) >= self.rules.limit {
            return Settling::Settled {
                at_limit: true,
                ready: sample.active == ActiveState::Active,
            };
        }
        match (followed.counting, sample.active) {
            (Some(_), _) => waiting("the settle time to pass"),
            (None, ActiveState::Active) => waiting("the last component to start"),
            (None, _) => waiting("K3s to be ready"),
        }
    }

    fn begin(&mut self, sample: &Sample) -> Settling {
        if sample.invocation.is_some() && self.previous == sample.invocation {
            let asked = *self.asked.get_or_insert(sample.at);
            let is_late = sample.at.saturating_sub(asked) >= self.rules.limit;
            // A stop may take its time; one that does not even begin was taken away from systemd by somebody.
            return match (is_late, sample.active) {
                (true, ActiveState::Active) => Settling::Broken {
                    reason: "the old K3s was not stopped",
                },
                // Somebody's stop took the place of our restart.
                (true, ActiveState::Inactive | ActiveState::Failed) => Settling::Broken {
                    reason: "K3s was stopped and not started again",
                },
                _ => waiting("the old K3s to end"),
            };
        }
        if let Some(run) = self.run.clone() {
            let is_there = sample.invocation.as_ref() == Some(&run);
            let restarts = is_there.then_some(sample.restarts);
            return self.follow(run, restarts, sample);
        }
        let Some(invocation) = sample.invocation.clone() else {
            return waiting("K3s to start");
        };
        let runs = matches!(sample.active, ActiveState::Active | ActiveState::Activating);
        if !runs || sample.auto_restart {
            return waiting("K3s to start");
        }
        self.run = Some(invocation.clone());
        self.follow(invocation, Some(sample.restarts), sample)
    }

    fn follow(
        &mut self,
        invocation: InvocationId,
        restarts: Option<u32>,
        sample: &Sample,
    ) -> Settling {
        self.followed = Some(Followed::from(sample.at, invocation, restarts));
        self.judge(sample)
    }
}

const fn waiting(what_for: &'static str) -> Settling {
    Settling::Waiting {
        what_for,
        again: LOOK_INTERVAL,
    }
}

#[cfg(test)]
mod tests;
