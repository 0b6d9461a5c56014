//! K3s beside the loop: its starts are followed, what they read is kept, and it is restarted when the gate says so.
//!
//! systemctl and journalctl are asked in a thread, one question at a time: systemd that hangs must not stop repairs. All
//! decisions are taken by the loop, from the answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use super::news::News;
use super::reloads::Dated;
use crate::host::systemd::{InvocationId, ServiceError, ServiceManager, UnitName, UnitStatus};
use crate::host::{Clock, SystemClock};
use crate::node::Surroundings;
use crate::reconcile::restart::own_part::OurPart;
use crate::reconcile::restart::proof::Quarantine;
use crate::reconcile::restart::settle::{LOOK_INTERVAL, Settling};
use crate::reconcile::service::start::Start;
use crate::report::event::Kind;

/// A question is answered within milliseconds or after its own time limit of some seconds.
const LISTEN_INTERVAL: Duration = Duration::from_millis(100);
/// A burst of changes is over after this.
const QUIET: Duration = Duration::from_secs(10);
/// No burst lasts longer than this; beyond it somebody writes without end.
const LONGEST_BURST: Duration = Duration::from_secs(120);
/// A thread of ours runs one program and parses lines.
const STACK_BYTES: usize = 256 << 10;

/// What systemd is asked.
#[derive(Debug)]
pub enum Task {
    /// How the start goes that is followed.
    Follow(Box<Start>),
    /// What K3s's unit is.
    Show(UnitName),
    /// What our own unit is.
    ShowOwn(UnitName),
    /// To read its units again.
    ReloadUnits,
    /// A restart of a unit, not waited for.
    Restart(UnitName),
    /// The same of one that systemd gave up for its start limit, within which it would refuse.
    RestartFailed(UnitName),
}

/// What came back.
#[derive(Debug)]
pub enum Answer {
    /// How the start goes.
    Followed(Box<Start>, Result<Settling, ServiceError>),
    /// What the unit is.
    Shown(Box<Result<UnitStatus, ServiceError>>),
    /// What our own is.
    OwnShown(Box<Result<UnitStatus, ServiceError>>),
    /// Whether systemd has read its units again.
    UnitsReloaded(Result<(), ServiceError>),
    /// Whether systemd took the job.
    Restarted(Result<(), ServiceError>),
}

/// A start that is followed.
#[derive(Debug)]
pub struct Followed {
    /// `None` while a thread has it.
    pub start: Option<Box<Start>>,
    /// Why we restarted K3s, if it was us.
    pub by_us: Option<String>,
    /// So many arguments were kept already.
    pub kept_arguments: usize,
}

impl Followed {
    /// A start that we asked for, for a reason, or that somebody else did.
    #[must_use]
    pub fn new(start: Start, by_us: Option<String>) -> Self {
        Self {
            start: Some(Box::new(start)),
            by_us,
            kept_arguments: 0,
        }
    }
}

/// What is asked beside the loop. A test plays both.
#[derive(Debug, Clone)]
pub struct Seam {
    /// systemd and the journal.
    pub manager: Arc<dyn ServiceManager>,
    /// For how long a start has lived.
    pub clock: Arc<dyn Clock>,
}

/// What the loop knows of K3s.
#[derive(Debug, Default)]
pub struct Keeper {
    seam: Option<Seam>,
    answer: Option<Receiver<Answer>>,
    /// The start that is followed.
    pub following: Option<Followed>,
    /// The run that was seen last.
    pub seen: Option<InvocationId>,
    /// The run that was ready last: it has read what it reads.
    pub ready: Option<InvocationId>,
    /// The last two runs that are older than nothing that they read, each with our part of that: what it read where no door wrote it
    /// down. On a slow node the end of one is looked at when the next one is known already.
    by_age: Vec<(InvocationId, OurPart)>,
    /// When to look at the start again.
    pub look: Option<Instant>,
    /// When to ask the gate.
    pub judge: Option<Instant>,
    /// When to have systemd read its units again: a drop-in of ours was written or taken away.
    pub reload_units: Option<Instant>,
    /// The state of a unit's drop-ins for which systemd was last told to.
    pub reloaded_for: BTreeMap<String, Vec<Dated>>,
    /// When to ask what our own unit is.
    pub own_unit: Option<Instant>,
    /// Since when a restart is wanted.
    pub wanted_since: Option<Instant>,
    /// When anything that K3s reads last changed.
    changed_at: Option<Instant>,
    /// Since when it has been changing.
    restless_since: Option<Instant>,
    /// Ours was put back, and K3s was not restarted for it yet.
    pub put_back: Option<Quarantine>,
    /// The run that last ended by itself.
    pub ended: Option<InvocationId>,
    /// What the journal was last told, of each kind.
    pub told: BTreeMap<Kind, News>,
    listen: Option<Instant>,
}

