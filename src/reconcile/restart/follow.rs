//! Following a start: systemd and the journal are asked, the state machine decides.

use std::ops::ControlFlow;
use std::time::Duration;

use super::heard::{Heard, Marker};
use super::settle::{MarkerSeen, Sample, Settle, SettleRules, Settling};
use crate::host::Clock;
use crate::host::systemd::{
    ActiveState, InvocationId, JournalFrom, JournalQuery, ServiceError, ServiceManager, UnitName,
    UnitStatus,
};

/// All that one run logs until it has settled, at its most talkative. Nothing of it is kept.
const JOURNAL_LIMIT_BYTES: usize = 32 << 20;
const JOURNAL_TIME: Duration = Duration::from_secs(5);

/// A start that is followed. Ask [`Follower::look`] every few seconds until it is no longer waiting.
#[derive(Debug)]
pub struct Follower {
    unit: UnitName,
    previous: Option<InvocationId>,
    settle: Settle,
    marker: Option<Marker>,
    heard: Heard,
    reading: Option<InvocationId>,
    cursor: Option<String>,
    was_ready: bool,
}

/// What a look needs to know beforehand.
#[derive(Debug, Clone, Copy)]
pub struct Following {
    /// How long is long enough.
    pub rules: SettleRules,
    /// The line to wait for; `None` where no scheduler or kubelet runs that would write it.
    pub marker: Option<Marker>,
}

impl Follower {
    /// Follows the start that replaces `previous`, after a restart was asked for.
    #[must_use]
    pub fn after_restart(
        unit: UnitName,
        previous: Option<InvocationId>,
        following: Following,
    ) -> Self {
        Self {
            unit,
            settle: Settle::after(previous.clone(), following.rules),
            previous,
            marker: following.marker,
            heard: Heard::new(following.marker),
            reading: None,
            cursor: None,
            was_ready: false,
        }
    }

    /// Follows a run that somebody else started, also when it is over before the first look.
    #[must_use]
    pub fn of_run(unit: UnitName, run: InvocationId, following: Following) -> Self {
        Self {
            settle: Settle::of_run(run, following.rules),
            ..Self::after_restart(unit, None, following)
        }
    }

    /// A run was seen to begin, see [`Settle::sees`].
    pub fn sees(&mut self, run: &InvocationId) {
        self.settle.sees(run);
    }

    /// What the journal told so far: arguments for the snapshot, errors for the alarm.
    #[must_use]
    pub const fn heard(&self) -> &Heard {
        &self.heard
    }

    /// The run that is followed, once it is known.
    #[must_use]
    pub fn invocation(&self) -> Option<&InvocationId> {
        self.settle.invocation()
    }

    /// Whether it was seen ready: it has read what it reads.
    #[must_use]
    pub const fn was_ready(&self) -> bool {
        self.was_ready
    }

    /// Looks once. Blocks while systemctl and journalctl run, at most 5 s each.
    ///
    /// # Errors
    /// When systemd does not answer: nothing is decided then.
    pub fn look(
        &mut self,
        manager: &dyn ServiceManager,
        clock: &dyn Clock,
    ) -> Result<Settling, ServiceError> {
        let status = manager.show(&self.unit)?;
        let marker = self.listen(manager, &status);
        let ended = self.heard.ended().cloned();
        let is_its = status.invocation.as_ref() == self.settle.invocation();
        self.was_ready |= is_its && status.active == ActiveState::Active;
        let sample = Sample::of(clock.since_boot(), &status, marker, ended);
        Ok(self.settle.take(&sample))
    }

    /// Reads what is new in the journal of the run that is followed, also when another has begun by now.
    fn listen(&mut self, manager: &dyn ServiceManager, status: &UnitStatus) -> MarkerSeen {
        let new = status
            .invocation
            .as_ref()
            .filter(|run| Some(*run) != self.previous.as_ref());
        let Some(invocation) = self.settle.invocation().or(new).cloned() else {
            return MarkerSeen::NotYet;
        };
        if self.reading.as_ref() != Some(&invocation) {
            self.reading = Some(invocation.clone());
            self.cursor = None;
        }
        let query = JournalQuery {
            invocation,
            from: self
                .cursor
                .clone()
                .map_or(JournalFrom::Start, JournalFrom::After),
            limit_bytes: JOURNAL_LIMIT_BYTES,
            limit_time: JOURNAL_TIME,
        };
        let heard = &mut self.heard;
        let read = manager.journal(&query, &mut |line| {
            heard.hear(line);
            ControlFlow::Continue(())
        });
        let readable = read.as_ref().is_ok_and(|end| !end.truncated);
        self.cursor = read.ok().and_then(|end| end.cursor).or(self.cursor.take());
        match (self.heard.is_marker_seen(), self.marker) {
            (true, _) => MarkerSeen::Yes,
            (false, None) => MarkerSeen::NotWritten,
            (false, Some(_)) if readable => MarkerSeen::NotYet,
            (false, Some(_)) => MarkerSeen::Unreadable,
        }
    }
}

#[cfg(test)]
mod tests;
