//! The state of the daemon and what it does at each occasion. The loop says when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::contention::Contention;
use super::endangered::Endangered;
use super::eyes::Eyes;
use super::fights::Fight;
use super::ground::{Ground, GroundError, Sources};
use super::index::{Concern, Index};
use super::k3s::Keeper;
use super::mounts::Mounted;
use super::pace::{Pace, Rest, Storm};
use super::publish::Publisher;
use super::records::Records;
use super::remembered::{Due, Ran, Told};
use super::signals::Signals;
use super::suspension::{Halt, Suspension};
use super::view::View;
use super::work::{self, Hands, Hit, Target};
use crate::catalogue::{Control, SettingBody};
use crate::host::{HostError, Thing};
use crate::reconcile::ledger::{FILE, Ledger, WAY_OUT};
use crate::reconcile::service::part;
use crate::report::event::Kind;
use crate::report::journal::{Event, Journal};
use crate::report::status::{K3sStatus, Repair};

/// What is so for this long is not about to be repaired: a mount over the directory of our drop-in, a directory moved away and back.
const LASTING: Duration = Duration::from_secs(60);
/// After a repair the whole control is judged, when the storm has passed.
pub(super) const SETTLE: Duration = Duration::from_millis(50);

/// The daemon.
#[allow(missing_debug_implementations)]
pub struct Agent<'s> {
    pub(super) sources: &'s dyn Sources,
    pub(super) signals: &'s Signals,
    pub(super) ground: Ground,
    pub(super) ledger: Ledger,
    pub(super) index: Index,
    pub(super) eyes: Eyes,
    pub(super) view: View,
    pub(super) mounted: Mounted,
    pub(super) contention: Contention,
    pub(super) fights: BTreeMap<Thing, Fight>,
    pub(super) pace: Pace<Hit>,
    pub(super) storm: Storm,
    pub(super) open_rest: Rest,
    pub(super) records: Records,
    pub(super) suspension: Option<Suspension>,
    pub(super) journal: Journal,
    pub(super) publisher: Publisher,
    pub(super) told: Told,
    pub(super) endangered: Endangered,
    pub(super) last_repair: Option<Repair>,
    pub(super) k3s: K3sStatus,
    pub(super) keeper: Keeper,
    pub(super) ran: Ran,
    pub(super) due: Due,
}

impl<'s> Agent<'s> {
    /// The daemon on its ground; nothing was looked at yet.
    ///
    /// # Errors
    /// When the ledger cannot be used.
    pub fn new(
        sources: &'s dyn Sources,
        signals: &'s Signals,
        ground: Ground,
        journal: Journal,
    ) -> Result<Self, AgentError> {
        let mut ledger = ground.open_ledger()?;
        ground.note_node(&mut ledger)?;
        let publisher = Publisher::new(&ground.host.root)?;
        let keeper = Keeper::of(ground.node.surroundings);
        let mut records = Records::default();
        let mut last_repair = None;
        let mut ran = Ran {
            started: Timestamp::now().as_second(),
            ..Ran::default()
        };
        let mut k3s = K3sStatus::default();
        let mut endangered = Endangered::default();
        if let Some(earlier) = publisher.earlier() {
            records.take_over(&earlier);
            endangered.take_over(&earlier.k3s.endangered);
            last_repair = earlier.last_repair;
            k3s.restarts = earlier.k3s.restarts;
            ran.earlier_start = Some(earlier.started);
        }
        Ok(Self {
            sources,
            signals,
            index: ground.index(),
            eyes: Eyes::open(),
            view: View::of(&ground.host.root, ground.places()),
            mounted: Mounted::default(),
            contention: Contention::default(),
            fights: BTreeMap::new(),
            pace: Pace::default(),
            storm: Storm::default(),
            open_rest: Rest::default(),
            records,
            suspension: None,
            ground,
            ledger,
            journal,
            publisher,
            told: Told::default(),
            endangered,
            last_repair,
            k3s,
            keeper,
            ran,
            due: Due::default(),
        })
    }

    /// Sweeps up after a killed run, opens the eyes and makes the first pass.
    pub fn begin(&mut self, now: Instant) {
        for directory in self.ground.node.places.written_directories() {
            // What cannot be swept now is swept next time; it is loaded by nobody.
            let _ = self.ground.host.root.sweep(&directory);
        }
        self.open_eyes();
        self.check_ledger();
        self.take_suspension(now);
        if let Some(suspension) = &self.suspension {
            let event = Event::new(Kind::SuspensionBegins, suspension.reason.clone());
            self.journal.tell(&event);
        }
        self.tell_of_exceptions();
        // The run before us may have died before systemd read what it had written.
        self.keeper.own_unit = Some(now).filter(|_| self.keeper.is_here());
        self.take_up_put_back();
        self.full_pass(now);
        self.take_up_run(now);
        self.keeper.judge_at(now);
    }

    pub(super) fn open_eyes(&mut self) {
        self.view.follow(self.ground.places());
        self.mounted = self.what_is_mounted().unwrap_or_default();
        let placed = self.eyes.place(&self.ground.host.root, &self.index);
        self.eyes.pin(self.ground.host.live.as_ref(), &self.index);
        self.place_soon_if_unsettled(&placed, Instant::now());
        self.tell_of_sight();
    }

    pub(super) fn tell_of_sight(&mut self) {
        let was_blind = std::mem::replace(&mut self.told.blind, self.eyes.blind().is_some());
        match (was_blind, self.eyes.blind()) {
            (false, Some(reason)) => {
                let event = Event::new(Kind::PollingBegins, reason);
                self.journal.tell(&event);
            }
            (true, None) => {
                let event = Event::new(Kind::PollingEnds, "watching by events again");
                self.journal.tell(&event);
            }
            _ => return,
        }
        self.publisher.wake(Instant::now());
    }

