//! Asking the restart gate, and doing what it says: the gate decides, nothing here does.

use std::time::{Duration, Instant};

use super::agent::Agent;
use super::k3s::{Followed, Task};
use super::news::{Chore, News};
use super::starts::AGAIN;
use super::suspension::brake;
use crate::host::HostError;
use crate::host::systemd::{ActiveState, ServiceError, UnitName, UnitStatus};
use crate::policy::{Mode, RestartMode};
use crate::reconcile::restart::gate::{Brake, Gate, Life, Wanted, mode_in_force};
use crate::reconcile::restart::history::History;
use crate::reconcile::restart::inputs::sentence;
use crate::reconcile::restart::origin::{Cause, Origin};
use crate::reconcile::restart::standing::{Source, Standing};
use crate::reconcile::service::circumstances::{Knowledge, now as moment};
use crate::reconcile::service::standing::{self, Asked, Look};
use crate::reconcile::service::start::Start;
use crate::reconcile::service::wanted::rules;
use crate::report::event::Kind;
use crate::report::journal::Event;
use crate::report::status::{K3sStatus, WaitsFor};

/// Nobody has to know of a restart that waits no longer than this.
const SHORT: Duration = Duration::from_secs(60);
/// While unit files wait for a daemon-reload.
const RELOAD_INTERVAL: Duration = Duration::from_secs(30);
/// A burst of changes is looked at once.
const TOGETHER: Duration = Duration::from_secs(1);

