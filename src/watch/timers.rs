//! What comes round again and again, and what is due once. All on the monotonic clock: nobody can set it.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use super::agent::Agent;
use super::stale::Rebuild;
use crate::node;
use crate::reconcile::restart::limits::turn;

/// Mounts come in swarms where pods start.
const MOUNTS_TOGETHER: Duration = Duration::from_secs(1);
/// What is looked for without an event is looked for no more seldom, however seldom the policy has kernel parameters read.
const LONGEST_ROUND: Duration = Duration::from_secs(60);
/// Nodes are spread over so many shares of a tenth of an interval.
const SHARES: u32 = 100;

/// The timers of the loop.
#[derive(Debug)]
pub(super) struct Timers {
    watchdog: Option<(Duration, Instant)>,
    /// This node's share of a tenth of each interval, so that a fleet does not wake as one.
    share: u32,
    sysctls: Instant,
    round: Instant,
    full_pass: Instant,
    mounts: Option<Instant>,
}

impl Timers {
    pub(super) fn new(agent: &Agent<'_>, now: Instant) -> Self {
        // Half of what systemd grants, as sd_watchdog_enabled(3) advises.
        let watchdog = sd_notify::watchdog_enabled().map(|limit| (limit / 2, now));
        let node_id = node::id(&agent.ground.host.root).unwrap_or_default();
        let share = turn(&node_id, Duration::from_secs(SHARES.into()));
        Self {
            watchdog,
            share: u32::try_from(share.as_secs()).unwrap_or(0),
            sysctls: now,
            round: now,
            full_pass: now,
            mounts: None,
        }
    }

    /// Something was mounted or unmounted. Where that never stops it is looked at all the same, once in each such time.
    pub(super) fn mounts_changed(&mut self, now: Instant) {
        self.mounts.get_or_insert(now + MOUNTS_TOGETHER);
    }

    fn jittered(&self, interval: Duration) -> Duration {
        interval + interval * self.share / (SHARES * 10)
    }

    fn next_sysctls(&self, agent: &Agent<'_>) -> Instant {
        self.sysctls + self.jittered(agent.ground.policy.sysctl_interval.value)
    }

    fn next_round(&self, agent: &Agent<'_>) -> Instant {
        let interval = agent.ground.policy.sysctl_interval.value;
        self.round + self.jittered(interval.min(LONGEST_ROUND))
    }

    /// When the next thing is due.
    pub(super) fn next(&self, agent: &Agent<'_>) -> Instant {
        let policy = &agent.ground.policy;
        let rounds = self.next_sysctls(agent).min(self.next_round(agent));
        let full_pass = self.full_pass + policy.full_pass_interval.value;
        let due = &agent.due;
        [
            self.watchdog.map(|(_, at)| at),
            self.mounts,
            agent.publisher.due(),
            agent.keeper.due(),
            agent.contention.next_due(),
            agent.endangered.due(),
            due.later.as_ref().map(|(at, _)| *at),
            due.settle.as_ref().map(|(at, _)| *at),
            due.full_pass,
            due.place,
            due.pause_ends,
            due.rebuild.as_ref().and_then(Rebuild::due),
        ]
        .into_iter()
        .flatten()
        .fold(rounds.min(full_pass), Instant::min)
    }

    /// Does what is due; true if our namespace is stale.
    pub(super) fn run(&mut self, agent: &mut Agent<'_>, now: Instant) -> bool {
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if let Some((every, at)) = self.watchdog
            && at <= now
        {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            self.watchdog = Some((every, now + every));
        }
        if is_due(agent.due.later.as_ref().map(|(at, _)| *at))
            && let Some((_, hits)) = agent.due.later.take()
        {
            agent.answer(&hits, now);
        }
        if is_due(agent.due.settle.as_ref().map(|(at, _)| *at))
            && let Some((_, controls)) = agent.due.settle.take()
        {
            agent.settle(&controls, now);
        }
        if is_due(agent.contention.next_due()) {
            agent.on_contention_due(now);
        }
        if is_due(agent.endangered.due()) {
            agent.look_for_endangered_start(now);
        }
        if is_due(agent.due.place) {
            agent.place(now);
        }
        if is_due(self.mounts) {
            self.mounts = None;
            agent.look_at_mounts(now);
            agent.place(now);
        }
        if is_due(agent.keeper.due()) {
            agent.on_k3s_due(now);
        }
        if is_due(agent.due.pause_ends) {
            agent.look_for_suspension(now);
        }
        self.run_rounds(agent, now);
        if is_due(agent.publisher.due()) {
            agent.publish();
        }
        agent.ends_for_rebuild(now)
    }

    fn run_rounds(&mut self, agent: &mut Agent<'_>, now: Instant) {
        let policy = &agent.ground.policy;
        let full_pass = now >= self.full_pass + policy.full_pass_interval.value;
        if now >= self.next_sysctls(agent) {
            self.sysctls = now;
            agent.on_sysctl_round(now);
        }
        if now >= self.next_round(agent) {
            self.round = now;
            agent.on_round(now);
        }
        if full_pass || agent.due.full_pass.is_some_and(|at| at <= now) {
            self.full_pass = now;
            agent.look_at_all(now);
            if agent.eyes.blind().is_some() {
                // No event says that K3s would read something else.
                agent.reads_differ(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_that_never_stop_are_looked_at_all_the_same() {
        let now = Instant::now();
        let mut timers = Timers {
            watchdog: None,
            share: 0,
            sysctls: now,
            round: now,
            full_pass: now,
            mounts: None,
        };
        for part in 0..4 {
            timers.mounts_changed(now + MOUNTS_TOGETHER * part / 4);
        }
        assert_eq!(timers.mounts, Some(now + MOUNTS_TOGETHER));
    }
}