    /// Judges controls as a whole after something of them was repaired: the verdict for the status, and what only
    /// becomes visible now.
    pub fn settle(&mut self, controls: &BTreeSet<usize>, now: Instant) {
        let hits: BTreeSet<Hit> = controls
            .iter()
            .filter_map(|place| Some((*place, self.ground.catalogue.controls().get(*place)?)))
            .flat_map(|(control, body)| {
                (0..body.settings.len()).map(move |setting| Hit {
                    concern: Concern::Setting { control, setting },
                    target: Target::Anything,
                })
            })
            .collect();
        let tied = self.suspension.is_some();
        let work = self.with_hands(now, |ground, hands, _| work::answer(ground, &hits, hands));
        // What was repaired now is looked at once more; what could not be waits for the next event or full pass.
        if work.done.iter().any(|done| done.result.is_ok()) {
            let first = (now + SETTLE, BTreeSet::new());
            let (_, settle) = self.due.settle.get_or_insert(first);
            settle.extend(controls);
        }
        self.account(work, now);
        let bodies = self.ground.catalogue.controls();
        let sets_kernel = |control: &Control| {
            let mut bodies = control.settings.iter().map(|setting| &setting.body);
            bodies.any(|body| matches!(body, SettingBody::Sysctl(_)))
        };
        let controls_of = || controls.iter().filter_map(|place| bodies.get(*place));
        if controls_of().any(sets_kernel) {
            // A kubelet that protects the kernel defaults ends over a value that we leave as it is.
            self.endangered.look_soon(now);
        }
        let pass = self.ground.pass();
        for control in controls.iter().filter_map(|place| bodies.get(*place)) {
            let judgement = pass.judge_control(control);
            let event = self.records.judged(&self.ground, &judgement, tied, now);
            if let Some(event) = event {
                self.journal.tell(&event);
            }
        }
        self.publisher.wake(now);
    }

    /// Answers something as the daemon is now: with its record, what it leaves alone, and whether it may change anything.
    pub(super) fn with_hands<T>(
        &mut self,
        now: Instant,
        answer: impl FnOnce(&Ground, Hands<'_>, &mut Records) -> T,
    ) -> T {
        let halt = Halt {
            signals: self.signals,
            eyes: &self.eyes,
            root: &self.ground.host.root,
        };
        let patient = self.is_patient(now);
        let hands = Hands {
            ledger: &mut self.ledger,
            contention: &self.contention,
            tied: self.suspension.is_some(),
            patient,
            now,
            halt,
        };
        answer(&self.ground, hands, &mut self.records)
    }

    /// Looks at everything.
    pub fn full_pass(&mut self, now: Instant) {
        self.due.full_pass = None;
        if self.ground.turn_calendar() {
            self.tell_of_exceptions();
        }
        let (work, events) = self.with_hands(now, |ground, hands, records| {
            let tied = hands.tied;
            let (work, judgements) = work::answer_all(ground, hands);
            let judged = |judgement| records.judged(ground, judgement, tied, now);
            let events: Vec<Event> = judgements.iter().filter_map(judged).collect();
            (work, events)
        });
        self.account(work, now);
        self.give_back();
        // What held or refused a restart may have gone without an event, and what K3s reads may have changed without one.
        self.look_soon(now);
        events.iter().for_each(|event| self.journal.tell(event));
        self.look_for_endangered_start(now);
        // Held by another process it is looked at by the next pass.
        let _ = self.ground.look_at(&mut self.ledger);
        self.check_ledger();
        self.check_encryption(now);
        self.ran.last_full_pass = Timestamp::now().as_second();
        self.ran.last_full_pass_at = Some(now);
        self.publisher.wake(now);
    }

    /// Whatever the policy says of the control: after the next start nobody reads the Secrets. A line of ours that is away for
    /// a moment is being brought back, and no alarm.
    fn check_encryption(&mut self, now: Instant) {
        let pass = self.ground.pass();
        let withdrawn = match part::has_key(pass.host, &pass.node.places.data_dir) {
            true => pass.effective().as_ref().ok(),
            false => None,
        };
        let withdrawn =
            withdrawn.and_then(|effective| effective.start.encryption_withdrawn.clone());
        let Some(message) = withdrawn else {
            self.told.encryption_withdrawn = None;
            return;
        };
        let (since, told) = self.told.encryption_withdrawn.get_or_insert((now, false));
        let due = *since + LASTING;
        if due > now {
            self.due.full_pass.get_or_insert(due);
        } else if !std::mem::replace(told, true) {
            let event = Event::new(Kind::EncryptionWithdrawn, message);
            self.journal.tell(&event);
        }
    }

    pub(super) fn check_ledger(&mut self) {
        let damage = self.ledger.damage().map(ToString::to_string);
        if damage != self.told.ledger_damage
            && let Some(damage) = &damage
        {
            let sentence = format!("the ledger {FILE} is damaged: {damage}; {WAY_OUT}");
            let event = Event::new(Kind::LedgerBroken, sentence);
            self.journal.tell(&event);
        }
        self.told.ledger_damage = damage;
    }
}

/// Why the daemon cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The ledger or the lock.
    #[error(transparent)]
    Ground(#[from] GroundError),
    /// The machine.
    #[error(transparent)]
    Host(#[from] HostError),
}