impl Agent<'_> {
    /// Something that K3s reads is not what it was.
    pub(super) fn reads_differ(&mut self, now: Instant) {
        self.keeper.changes(now);
        self.overtakes_start();
        self.look_soon(now);
    }

    /// The gate is asked when the burst is over.
    pub(super) fn look_soon(&mut self, now: Instant) {
        self.keeper.judge_at(now + TOGETHER);
    }

    pub(super) fn on_shown(&mut self, status: Result<UnitStatus, ServiceError>, now: Instant) {
        let (Some(unit), Ok(status)) = (self.k3s_unit(), status) else {
            self.k3s.in_step = None;
            self.keeper.judge_at(now + AGAIN);
            return;
        };
        if self.sources.shown(&unit, &status) {
            self.look_at_node_anew(now);
        }
        if status.need_daemon_reload {
            self.on_k3s_unit_unread(&unit, &status, now);
            // A daemon-reload raises no event that we could wait for.
            self.keeper.judge_at(now + RELOAD_INTERVAL);
        } else {
            self.on_k3s_unit_loaded_otherwise(&unit, now);
        }
        let look = standing::look(&self.ground.pass(), &unit, &status);
        if let (Standing::InStep(source), Some(run)) = (&look.standing, &status.invocation) {
            // The journal tells so only of a run that is older than all it reads, too.
            if *source != Source::Door {
                self.keeper.note_by_age(run, look.ours.clone());
            }
            self.keep_options(run, &unit, now);
        }
        let is_stopped = look.life == Life::Stopped;
        self.k3s.in_step = match &look.standing {
            // systemd goes on naming the last run of a unit that is stopped.
            _ if is_stopped => None,
            Standing::InStep(_) => Some(true),
            Standing::Differs(..) => Some(false),
            Standing::Unknown(_) => None,
        };
        if is_stopped && self.keeper.following.is_none() {
            self.k3s.start = None;
        }
        if self.restart_failed_unit(&status) {
            let why = "ours was put back and systemd gave K3s up";
            self.restart(unit, &status, why, now);
            return;
        }
        let differs = !is_stopped && matches!(look.standing, Standing::Differs(..));
        if !differs {
            self.keeper.wanted_since = None;
        } else if self.keeper.wanted_since.is_none() {
            self.keeper.wanted_since = Some(now);
        }
        let gate = self.ask_gate(&look, now);
        self.obey(gate, unit, &status, &look, now);
    }

    /// systemd's start limit leaves K3s down after a change of ours that failed often, and a unit with `Restart=on-failure` one
    /// that ended with status 0, as K3s does from 1.33 on: that is for us to mend, once.
    fn restart_failed_unit(&self, status: &UnitStatus) -> bool {
        let node = &self.ground.node;
        let role = node.role.as_ref().map(|fact| fact.value);
        let mode = mode_in_force(&self.ground.policy.restart, role, node.datastore);
        let pending = self
            .keeper
            .put_back
            .as_ref()
            .is_some_and(|back| !back.restarted);
        // Nobody has started it since, so nobody has stopped it either.
        let is_same_run = status
            .invocation
            .as_ref()
            .is_none_or(|run| self.keeper.ended.as_ref() == Some(run));
        let is_down =
            status.active == ActiveState::Failed || (status.is_down_after_success() && is_same_run);
        pending
            && is_down
            && mode != RestartMode::Never
            && self.brake() == Brake::Free
            && !self.was_refused_lately()
    }

    fn ask_gate(&self, look: &Look, now: Instant) -> Gate {
        let wanted = self.keeper.put_back.as_ref().map(|back| Wanted::ByPutBack {
            done: back.restarted,
        });
        let asked = Asked {
            wanted,
            cause: self.cause(look),
            wanted_for: self
                .keeper
                .wanted_since
                .map_or(Duration::ZERO, |at| now.saturating_duration_since(at)),
            quiet_for: self.keeper.quiet_for(now),
            settling: self.keeper.following.is_some(),
            brake: &self.brake(),
        };
        standing::ask(&self.ground.pass(), look, &asked)
    }

    /// What brought the change of our part that K3s has not read. Where that cannot be kept no restart can be noted
    /// down either, so none is made.
    fn cause(&self, look: &Look) -> Cause {
        let in_step = matches!(look.standing, Standing::InStep(_));
        let rules = rules(&self.ground.pass());
        let noted = Knowledge::of(&self.ground.host.root)
            .and_then(|known| Origin::note(&known.records, rules, look.ours.digest(), in_step));
        noted.unwrap_or(Cause::Controls)
    }

    pub(super) fn brake(&self) -> Brake {
        match (brake(&self.ground.host.root), self.ground.policy.mode.value) {
            (Brake::Free, Mode::Observe) => Brake::Observe,
            (brake, _) => brake,
        }
    }

    fn obey(&mut self, gate: Gate, unit: UnitName, status: &UnitStatus, look: &Look, now: Instant) {
        let differences = match &look.standing {
            Standing::Differs(_, differences) => sentence(differences),
            _ => String::new(),
        };
        // The wait for more changes, or for a start to settle, is nothing that an operator has to know of.
        let mut is_short = self.keeper.following.is_some();
        let (waits_for, held) = match gate {
            Gate::Now { why } => {
                self.k3s.wants(why.clone(), None);
                self.restart(unit, status, &why, now);
                return;
            }
            Gate::NotNeeded | Gate::Unknown { .. } => {
                self.k3s.wants_nothing();
                if self.k3s.in_step == Some(true) && self.keeper.following.is_none() {
                    self.put_back_is_read();
                }
                return;
            }
            Gate::HeldUntil { wait, why, .. } => {
                // The wait is by the wall clock, which may be set, and a machine that sleeps stops this timer's.
                let interval = self.ground.policy.full_pass_interval.value;
                self.keeper.judge_at(now + wait.min(interval));
                is_short |= wait < SHORT;
                (WaitsFor::Time, why)
            }
            Gate::Refused { why } => (WaitsFor::Operator, why),
            Gate::Pending { why } => (WaitsFor::NextStart, why),
        };
        if !is_short && self.k3s.held.as_ref() != Some(&held) {
            let message =
                format!("K3s should start again and is not restarted now: {held}; {differences}");
            self.journal.tell(&Event::new(Kind::RestartHeld, message));
        }
        self.k3s.wants(differences, Some((waits_for, held)));
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
        let previous = status.invocation.clone();
        let start = Start::after_restart(&self.ground.pass(), unit.clone(), previous);
        let task = match status.active {
            ActiveState::Failed => Task::RestartFailed(unit),
            _ => Task::Restart(unit),
        };
        if self.keeper.ask(task, now) {
            self.follow(Followed::new(start, Some(why.to_owned())), now);
        } else {
            self.note_refusal();
            self.keeper.judge_at(now + AGAIN);
        }
    }

    fn note_restart(&mut self) -> Result<(), HostError> {
        let knowledge = Knowledge::of(&self.ground.host.root)?;
        let at = moment(&self.ground.host);
        if let Some(back) = &mut self.keeper.put_back {
            back.note_restarted(&knowledge.records, true)?;
            back.restarted = true;
        }
        self.ground.look_for_quarantine();
        History::load(&knowledge.records, &at).note(&knowledge.records, at)
    }

    /// The restart was certainly not made: neither the day's budget nor the put-back has had it.
    fn note_refusal(&mut self) {
        let Ok(knowledge) = Knowledge::of(&self.ground.host.root) else {
            return;
        };
        // What cannot be taken back goes on counting: a restart less, never one too many.
        let mut history = History::load(&knowledge.records, &moment(&self.ground.host));
        let _ = history.note_refusal(&knowledge.records);
        if let Some(back) = &mut self.keeper.put_back
            && back.note_restarted(&knowledge.records, false).is_ok()
        {
            back.restarted = false;
        }
        self.ground.look_for_quarantine();
    }

    fn was_refused_lately(&self) -> bool {
        let at = moment(&self.ground.host);
        let age = Knowledge::of(&self.ground.host.root)
            .ok()
            .and_then(|knowledge| History::load(&knowledge.records, &at).refusal_age(&at));
        age.is_some_and(|age| age < self.ground.policy.restart.minimum_interval.value)
    }

    pub(super) fn on_units_reloaded(&mut self, result: Result<(), ServiceError>, now: Instant) {
        match result {
            // One that was asked for before our last write says nothing of what that wrote.
            Ok(()) if self.keeper.reload_units.is_none() => self.unit_is_read(),
            Ok(()) => {}
            Err(error) => {
                let message = format!("systemd did not read its units again: {error}");
                self.tell_once(News::Hindered(Chore::ReloadUnits), message, &[]);
                self.keeper.reload_units_at(now + AGAIN);
            }
        }
        self.keeper.judge_at(now);
    }

    pub(super) fn on_restarted(&mut self, result: Result<(), ServiceError>, now: Instant) {
        match result {
            Ok(()) => {
                let reason = match &self.keeper.put_back {
                    Some(_) => K3sStatus::FOR_PUT_BACK,
                    None => K3sStatus::FOR_CHANGE,
                };
                *self.k3s.restarts.entry(reason.to_owned()).or_default() += 1;
            }
            Err(error) => {
                let message = format!("systemd did not restart K3s: {error}");
                self.journal.tell(&Event::new(Kind::Hindered, message));
                // What was not answered in time may have been done all the same: that start is followed like any other.
                if error.is_refusal() {
                    self.note_refusal();
                    self.keeper.following = None;
                }
                self.keeper.judge_at(now + AGAIN);
            }
        }
    }
}
