//! What the daemon does about K3s: follows its starts, keeps what settled, puts ours back where it did not, asks the gate.

use std::time::{Duration, Instant};

use super::agent::Agent;
use super::ground::WHO;
use super::k3s::{Answer, Followed, LOOK_INTERVAL, Task};
use super::suspension::Pause;
use crate::host::systemd::{ActiveState, ServiceError, UnitName, UnitStatus, invocation};
use crate::policy::{KillSwitch, Mode, RestartMode};
use crate::reconcile::needs_daemon_reload;
use crate::reconcile::restart::follow::Follower;
use crate::reconcile::restart::gate::{Brake, Gate, Wanted, default_mode};
use crate::reconcile::restart::history::History;
use crate::reconcile::restart::inputs::sentence;
use crate::reconcile::restart::own_part::OurPart;
use crate::reconcile::restart::settle::Settling;
use crate::reconcile::restart::standing::Standing;
use crate::reconcile::restart::starts::Starts;
use crate::reconcile::service::circumstances::{Knowledge, now as moment};
use crate::reconcile::service::following::following;
use crate::reconcile::service::part;
use crate::reconcile::service::rollback::{Failure, RolledBack, Who, roll_back};
use crate::reconcile::service::standing::{self, Asked, Look};
use crate::report::event::Kind;
use crate::report::journal::Event;

/// A change of another process is not waited for long: the loop has other things to do.
const PATIENCE: Duration = Duration::from_secs(2);
/// After a question that systemd did not answer.
const AGAIN: Duration = Duration::from_secs(10);
/// Nobody has to know of a restart that waits no longer than this.
const SHORT: Duration = Duration::from_secs(60);
/// While unit files wait for a daemon-reload.
const RELOAD_INTERVAL: Duration = Duration::from_secs(30);
/// A burst of changes is looked at once.
const TOGETHER: Duration = Duration::from_secs(1);