impl Keeper {
    /// Takes note of what a run has read of ours by its age.
    pub fn note_by_age(&mut self, run: &InvocationId, part: OurPart) {
        self.by_age.retain(|(known, _)| known != run);
        self.by_age.push((run.clone(), part));
        let old = self.by_age.len().saturating_sub(2);
        self.by_age.drain(..old);
    }

    /// What a run has read of ours by its age.
    #[must_use]
    pub fn read_by_age(&self, run: &InvocationId) -> Option<&OurPart> {
        let mut known = self.by_age.iter();
        known.find_map(|(known, part)| (known == run).then_some(part))
    }

    /// Where systemd runs; elsewhere nothing is ever asked.
    #[must_use]
    pub fn of(surroundings: Surroundings) -> Self {
        let seam = surroundings.systemd().map(|manager| Seam {
            manager: Arc::new(manager),
            clock: Arc::new(SystemClock),
        });
        Self {
            seam,
            ..Self::default()
        }
    }

    /// With another one, for tests.
    #[cfg(test)]
    pub fn with(seam: Seam) -> Self {
        Self {
            seam: Some(seam),
            ..Self::default()
        }
    }

    /// Whether there is a systemd to ask.
    #[must_use]
    pub const fn is_here(&self) -> bool {
        self.seam.is_some()
    }

    /// When the next thing is due.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        if self.answer.is_some() {
            return self.listen;
        }
        [self.look, self.judge, self.reload_units, self.own_unit]
            .into_iter()
            .flatten()
            .min()
    }

    /// Something that K3s reads is not what it was.
    pub fn changes(&mut self, now: Instant) {
        let was_quiet = |at: Instant| now.saturating_duration_since(at) >= QUIET;
        if self.changed_at.is_none_or(was_quiet) {
            self.restless_since = Some(now);
        }
        self.changed_at = Some(now);
    }

    /// Since when nothing has changed; what never comes to rest is waited for no longer.
    #[must_use]
    pub fn quiet_for(&self, now: Instant) -> Duration {
        let since = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at));
        match since(self.restless_since) {
            Some(restless) if restless < LONGEST_BURST => {
                since(self.changed_at).unwrap_or(Duration::MAX)
            }
            _ => Duration::MAX,
        }
    }

    /// The gate is asked no later than that.
    pub fn judge_at(&mut self, at: Instant) {
        if self.is_here() {
            self.judge = Some(self.judge.map_or(at, |other| other.min(at)));
        }
    }

    /// systemd reads its units again then, before the gate is asked.
    pub fn reload_units_at(&mut self, at: Instant) {
        if self.is_here() {
            self.reload_units = Some(at);
        }
    }

    /// Asks something in a thread. False if one question is open still; it is asked again then.
    pub fn ask(&mut self, task: Task, now: Instant) -> bool {
        let (Some(Seam { manager, clock }), None) = (self.seam.clone(), &self.answer) else {
            return false;
        };
        let (sender, receiver) = sync_channel(1);
        let work = move || {
            let answer = match task {
                Task::Follow(mut start) => {
                    let settling = start.look(&*manager, &*clock);
                    Answer::Followed(start, settling)
                }
                Task::Show(unit) => Answer::Shown(Box::new(manager.show(&unit))),
                Task::ShowOwn(unit) => Answer::OwnShown(Box::new(manager.show(&unit))),
                Task::ReloadUnits => Answer::UnitsReloaded(manager.reload_units()),
                Task::Restart(unit) => Answer::Restarted(manager.restart(&unit)),
                Task::RestartFailed(unit) => {
                    let reset = manager.reset_failed(&unit);
                    Answer::Restarted(reset.and_then(|()| manager.restart(&unit)))
                }
            };
            // Nobody waits any more: the daemon ends.
            let _ = sender.send(answer);
        };
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let begun = thread.spawn(work).is_ok();
        if begun {
            self.answer = Some(receiver);
            self.listen = Some(now + LISTEN_INTERVAL);
        }
        begun
    }

    /// The answer, if it has come.
    pub fn take_answer(&mut self, now: Instant) -> Option<Answer> {
        match self.answer.as_ref()?.try_recv() {
            Ok(answer) => {
                self.answer = None;
                Some(answer)
            }
            Err(TryRecvError::Empty) => {
                self.listen = Some(now + LISTEN_INTERVAL);
                None
            }
            Err(TryRecvError::Disconnected) => {
                // Only a panic of that thread could do this; what it had is followed anew.
                self.answer = None;
                self.following = None;
                self.judge_at(now + LOOK_INTERVAL);
                None
            }
        }
    }

    /// Whether a question is open.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        self.answer.is_some()
    }
}
