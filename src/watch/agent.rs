//! The state of the daemon and what it does at each occasion. The loop says when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::contention::{Contention, Turn};
use super::eyes::Eyes;
use super::fights::Fight;
use super::ground::{Ground, GroundError, LOCK_PATIENCE, Sources, WHO};
use super::index::{Concern, Index};
use super::k3s::Keeper;
use super::mounts::Mounted;
use super::occasions::ToldException;
use super::pace::{Pace, Rest, Storm};
use super::publish::Publisher;
use super::records::{self, Records};
use super::signals::Signals;
use super::stale::Rebuild;
use super::suspension::{Halt, Suspension};
use super::view::View;
use super::work::{self, Hands, Hit, Target, Work};
use crate::host::{HostError, Thing};
use crate::reconcile::give_back;
use crate::reconcile::ledger::Ledger;
use crate::reconcile::service::rollback::Who;
use crate::report::event::Kind;
use crate::report::journal::{Event, Journal};
use crate::report::status::{K3sStatus, Repair};
use crate::setting::Stage;

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
    told_blind: bool,
    pub(super) publishing_failure: Option<String>,
    giving_back_failure: Option<String>,
    /// What was last said of things that were to be given back: what stays is said once.
    told_of_given_back: BTreeSet<String>,
    pub(super) told_of_exceptions: BTreeSet<ToldException>,
    pub(super) refused_policy: Option<String>,
    pub(super) ledger_damage: Option<String>,
    pub(super) last_repair: Option<Repair>,
    pub(super) k3s: K3sStatus,
    pub(super) keeper: Keeper,
    pub(super) started: i64,
    /// When the run before this one began, in this boot.
    pub(super) earlier_start: Option<i64>,
    pub(super) last_full_pass: i64,
    pub(super) last_full_pass_at: Option<Instant>,
    pub(super) due: Due,
}

/// What is to be done later, and when.
#[derive(Debug, Default)]
pub struct Due {
    /// Hits that were put together, with the time at which to look.
    pub later: Option<(Instant, BTreeSet<Hit>)>,
    /// Controls that are to be judged as a whole.
    pub settle: Option<(Instant, BTreeSet<usize>)>,
    /// The next full pass.
    pub full_pass: Option<Instant>,
    /// The watches are to be placed again.
    pub place: Option<Instant>,
    /// systemd is to build our namespace anew.
    pub rebuild: Option<Rebuild>,
    /// A pause ends by itself.
    pub pause_ends: Option<Instant>,
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
        ground.note_data_dir(&mut ledger)?;
        let publisher = Publisher::new(&ground.host.root)?;
        let keeper = Keeper::of(ground.node.surroundings);
        let mut records = Records::default();
        let mut last_repair = None;
        let mut earlier_start = None;
        let mut k3s = K3sStatus::default();
        if let Some(earlier) = publisher.earlier() {
            records.take_over(&earlier);
            last_repair = earlier.last_repair;
            k3s.restarts = earlier.k3s.restarts;
            earlier_start = Some(earlier.started);
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
            told_blind: false,
            publishing_failure: None,
            giving_back_failure: None,
            told_of_given_back: BTreeSet::new(),
            told_of_exceptions: BTreeSet::new(),
            refused_policy: None,
            ledger_damage: None,
            last_repair,
            k3s,
            keeper,
            started: Timestamp::now().as_second(),
            earlier_start,
            last_full_pass: 0,
            last_full_pass_at: None,
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
        let was_blind = std::mem::replace(&mut self.told_blind, self.eyes.blind().is_some());
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
        let pass = self.ground.pass();
        let bodies = self.ground.catalogue.controls();
        for control in controls.iter().filter_map(|place| bodies.get(*place)) {
            let judgement = pass.judge_control(control);
            let event = self.records.judged(&self.ground, &judgement, tied);
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
        let hands = Hands {
            ledger: &mut self.ledger,
            contention: &self.contention,
            tied: self.suspension.is_some(),
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
            let judged = |judgement| records.judged(ground, judgement, tied);
            let events: Vec<Event> = judgements.iter().filter_map(judged).collect();
            (work, events)
        });
        self.account(work, now);
        self.give_back();
        // What held or refused a restart may have gone without an event, and what K3s reads may have changed without one.
        self.look_soon(now);
        events.iter().for_each(|event| self.journal.tell(event));
        self.check_ledger();
        self.last_full_pass = Timestamp::now().as_second();
        self.last_full_pass_at = Some(now);
        self.publisher.wake(now);
    }