impl Agent<'_> {
    pub(super) fn unit(&self) -> Option<UnitName> {
        self.ground.node.places.unit.as_deref()?.parse().ok()
    }

    /// Something that K3s reads is not what it was.
    pub(super) fn reads_differ(&mut self, now: Instant) {
        self.keeper.changed_at = Some(now);
        self.keeper.judge_at(now + TOGETHER);
    }

    /// K3s was started, by whomever, or ended.
    pub(super) fn look_for_start(&mut self, now: Instant) {
        let Some(unit) = self.unit().filter(|_| self.keeper.is_here()) else {
            return;
        };
        let run = invocation(&self.ground.host.root, &unit).ok().flatten();
        if run.is_none() || run == self.keeper.seen {
            return;
        }
        self.keeper.seen = run;
        if self.keeper.following.is_some() {
            // The run that is followed has ended, or is being ended by us; that is decided first.
            self.keeper.follow_next = true;
        } else {
            self.follow_present(unit, now);
        }
    }

    fn follow_present(&mut self, unit: UnitName, now: Instant) {
        let pass = self.ground.pass();
        let follower = Follower::of_present(unit, following(&pass));
        let parts = part::present(&pass).into_iter().collect();
        self.keeper.follow_next = false;
        self.keeper.following = Some(Followed {
            follower: Some(Box::new(follower)),
            parts,
            by_us: None,
            kept_arguments: 0,
        });
        self.keeper.look = Some(now + LOOK_INTERVAL);
    }

    /// Does what is due about K3s.
    pub(super) fn on_k3s_due(&mut self, now: Instant) {
        if let Some(answer) = self.keeper.take_answer(now) {
            match answer {
                Answer::Followed(follower, settling) => self.on_followed(follower, settling, now),
                Answer::Shown(status) => self.on_shown(*status, now),
                Answer::UnitsReloaded(result) => self.on_units_reloaded(result, now),
                Answer::Restarted(result) => self.on_restarted(result, now),
            }
            self.publisher.wake(now);
        }
        let Some(unit) = self.unit().filter(|_| !self.keeper.is_waiting()) else {
            return;
        };
        if self.keeper.reload_units.is_some_and(|at| at <= now) {
            self.keeper.reload_units = None;
            if !self.keeper.ask(&unit, Task::ReloadUnits, now) {
                self.keeper.reload_units_at(now + AGAIN);
            }
        } else if self.keeper.look.is_some_and(|at| at <= now) {
            self.keeper.look = None;
            let follower = self
                .keeper
                .following
                .as_mut()
                .and_then(|start| start.follower.take());
            if let Some(follower) = follower
                && !self.keeper.ask(&unit, Task::Follow(follower), now)
            {
                // No thread could be had; the start is followed anew.
                self.follow_present(unit, now);
            }
        } else if self.keeper.judge.is_some_and(|at| at <= now) {
            self.keeper.judge = None;
            if !self.keeper.ask(&unit, Task::Show, now) {
                self.keeper.judge_at(now + AGAIN);
            }
        }
    }

    fn on_followed(
        &mut self,
        follower: Box<Follower>,
        settling: Result<Settling, ServiceError>,
        now: Instant,
    ) {
        let present = part::present(&self.ground.pass()).ok();
        let Some(mut start) = self.keeper.following.take() else {
            return;
        };
        if start.parts.len() < 2 && follower.invocation().is_some() {
            start.parts.extend(present);
        }
        self.keep_arguments(&mut start, &follower, now);
        match settling {
            Ok(Settling::Waiting { .. }) | Err(_) => {
                let pause = if settling.is_ok() {
                    LOOK_INTERVAL
                } else {
                    AGAIN
                };
                start.follower = Some(follower);
                self.keeper.following = Some(start);
                self.keeper.look = Some(now + pause);
                return;
            }
            Ok(Settling::Settled { .. }) => self.on_settled(&start, &follower),
            Ok(Settling::Failed { reason }) => self.on_failed(&start, &follower, reason, now),
            Ok(Settling::Broken { .. }) => {}
        }
        self.keeper.judge_at(now);
        if let Some(unit) = self.unit().filter(|_| self.keeper.follow_next) {
            self.follow_present(unit, now);
        }
    }

    /// Our part as that start read it: what the door wrote down decides between what we saw.
    fn part_read(&self, start: &Followed, follower: &Follower) -> Option<OurPart> {
        let door = follower
            .invocation()
            .and_then(|run| Starts::of(&self.ground.host.root).ok()?.load(run));
        match door {
            Some(record) => {
                let mut parts = start.parts.iter();
                parts.find(|part| part.digest() == record.ours).cloned()
            }
            None => start.parts.first().cloned(),
        }
    }

    fn on_settled(&mut self, start: &Followed, follower: &Follower) {
        if let Some(part) = self.part_read(start, follower) {
            let pass = self.ground.pass();
            let kept = Knowledge::of(&self.ground.host.root)
                .and_then(|mut knowledge| knowledge.settled(part, &pass));
            if let Err(error) = kept {
                let message = format!("what K3s settled with cannot be kept: {error}");
                self.journal.tell(&Event::new(Kind::RepairFailed, message));
            }
        }
        if let Some(why) = &start.by_us {
            let message = format!("K3s was restarted and has settled: {why}");
            self.journal.tell(&Event::new(Kind::RestartDone, message));
        }
    }

    fn on_failed(&mut self, start: &Followed, follower: &Follower, reason: String, now: Instant) {
        let errors: Vec<String> = follower.heard().errors().map(str::to_owned).collect();
        let failure = Failure { reason, errors };
        let who = Who {
            name: WHO,
            patience: PATIENCE,
        };
        let back = match self.part_read(start, follower) {
            None => Ok(None),
            Some(part) => roll_back(
                &self.ground.pass(),
                &mut self.ledger,
                &part,
                failure.clone(),
                who,
            ),
        };
        match back {
            Ok(Some(back)) => self.on_rolled_back(back, now),
            Ok(None) => {
                let message = format!(
                    "K3s ended by itself, and not because of a change of k3warden: {}",
                    with_errors(&failure)
                );
                self.tell_once(Kind::K3sFails, message);
            }
            Err(error) => {
                let message = format!("what K3s did not live with could not be put back: {error}");
                self.journal
                    .tell(&Event::new(Kind::RestartRolledBack, message));
            }
        }
    }

    fn on_rolled_back(&mut self, back: RolledBack, now: Instant) {
        let failure = Failure {
            reason: back.quarantine.reason.clone(),
            errors: back.quarantine.errors.clone(),
        };
        let failed = back
            .outcomes
            .iter()
            .filter_map(|outcome| outcome.result.as_ref().err());
        let failed: Vec<String> = failed.map(ToString::to_string).collect();
        if needs_daemon_reload(&back.outcomes) {
            self.keeper.reload_units_at(now);
        }
        let mut message = format!(
            "K3s did not live with the last change of k3warden, which was put back: {}",
            with_errors(&failure)
        );
        if !failed.is_empty() {
            message.push_str(&format!("; not put back: {}", failed.join("; ")));
        }
        for line in &back.kept {
            message.push_str(&format!("; `{line}` stays, Secrets are encrypted with it"));
        }
        self.journal
            .tell(&Event::new(Kind::RestartRolledBack, message));
        let _ = self.ground.look_up_written(&mut self.ledger);
        self.ground.look_for_quarantine();
        self.keeper.put_back = Some(back.quarantine);
        self.keeper.changed_at = Some(now);
    }

    fn tell_once(&mut self, kind: Kind, message: String) {
        if self.keeper.told.as_ref() != Some(&message) {
            self.journal.tell(&Event::new(kind, message.clone()));
            self.keeper.told = Some(message);
        }
    }

    fn on_shown(&mut self, status: Result<UnitStatus, ServiceError>, now: Instant) {
        let (Some(unit), Ok(status)) = (self.unit(), status) else {
            self.k3s.in_step = None;
            self.keeper.judge_at(now + AGAIN);
            return;
        };
        if self.sources.shown(&unit, &status) {
            self.look_at_node_anew(now);
        }
        if status.need_daemon_reload {
            // A daemon-reload raises no event that we could wait for.
            self.keeper.judge_at(now + RELOAD_INTERVAL);
        }
        let look = standing::look(&self.ground.pass(), &unit, &status);
        if let (Standing::InStep(_), Some(run)) = (&look.standing, &status.invocation) {
            self.keep_options(run, &unit, now);
        }
        self.k3s.in_step = match &look.standing {
            Standing::InStep(_) => Some(true),
            Standing::Differs(..) => Some(false),
            Standing::Unknown(_) => None,
        };
        if self.restart_failed_unit(&status) {
            self.restart(
                unit,
                &status,
                "ours was put back and systemd gave K3s up",
                now,
            );
            return;
        }
        let differs = matches!(look.standing, Standing::Differs(..));
        if !differs {
            self.keeper.wanted_since = None;
        } else if self.keeper.wanted_since.is_none() {
            self.keeper.wanted_since = Some(now);
        }
        let gate = self.ask_gate(&look, now);
        self.obey(gate, unit, &status, &look, now);
    }

    /// systemd's start limit leaves K3s down after a change of ours that failed often: that is for us to mend, once.
    fn restart_failed_unit(&self, status: &UnitStatus) -> bool {
        let rules = &self.ground.policy.restart;
        let node = &self.ground.node;
        let role = node.role.as_ref().map(|fact| fact.value);
        let mode = rules.mode.as_ref().map(|given| given.value);
        let mode = mode.unwrap_or_else(|| default_mode(role, node.datastore));
        let pending = self
            .keeper
            .put_back
            .as_ref()
            .is_some_and(|back| !back.restarted);
        pending && status.active == ActiveState::Failed && mode != RestartMode::Never
    }

    fn ask_gate(&self, look: &Look, now: Instant) -> Gate {
        let since =
            |at: Option<Instant>| at.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        let wanted = self.keeper.put_back.as_ref().map(|back| Wanted::ByPutBack {
            done: back.restarted,
        });
        let asked = Asked {
            wanted,
            wanted_for: self
                .keeper
                .wanted_since
                .map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
            quiet_for: since(self.keeper.changed_at),
            settling: self.keeper.following.is_some(),
            brake: &self.brake(),
        };
        standing::ask(&self.ground.pass(), look, &asked)
    }

    fn brake(&self) -> Brake {
        let root = &self.ground.host.root;
        if let Ok(Some(switch)) = KillSwitch::look(root) {
            return Brake::KillSwitch(switch);
        }
        if let Ok(Some((pause, left))) = Pause::look(root) {
            let reason = pause.reason;
            return Brake::Paused { left, reason };
        }
        match self.ground.policy.mode.value {
            Mode::Observe => Brake::Observe,
            Mode::Enforce => Brake::Free,
        }
    }

    fn obey(&mut self, gate: Gate, unit: UnitName, status: &UnitStatus, look: &Look, now: Instant) {
        let differences = match &look.standing {
            Standing::Differs(_, differences) => sentence(differences),
            _ => String::new(),
        };
        let mut is_short = self.keeper.following.is_some();
        let held = match gate {
            Gate::Now { why } => {
                self.k3s.pending_restart = Some(why.clone());
                self.k3s.held = None;
                self.restart(unit, status, &why, now);
                return;
            }
            Gate::NotNeeded | Gate::Unknown { .. } => {
                self.k3s.pending_restart = None;
                self.k3s.held = None;
                if gate == Gate::NotNeeded && self.keeper.following.is_none() {
                    self.keeper.put_back = None;
                }
                return;
            }
            Gate::HeldUntil { wait, why, .. } => {
                self.keeper.judge_at(now + wait);
                is_short |= wait < SHORT;
                why
            }
            Gate::Refused { why } | Gate::Pending { why } => why,
        };
        // The wait for more changes, or for a start to settle, is nothing that an operator has to know of.
        if !is_short {
            let message =
                format!("K3s should start again and is not restarted now: {held}; {differences}");
            if self.k3s.held.as_ref() != Some(&held) {
                self.journal.tell(&Event::new(Kind::RestartHeld, message));
            }
        }
        self.k3s.pending_restart = Some(differences);
        self.k3s.held = Some(held);
    }

    fn restart(&mut self, unit: UnitName, status: &UnitStatus, why: &str, now: Instant) {
        // Noted before it is asked for, or not asked for at all: a crash in between must not make a loop.
        if let Err(error) = self.note_restart() {
            self.k3s.held = Some(format!("the restart cannot be noted down: {error}"));
            self.keeper.judge_at(now + AGAIN);
            return;
        }
        let message = format!("restarting K3s: {why}");
        self.journal.tell(&Event::new(Kind::RestartWanted, message));
        let pass = self.ground.pass();
        let follower =
            Follower::after_restart(unit.clone(), status.invocation.clone(), following(&pass));
        let parts = part::present(&pass).into_iter().collect();
        self.keeper.following = Some(Followed {
            follower: Some(Box::new(follower)),
            parts,
            by_us: Some(why.to_owned()),
            kept_arguments: 0,
        });
        self.keeper.follow_next = false;
        if self.keeper.ask(&unit, Task::Restart, now) {
            self.keeper.look = Some(now + LOOK_INTERVAL);
        } else {
            self.keeper.following = None;
            self.keeper.judge_at(now + AGAIN);
        }
    }

    fn note_restart(&mut self) -> Result<(), crate::host::HostError> {
        let knowledge = Knowledge::of(&self.ground.host.root)?;
        let at = moment(&self.ground.host);
        if let Some(back) = &mut self.keeper.put_back {
            back.restarted = true;
            back.save(&knowledge.records)?;
        }
        History::load(&knowledge.records, &at).note(&knowledge.records, at)
    }

    fn on_units_reloaded(&mut self, result: Result<(), ServiceError>, now: Instant) {
        if let Err(error) = result {
            let message = format!("systemd did not read its units again: {error}");
            self.tell_once(Kind::RepairFailed, message);
            self.keeper.reload_units_at(now + AGAIN);
        }
        self.keeper.judge_at(now);
    }

    fn on_restarted(&mut self, result: Result<(), ServiceError>, now: Instant) {
        match result {
            Ok(()) => {
                let reason = match &self.keeper.put_back {
                    Some(_) => "put back",
                    None => "change",
                };
                *self.k3s.restarts.entry(reason.to_owned()).or_default() += 1;
            }
            Err(error) => {
                let message = format!("systemd did not restart K3s: {error}");
                self.journal.tell(&Event::new(Kind::RepairFailed, message));
                self.keeper.following = None;
                self.keeper.judge_at(now + AGAIN);
            }
        }
    }
}

fn with_errors(failure: &Failure) -> String {
    let mut text = failure.reason.clone();
    for error in &failure.errors {
        if !text.contains(error) {
            text.push_str("; ");
            text.push_str(error);
        }
    }
    text
}
