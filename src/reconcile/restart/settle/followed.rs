//! The run that is followed: since when its settle time counts, and how it ended.

use std::time::Duration;

use super::{MarkerSeen, Sample, Settling};
use crate::host::systemd::{ActiveState, InvocationId};
use crate::reconcile::restart::heard::Ended;

/// Between two looks for the reason of an end.
const REASON_INTERVAL: Duration = Duration::from_millis(300);
/// journald hears K3s's last words and systemd sees its end, each for itself, and either may be first. systemd starts K3s
/// again after five seconds; whatever it must not read again has to be gone by then.
pub(super) const REASON_PATIENCE: Duration = Duration::from_secs(2);
/// After so many looks in a row without a journal it is not waited for any longer: a journald that restarts is back by then.
const UNREADABLE_LOOKS: u32 = 5;

/// The run that is followed.
#[derive(Debug, Clone)]
pub(super) struct Followed {
    invocation: InvocationId,
    restarts: Option<u32>,
    pub(super) main_pid: Option<u32>,
    pub(super) since: Duration,
    pub(super) counting: Option<Counting>,
    /// Looks in a row at which the journal could not be read.
    unreadable: u32,
    /// When it was first seen to have ended by itself, without a reason in the journal.
    silent_since: Option<Duration>,
}

/// Since when the settle time counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counting {
    pub(super) since: Duration,
    /// By READY for want of a journal, not by the marker.
    without_journal: bool,
}

impl Followed {
    /// `restarts` is systemd's count while the run lives; `None` if it was over before the first sample.
    pub(super) const fn from(
        since: Duration,
        invocation: InvocationId,
        restarts: Option<u32>,
    ) -> Self {
        Self {
            invocation,
            restarts,
            main_pid: None,
            since,
            counting: None,
            unreadable: 0,
            silent_since: None,
        }
    }

    /// Whether the settle time counts, and since when. A count that READY alone has begun ends once the journal can be read
    /// again, which tells since when the marker is there, or that it is not.
    pub(super) fn count(&mut self, sample: &Sample) {
        let is_ready = sample.active == ActiveState::Active;
        self.unreadable = match sample.marker {
            MarkerSeen::Unreadable => self.unreadable.saturating_add(1),
            _ => 0,
        };
        let without_journal = self.unreadable >= UNREADABLE_LOOKS;
        let counts = match sample.marker {
            // An agent's kubelet has started before its node is labelled and its network is set up, and K3s may end at either (K3s
            // pkg/agent/run.go).
            MarkerSeen::Yes | MarkerSeen::NotWritten => is_ready,
            MarkerSeen::NotYet => false,
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

    /// How this run ended, if it did. The journal is given a moment to say why.
    pub(super) fn end(&mut self, sample: &Sample) -> Option<Settling> {
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