    /// Gives back what controls changed that the policy has turned off since, where it says so.
    fn give_back(&mut self) {
        if self.suspension.is_some() {
            return;
        }
        let halt = Halt {
            signals: self.signals,
            eyes: &self.eyes,
            root: &self.ground.host.root,
        };
        let pass = self.ground.pass();
        let stop = || halt.is_wanted();
        let who = Who {
            name: WHO,
            patience: LOCK_PATIENCE,
        };
        let given_back = give_back::turned_off(&pass, &mut self.ledger, who).and_then(|controls| {
            if controls.is_empty() {
                return Ok(Vec::new());
            }
            give_back::give_back(&pass, &mut self.ledger, &controls, who, &stop)
        });
        let (events, failure) = match given_back {
            Ok(given_back) => (
                given_back
                    .iter()
                    .filter_map(|done| records::given_back(&self.ground, done))
                    .collect(),
                given_back
                    .iter()
                    .find_map(|done| done.result.as_ref().err().map(ToString::to_string)),
            ),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let events: Vec<Event> = events;
        let said = events.iter().map(|event| event.message.clone()).collect();
        let earlier = std::mem::replace(&mut self.told_of_given_back, said);
        let news = events
            .iter()
            .filter(|event| !earlier.contains(&event.message));
        news.for_each(|event| self.journal.tell(event));
        if !events.is_empty() {
            let _ = self.ground.look_up_written(&mut self.ledger);
        }
        if failure != self.giving_back_failure
            && let Some(error) = &failure
        {
            self.journal
                .tell(&Event::new(Kind::Hindered, error.as_str()));
        }
        self.giving_back_failure = failure;
    }

    /// Tells of what was done, and watches for somebody who undoes it.
    pub(super) fn account(&mut self, work: Work, now: Instant) {
        let mut wrote_files = false;
        let failed = work.done.iter().filter(|done| done.result.is_err());
        for thing in failed.map(|done| &done.thing).chain(&work.left) {
            self.contention.stays_undone(thing, now);
        }
        if work.done.iter().any(|done| done.result.is_err()) {
            self.check_ledger();
        }
        let quiet = work.done.is_empty() && work.refused.is_empty();
        for done in &work.done {
            // A fight is told when it begins and when it ends; the ledger has each repair.
            let is_news = done.result.is_err() || !self.contention.is_contended(&done.thing);
            let event = self.records.done(&self.ground, done);
            if let Some(event) = event.filter(|_| is_news) {
                self.journal.tell(&event);
            }
            if done.result.is_err() {
                continue;
            }
            wrote_files |= !matches!(
                done.stage,
                Stage::LiveSysctl | Stage::Permissions | Stage::Directory
            );
            self.last_repair = Some(Repair {
                at: Timestamp::now().as_second(),
                thing: done.thing.to_string(),
                control: done
                    .controls
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
            });
            if let Some(Turn::Begins { count }) =
                self.contention.repaired(&done.thing, &done.wanted, now)
            {
                self.contention_begins(done, count);
            }
        }
        for refused in &work.refused {
            if let Some(event) = self.records.refused(&self.ground, refused) {
                self.journal.tell(&event);
            }
        }
        if work.of_everything {
            self.records.refused_now(&work.refused);
        }
        let made = work.done.iter().filter(|done| done.result.is_ok());
        if let Some(effect) = made.map(|done| done.effect).max() {
            self.open_rest.end();
            self.on_changes_made(effect);
        }
        self.look_at_sandbox(&work);
        if wrote_files {
            // Until the ledger can be read again our own old content counts as somebody else's, which stands.
            let _ = self.ground.look_up_written(&mut self.ledger);
        }
        if !quiet {
            self.publisher.wake(now);
        }
    }

    fn check_ledger(&mut self) {
        let damage = self.ledger.damage().map(ToString::to_string);
        if damage != self.ledger_damage
            && let Some(damage) = &damage
        {
            let event = Event::new(Kind::LedgerBroken, damage.clone());
            self.journal.tell(&event);
        }
        self.ledger_damage = damage;
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
