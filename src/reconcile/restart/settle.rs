//! Whether a start of K3s has settled: a pure state machine, fed with what systemd and the journal say.
//!
//! READY=1 comes before the kubelet has started, and the scheduler's flags are judged only once the node is Ready (K
//! pkg/daemons/control/server.go), so K3s must live on for the settle time after that. Only a process that has ended has
//! failed: a node without network is not Ready and has not failed.

use std::time::Duration;

use super::heard::Ended;
use crate::host::systemd::{ActiveState, InvocationId, UnitStatus};

/// Between two looks at a start.
pub const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Between two looks for the reason of an end.
const REASON_INTERVAL: Duration = Duration::from_millis(300);
/// journald reads what K3s said last beside systemd, which says that it ended: one may be before the other. Systemd
/// starts K3s again after five seconds, and what it must not read again has to go before.
const REASON_PATIENCE: Duration = Duration::from_secs(2);
/// So many looks in a row without a journal, and there is none to wait for: journald that restarts is back by then.
const UNREADABLE_LOOKS: u32 = 5;

/// How long is long enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SettleRules {
    /// It must live this long from the marker line, or from READY.
    pub settle_time: Duration,
    /// The same main process for this long has settled, whatever it logs.
    pub limit: Duration,
}

/// What is seen of the line from which on the time counts.
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

#[derive(Debug, Clone)]
struct Followed {
    invocation: InvocationId,
    /// systemd's count while it lived; `None` if that was over before the first sample.
    restarts: Option<u32>,
    main_pid: Option<u32>,
    since: Duration,
    counting: Option<Counting>,
    /// Looks in a row at which the journal could not be read.
    unreadable: u32,
    /// When it was first seen to have ended by itself, without a reason in the journal.
    silent_since: Option<Duration>,
}

/// From when on the settle time counts.
#[derive(Debug, Clone, Copy)]
struct Counting {
    since: Duration,
    /// By READY for want of a journal, not by the marker.
    without_journal: bool,
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
            let is_there = sample.invocation.as_ref() == Some(&run) && !sample.auto_restart;
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
        self.followed = Some(Followed {
            invocation,
            restarts,
            main_pid: None,
            since: sample.at,
            counting: None,
            unreadable: 0,
            silent_since: None,
        });
        self.judge(sample)
    }
}

impl Followed {
    /// Whether the settle time counts, and from when on. What READY alone has begun ends once the journal can be read
    /// again: it says since when the marker is there, or that it is not.
    fn count(&mut self, sample: &Sample) {
        let is_ready = sample.active == ActiveState::Active;
        self.unreadable = match sample.marker {
            MarkerSeen::Unreadable => self.unreadable.saturating_add(1),
            _ => 0,
        };
        let without_journal = self.unreadable >= UNREADABLE_LOOKS;
        let counts = match sample.marker {
            MarkerSeen::Yes => true,
            MarkerSeen::NotYet => false,
            MarkerSeen::NotWritten => is_ready,
            MarkerSeen::Unreadable => is_ready && without_journal,
        };
        if self.unreadable == 0 {
            self.counting = self.counting.filter(|counting| !counting.without_journal);
        }
        if counts {
            self.counting.get_or_insert(Counting {
                since: sample.at,
                without_journal,
            });
        }
    }

    /// How this run ended, if it did. Why is waited for a moment.
    fn end(&mut self, sample: &Sample) -> Option<Settling> {
        let other_run = sample
            .invocation
            .as_ref()
            .is_some_and(|run| *run != self.invocation);
        let counted = self.restarts.is_some_and(|before| sample.restarts > before);
        let again = counted || sample.auto_restart;
        let other_process = self.main_pid.is_some()
            && sample.main_pid.is_some()
            && self.main_pid != sample.main_pid;
        let stands = matches!(sample.active, ActiveState::Inactive | ActiveState::Failed);
        let was_silent = self.silent_since.is_some();
        if !(other_run || again || other_process || stands || was_silent) {
            return None;
        }
        let by_itself = was_silent
            || again
            || (stands && sample.result_failed)
            || sample.active == ActiveState::Failed;
        Some(match &sample.ended {
            Some(Ended::ServerUnreachable(_)) => Settling::Broken {
                reason: "the agent gave up waiting for its server",
            },
            Some(Ended::Failed(reason)) => Settling::Failed {
                reason: reason.clone(),
            },
            None if by_itself && self.may_still_be_told(sample.at) => Settling::Waiting {
                what_for: "the journal to say why K3s ended",
                again: REASON_INTERVAL,
            },
            _ if by_itself => Settling::Failed {
                reason: "K3s ended and the journal does not say why".to_owned(),
            },
            _ if other_run || other_process => Settling::Broken {
                reason: "somebody restarted K3s",
            },
            _ => Settling::Broken {
                reason: "somebody stopped K3s",
            },
        })
    }

    fn may_still_be_told(&mut self, now: Duration) -> bool {
        let since = *self.silent_since.get_or_insert(now);
        now.saturating_sub(since) < REASON_PATIENCE
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
