//! K3s's starts, by whomever: each is followed until it is known how it went, what it was started with is kept, and so is
//! our part of it once it has settled.

use std::time::{Duration, Instant};

use super::agent::Agent;
use super::k3s::{Answer, Followed, Task};
use super::news::{Chore, News};
use crate::host::systemd::{ServiceError, UnitName, invocation};
use crate::reconcile::restart::settle::{LOOK_INTERVAL, Settling};
use crate::reconcile::sandbox;
use crate::reconcile::service::start::{Since, Start};
use crate::report::event::Kind;
use crate::report::journal::Event;
use crate::report::status::K3sStatus;

/// After a question that systemd did not answer.
pub(super) const AGAIN: Duration = Duration::from_secs(10);
/// What becomes known about a start within this time is judged together.
const TOGETHER: Duration = Duration::from_secs(3);
/// The last words of a K3s that has just ended are in the journal by then.
const JOURNAL_DELAY: Duration = Duration::from_millis(300);

/// Why a start that lives has proven nothing.
const NEVER_READY: &str =
    "it lives, was not ready within restart.settle_limit and has proven nothing";

impl Agent<'_> {
    /// The unit that runs K3s here, where there is a systemd to ask about it.
    pub(super) fn k3s_unit(&self) -> Option<UnitName> {
        let unit = self.ground.node.places.unit.as_deref()?;
        unit.parse().ok().filter(|_| self.keeper.is_here())
    }

    /// K3s was started, by whomever, or ended.
    pub(super) fn look_for_start(&mut self, now: Instant) {
        self.see_run(Since::ItsBeginning, now);
    }

    /// Takes up a run that may have begun before we looked: what it read of ours only the door knows.
    pub(super) fn take_up_run(&mut self, now: Instant) {
        self.see_run(Since::Later, now);
    }

    fn see_run(&mut self, since: Since, now: Instant) {
        let Some(unit) = self.k3s_unit() else { return };
        self.look_at_running(now);
        let run = invocation(&self.ground.host.root, &unit).ok().flatten();
        if run.is_none() && self.keeper.look.is_some() {
            // It has ended. systemd starts it again in five seconds, and what it must not read again has to go before.
            self.keeper.look = Some(now + JOURNAL_DELAY);
        }
        if run.is_none() || run == self.keeper.seen {
            return;
        }
        self.keeper.seen = run;
        // A run that is followed has ended or is being ended by us, and that is decided first.
        if self.keeper.following.is_none() {
            self.follow_seen(unit, since, now);
        }
    }

    fn follow_seen(&mut self, unit: UnitName, since: Since, now: Instant) {
        let Some(run) = self.keeper.seen.clone() else {
            return;
        };
        let start = Start::of_run(&self.ground.pass(), unit, run, since);
        self.follow(Followed::new(start, None), now);
    }

    /// From now on this start is followed.
    pub(super) fn follow(&mut self, followed: Followed, now: Instant) {
        self.keeper.following = Some(followed);
        self.keeper.look = Some(now + LOOK_INTERVAL);
    }

    /// What the running K3s was started with may be known by now, or not be known any more.
    pub(super) fn look_at_running(&mut self, now: Instant) {
        if self.ground.look_at_running() {
            // Component after component tells its arguments; one pass takes several.
            self.due.full_pass.get_or_insert(now + TOGETHER);
        }
    }

    /// Does what is due about K3s.
    pub(super) fn on_k3s_due(&mut self, now: Instant) {
        if let Some(answer) = self.keeper.take_answer(now) {
            match answer {
                Answer::Followed(start, settling) => self.on_followed(start, settling, now),
                Answer::Shown(status) => self.on_shown(*status, now),
                Answer::OwnShown(status) => self.on_own_unit_shown(*status, now),
                Answer::UnitsReloaded(result) => self.on_units_reloaded(result, now),
                Answer::Restarted(result) => self.on_restarted(result, now),
            }
            self.publisher.wake(now);
        }
        if self.keeper.is_waiting() {
            return;
        }
        if self.keeper.reload_units.is_some_and(|at| at <= now) {
            self.keeper.reload_units = None;
            if !self.keeper.ask(Task::ReloadUnits, now) {
                self.keeper.reload_units_at(now + AGAIN);
            }
            return;
        }
        if self.keeper.own_unit.is_some_and(|at| at <= now) {
            self.keeper.own_unit = None;
            if let Ok(unit) = sandbox::DAEMON.parse()
                && !self.keeper.ask(Task::ShowOwn(unit), now)
            {
                self.keeper.own_unit = Some(now + AGAIN);
            }
            return;
        }
        let Some(unit) = self.k3s_unit() else {
            // Without K3s there is nothing to follow or to ask. What stayed due would keep the loop from sleeping.
            self.keeper.look = None;
            self.keeper.judge = None;
            self.k3s_is_gone(now);
            return;
        };
        if self.keeper.look.is_some_and(|at| at <= now) {
            self.keeper.look = None;
            let followed = self.keeper.following.as_mut();
            let Some(mut start) = followed.and_then(|followed| followed.start.take()) else {
                return;
            };
            if let Some(run) = &self.keeper.seen {
                start.sees(run);
            }
            if !self.keeper.ask(Task::Follow(start), now) {
                // No thread could be had; the start is followed anew.
                self.follow_seen(unit, Since::Later, now);
            }
        } else if self.keeper.judge.is_some_and(|at| at <= now) {
            self.keeper.judge = None;
            if !self.keeper.ask(Task::Show(unit), now) {
                self.keeper.judge_at(now + AGAIN);
            }
        }
    }

    /// There is no K3s any more to say anything of.
    fn k3s_is_gone(&mut self, now: Instant) {
        self.keeper.following = None;
        self.keeper.wanted_since = None;
        let gone = K3sStatus {
            restarts: std::mem::take(&mut self.k3s.restarts),
            ..K3sStatus::default()
        };
        if std::mem::replace(&mut self.k3s, gone) != self.k3s {
            self.publisher.wake(now);
        }
    }

    fn on_followed(
        &mut self,
        mut start: Box<Start>,
        settling: Result<Settling, ServiceError>,
        now: Instant,
    ) {
        let Some(mut followed) = self.keeper.following.take() else {
            return;
        };
        start.looked(&self.ground.pass());
        if start.was_ready() {
            self.keeper.ready = start.run().cloned();
        }
        self.keep_arguments(&mut followed, &start, now);
        self.k3s.start = match &settling {
            Ok(Settling::Waiting { what_for, .. }) => Some(format!("waiting for {what_for}")),
            Ok(Settling::Broken { reason }) => Some((*reason).to_owned()),
            Ok(Settling::Settled { ready: false, .. }) => Some(NEVER_READY.to_owned()),
            Ok(Settling::Settled { .. } | Settling::Failed { .. }) => None,
            Err(error) => Some(error.to_string()),
        };
        // What began before a put-back has read what was there before it.
        let since = match &settling {
            Ok(Settling::Failed { .. }) => Since::Later,
            _ => Since::ItsBeginning,
        };
        match settling {
            Ok(Settling::Waiting { again, .. }) => {
                self.look_again(followed, start, now + again);
                return;
            }
            Err(_) => {
                self.look_again(followed, start, now + AGAIN);
                return;
            }
            Ok(Settling::Settled { ready, .. }) => {
                self.on_settled(&start, followed.by_us.as_deref(), ready);
            }
            Ok(Settling::Failed { reason }) => self.on_failed(&start, reason, now),
            Ok(Settling::Broken { .. }) => {}
        }
        self.keeper.judge_at(now);
        let another = self.keeper.seen.is_some() && self.keeper.seen.as_ref() != start.run();
        if let Some(unit) = self.k3s_unit().filter(|_| another) {
            self.follow_seen(unit, since, now);
        }
    }

    fn look_again(&mut self, mut followed: Followed, start: Box<Start>, at: Instant) {
        followed.start = Some(start);
        self.keeper.following = Some(followed);
        self.keeper.look = Some(at);
    }

    fn on_settled(&mut self, start: &Start, by_us: Option<&str>, ready: bool) {
        // A start that was never ready has proven nothing: its kubelet may not have read a word yet.
        if ready {
            // Whatever ends K3s after this is news.
            self.keeper.told.clear();
            let proven = start.proves(&self.ground.pass());
            if let Err(error) = &proven {
                let message = format!("what K3s settled with cannot be kept: {error}");
                self.tell_once(News::Hindered(Chore::KeepProof), message, &[]);
            }
            if proven.unwrap_or(true) {
                self.lift_if_exonerated();
            }
        }
        if let Some(why) = by_us.filter(|_| ready) {
            let message = format!("K3s was restarted and has settled: {why}");
            self.journal.tell(&Event::new(Kind::RestartDone, message));
        }
    }
}
