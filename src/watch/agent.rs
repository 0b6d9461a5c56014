//! The state of the daemon and what it does at each occasion. The loop says when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::contention::{Contention, Turn};
use super::eyes::Eyes;
use super::ground::{Ground, GroundError, Sources};
use super::index::{Concern, Index};
use super::pace::Pace;
use super::publish::Publisher;
use super::records::Records;
use super::signals::Signals;
use super::suspension::Suspension;
use super::work::{self, Hands, Hit, Target, Work};
use super::writer;
use crate::catalogue::{Setting, SettingBody};
use crate::host::{HostError, SysctlKey, Thing};
use crate::reconcile::ledger::Ledger;
use crate::report::event::Kind;
use crate::report::journal::{Event, Journal};
use crate::report::status::{K3sStatus, Repair};
use crate::setting::{Effect, Stage};

/// After a repair the whole control is judged, when the storm has passed.
const SETTLE: Duration = Duration::from_millis(50);
/// Whoever writes a file of sysctl.d has this long to finish.
const WRITING: Duration = Duration::from_millis(20);
/// Full passes that events ask for are no closer together than this.
const FULL_PASS_GAP: Duration = Duration::from_secs(1);
/// Warn of exceptions that end within so many days.
const EXPIRING_DAYS: u16 = 14;

/// The daemon.
#[allow(missing_debug_implementations)]
pub struct Agent<'s> {
    pub(super) sources: &'s dyn Sources,
    pub(super) signals: &'s Signals,
    pub(super) ground: Ground,
    pub(super) ledger: Ledger,
    pub(super) index: Index,
    pub(super) eyes: Eyes,
    pub(super) contention: Contention,
    pub(super) writers: BTreeMap<Thing, String>,
    pace: Pace<Hit>,
    pub(super) records: Records,
    pub(super) suspension: Option<Suspension>,
    pub(super) journal: Journal,
    pub(super) publisher: Publisher,
    told_blind: bool,
    pub(super) publishing_failure: Option<String>,
    pub(super) refused_policy: Option<String>,
    pub(super) ledger_damage: Option<String>,
    pub(super) last_repair: Option<Repair>,
    pub(super) k3s: K3sStatus,
    pub(super) started: i64,
    pub(super) last_full_pass: i64,
    last_full_pass_at: Option<Instant>,
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
        let ledger = ground.open_ledger()?;
        let publisher = Publisher::new(&ground.host.root)?;
        let mut records = Records::default();
        let mut last_repair = None;
        if let Some(earlier) = publisher.earlier() {
            records.take_over(&earlier);
            last_repair = earlier.last_repair;
        }
        Ok(Self {
            sources,
            signals,
            index: ground.index(),
            eyes: Eyes::open(),
            contention: Contention::default(),
            writers: BTreeMap::new(),
            pace: Pace::default(),
            records,
            suspension: Suspension::look(&ground.host.root),
            ground,
            ledger,
            journal,
            publisher,
            told_blind: false,
            publishing_failure: None,
            refused_policy: None,
            ledger_damage: None,
            last_repair,
            k3s: K3sStatus::default(),
            started: Timestamp::now().as_second(),
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
        if let Some(suspension) = &self.suspension {
            let event = Event::new(Kind::SuspensionBegins, suspension.reason.clone());
            self.journal.tell(&event);
        }
        self.tell_of_exceptions(None);
        self.full_pass(now);
    }

    fn open_eyes(&mut self) {
        let placed = self.eyes.place(&self.ground.host.root, &self.index);
        self.eyes.pin(self.ground.host.live.as_ref(), &self.index);
        if placed.unsettled {
            self.due.place = Some(Instant::now() + SETTLE);
        }
        self.tell_of_sight();
    }

    fn tell_of_sight(&mut self) {
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

    /// Answers some of what happened; whether there may be more.
    ///
    /// # Errors
    /// When inotify cannot be read, which never happens to a working kernel.
    pub fn on_events(&mut self, now: Instant) -> std::io::Result<()> {
        let Some(events) = self.eyes.read(&self.index)? else {
            return Ok(());
        };
        let mut hits = BTreeSet::new();
        for key in events.keys {
            self.hits_of_key(&key, &mut hits);
        }
        for (directory, name) in events.names {
            let target = Target::Path(directory.join(&name));
            hits.extend(self.index.of_name(&directory, &name).map(|concern| Hit {
                concern,
                target: target.clone(),
            }));
        }
        self.answer_paced(hits, now);
        if events.structure {
            self.place(now);
        }
        if events.overflow {
            self.on_overflow(now);
        }
        Ok(())
    }

    fn on_overflow(&mut self, now: Instant) {
        let last = self.last_full_pass_at;
        let due = last.map_or(now, |last| last + FULL_PASS_GAP);
        if self.due.full_pass.is_none() {
            let message = "the kernel dropped events; looking at everything";
            self.journal.tell(&Event::new(Kind::Overflow, message));
        }
        if due <= now {
            self.place(now);
            self.full_pass(now);
        } else {
            self.due.full_pass = Some(due);
        }
    }

    pub(super) fn hits_of_key(&self, key: &SysctlKey, hits: &mut BTreeSet<Hit>) {
        hits.extend(self.index.of_key(key).iter().map(|concern| Hit {
            concern: *concern,
            target: Target::Key(key.clone()),
        }));
    }

    /// Places the watches again and judges what is not the same as before.
    pub fn place(&mut self, now: Instant) {
        self.due.place = None;
        let was_blind = self.eyes.blind().is_some();
        let placed = self.eyes.place(&self.ground.host.root, &self.index);
        if was_blind && self.eyes.blind().is_none() {
            self.eyes.watch_keys();
        }
        self.tell_of_sight();
        let mut hits = BTreeSet::new();
        for directory in &placed.changed {
            hits.extend(self.index.of_directory(directory).map(|concern| Hit {
                concern,
                target: Target::Anything,
            }));
        }
        if placed.unsettled {
            self.due.place = Some(now + SETTLE);
        }
        self.answer(&hits, now);
    }

    fn answer_paced(&mut self, hits: BTreeSet<Hit>, now: Instant) {
        let mut at_once = BTreeSet::new();
        for hit in hits {
            let later = match self.is_read_at_next_boot(&hit) {
                true => Some(now + WRITING),
                false => self.pace.take(&hit, now),
            };
            match later {
                None => {
                    at_once.insert(hit);
                }
                Some(until) => {
                    let (_, later) = self.due.later.get_or_insert((until, BTreeSet::new()));
                    later.insert(hit);
                }
            }
        }
        self.answer(&at_once, now);
    }

    /// Files of sysctl.d are read by the next boot and are edited in place by people and packages. Half written they
    /// say something else, and an empty one is a mask.
    fn is_read_at_next_boot(&self, hit: &Hit) -> bool {
        let Concern::Setting { control, setting } = hit.concern else {
            return false;
        };
        let control = self.ground.catalogue.controls().get(control);
        let setting = control.and_then(|control| control.settings.get(setting));
        let is_sysctl = |setting: &Setting| matches!(setting.body, SettingBody::Sysctl(_));
        matches!(hit.target, Target::Path(_)) && setting.is_some_and(is_sysctl)
    }

    /// Judges what is named, brings it back, and only then tells of it.
    pub fn answer(&mut self, hits: &BTreeSet<Hit>, now: Instant) {
        if hits.is_empty() {
            return;
        }
        let concerns = |concern| hits.iter().any(|hit| hit.concern == concern);
        if concerns(Concern::Suspension) {
            self.look_for_suspension(now);
        }
        let signals = self.signals;
        let hands = Hands {
            ledger: &mut self.ledger,
            contention: &self.contention,
            tied: self.suspension.is_some(),
            now,
            stop: &|| signals.wants_end(),
        };
        let work = work::answer(&self.ground, hits, hands);
        for key in &work.holding {
            self.eyes.holds(key);
        }
        self.settle_later(&work, hits, now);
        self.account(work, now);
        if concerns(Concern::K3sInputs) {
            self.on_k3s_inputs_changed(now);
        }
        if concerns(Concern::K3sStart) {
            self.on_k3s_start_seen(now);
        }
    }

    /// Controls of which something did not hold, or did not hold before, are judged as a whole a little later. Not
    /// those that held and of which just an owner, some bits or a live value was brought back: the event of our own
    /// write has that very thing judged again, and nothing else has changed.
    fn settle_later(&mut self, work: &Work, hits: &BTreeSet<Hit>, now: Instant) {
        let bodies = self.ground.catalogue.controls();
        let settled = |place: &usize| {
            let control = bodies.get(*place);
            control.is_some_and(|control| self.records.is_settled(&control.id))
        };
        let concerned = hits.iter().filter_map(|hit| match hit.concern {
            Concern::Setting { control, .. } => Some(control),
            _ => None,
        });
        let mut all: BTreeSet<usize> = concerned.filter(|place| !settled(place)).collect();
        if !work.is_plain() {
            all.extend(&work.unsettled);
        }
        let made_safe = |done: &work::Done| done.stage == Stage::Directory && done.result.is_ok();
        if work.done.iter().any(made_safe) {
            // What is in a directory that others can write is left alone, until now.
            all.extend(self.records.open(&self.ground.catalogue));
        }
        if !all.is_empty() {
            let first = (now + SETTLE, BTreeSet::new());
            let (_, settle) = self.due.settle.get_or_insert(first);
            settle.extend(all);
        }
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
        let signals = self.signals;
        let tied = self.suspension.is_some();
        let hands = Hands {
            ledger: &mut self.ledger,
            contention: &self.contention,
            tied,
            now,
            stop: &|| signals.wants_end(),
        };
        let work = work::answer(&self.ground, &hits, hands);
        // What was repaired now is looked at once more; what could not be waits for the next event or full pass.
        if work.done.iter().any(|done| done.result.is_ok()) {
            self.due.settle = Some((now + SETTLE, controls.clone()));
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

    /// Looks at everything.
    pub fn full_pass(&mut self, now: Instant) {
        self.due.full_pass = None;
        let before = self.ground.today;
        if self.ground.turn_calendar() {
            self.tell_of_exceptions(Some(before));
        }
        let signals = self.signals;
        let tied = self.suspension.is_some();
        let hands = Hands {
            ledger: &mut self.ledger,
            contention: &self.contention,
            tied,
            now,
            stop: &|| signals.wants_end(),
        };
        let (work, judgements) = work::answer_all(&self.ground, hands);
        let events: Vec<Event> = judgements
            .iter()
            .filter_map(|judgement| self.records.judged(&self.ground, judgement, tied))
            .collect();
        drop(judgements);
        self.account(work, now);
        events.iter().for_each(|event| self.journal.tell(event));
        self.check_ledger();
        self.last_full_pass = Timestamp::now().as_second();
        self.last_full_pass_at = Some(now);
        self.publisher.wake(now);
    }

    /// Tells of what was done, and watches for somebody who undoes it.
    fn account(&mut self, work: Work, now: Instant) {
        let mut wrote_files = false;
        let quiet = work.done.is_empty() && work.refused.is_empty();
        for done in &work.done {
            if let Some(event) = self.records.done(&self.ground, done) {
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
            if let Some(Turn::Begins { count }) = self.contention.repaired(&done.thing, now) {
                self.contention_begins(done, count);
            }
        }
        for refused in &work.refused {
            if let Some(event) = self.records.refused(&refused.controls, &refused.reason) {
                self.journal.tell(&event);
            }
        }
        let made = work.done.iter().filter(|done| done.result.is_ok());
        if let Some(effect) = made.map(|done| done.effect).max() {
            self.on_changes_made(effect);
        }
        if wrote_files {
            // Until the ledger can be read again our own old content counts as somebody else's, which stands.
            let _ = self.ground.look_up_written(&mut self.ledger);
        }
        if !quiet {
            self.publisher.wake(now);
        }
    }

    fn contention_begins(&mut self, done: &work::Done, count: u64) {
        let writer = match &done.thing {
            Thing::Sysctl(key) => SysctlKey::parse(key)
                .ok()
                .and_then(|key| writer::of_value(&self.ground.host.root, &key, &done.observed)),
            Thing::Path(_) => None,
        };
        let who = writer.clone().unwrap_or_else(|| "somebody".to_owned());
        let message = format!(
            "{who} keeps setting {} to {}; it was set to {} {count} times",
            done.thing, done.observed, done.wanted
        );
        let event = Event::new(Kind::ContentionBegins, message)
            .control(
                done.controls
                    .first()
                    .map(ToString::to_string)
                    .unwrap_or_default(),
                "",
            )
            .setting(done.thing.to_string())
            .values(&done.wanted, &done.observed)
            .source(who)
            .count(count);
        self.journal.tell(&event);
        if let Some(writer) = writer {
            self.writers.insert(done.thing.clone(), writer);
        }
    }

    /// Takes up again what was left alone, and says what is quiet.
    pub fn on_contention_due(&mut self, now: Instant) {
        let mut hits = BTreeSet::new();
        for thing in self.contention.due(now) {
            match &thing {
                Thing::Sysctl(key) => {
                    if let Ok(key) = SysctlKey::parse(key) {
                        self.hits_of_key(&key, &mut hits);
                    }
                }
                Thing::Path(path) => {
                    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
                        continue;
                    };
                    hits.extend(self.index.of_name(directory, name).map(|concern| Hit {
                        concern,
                        target: Target::Path(path.clone()),
                    }));
                }
            }
        }
        self.answer(&hits, now);
    }

    /// Says which contentions are over.
    pub fn look_for_quiet(&mut self, now: Instant) {
        for turn in self.contention.quiet(now) {
            let Turn::Ends { thing, count } = turn else {
                continue;
            };
            self.writers.remove(&thing);
            let message = format!("nobody undoes {thing} any more; it was repaired {count} times");
            let event = Event::new(Kind::ContentionEnds, message)
                .setting(thing.to_string())
                .count(count);
            self.journal.tell(&event);
            self.publisher.wake(now);
        }
    }

    /// Looks for the pause and the kill switch; when one is over everything is looked at.
    pub fn look_for_suspension(&mut self, now: Instant) {
        let found = Suspension::look(&self.ground.host.root);
        let reason = |suspension: &Option<Suspension>| {
            suspension
                .as_ref()
                .map(|suspension| suspension.reason.clone())
        };
        let (before, after) = (reason(&self.suspension), reason(&found));
        self.suspension = found;
        if before == after {
            return;
        }
        let event = match (&before, &after) {
            (_, Some(reason)) => Event::new(Kind::SuspensionBegins, reason.clone()),
            (Some(reason), None) => Event::new(Kind::SuspensionEnds, format!("over: {reason}")),
            (None, None) => return,
        };
        self.journal.tell(&event);
        self.publisher.wake(now);
        if after.is_none() {
            self.full_pass(now);
        }
    }

    /// Warns of exceptions that end soon or ended since a day; `None` at the start.
    fn tell_of_exceptions(&mut self, since: Option<jiff::civil::Date>) {
        let today = self.ground.today;
        for exception in self.ground.policy.expiring(today, EXPIRING_DAYS) {
            let message = format!(
                "it ends on {}, owner {}: {}",
                exception.expires, exception.owner, exception.reason
            );
            let event = Event::new(Kind::ExceptionExpiring, message)
                .control(exception.control.as_str(), "");
            self.journal.tell(&event);
        }
        let ended = |day: &jiff::civil::Date| since.is_none_or(|since| *day >= since);
        for exception in self
            .ground
            .policy
            .expired(today)
            .filter(|exception| ended(&exception.expires))
        {
            let message = format!(
                "it ended on {}, owner {}: {}",
                exception.expires, exception.owner, exception.reason
            );
            let event =
                Event::new(Kind::ExceptionExpired, message).control(exception.control.as_str(), "");
            self.journal.tell(&event);
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

    /// Reads policy and catalogue again. A wrong one is refused and the old one stays.
    pub fn reload(&mut self, now: Instant) {
        match self.sources.open() {
            Err(error) => {
                let event = Event::new(Kind::ReloadRefused, error.clone());
                self.journal.tell(&event);
                self.refused_policy = Some(error);
                self.publisher.wake(now);
            }
            Ok(ground) => {
                let changed = ground.policy.digest() != self.ground.policy.digest()
                    || ground.catalogue.digest() != self.ground.catalogue.digest();
                self.refused_policy = None;
                self.stand_on(ground, now);
                let what = if changed {
                    "new rules"
                } else {
                    "the same rules"
                };
                let event = Event::new(
                    Kind::Reloaded,
                    format!("{what} are in force: {}", self.sentence()),
                );
                self.journal.tell(&event);
            }
        }
    }

    fn stand_on(&mut self, ground: Ground, now: Instant) {
        self.ground = ground;
        self.index = self.ground.index();
        self.records.follow(&self.ground.catalogue);
        self.due.settle = None;
        self.due.later = None;
        self.open_eyes();
        self.look_for_suspension(now);
        self.full_pass(now);
    }

    /// Call site of the restart gate: changes of ours were made, and this is needed before all of them are in force.
    fn on_changes_made(&mut self, effect: Effect) {
        if effect == Effect::K3sRestart {
            // What the running K3s has read is not what is on the disk any more, as far as we know.
            self.k3s.in_step = None;
        }
    }

    /// Call site of the restart gate: K3s was started, by whomever. What it reads from now on is what is on the disk.
    fn on_k3s_start_seen(&mut self, now: Instant) {
        self.on_k3s_inputs_changed(now);
    }

    /// Call site of the restart gate: something that K3s is made of or reads is not what it was. The node is looked at
    /// anew, under the rules that are in force; another version or unit is another baseline.
    fn on_k3s_inputs_changed(&mut self, now: Instant) {
        let Ok(new) = self.sources.open() else {
            return;
        };
        if new.node == self.ground.node {
            return;
        }
        let old = std::mem::replace(&mut self.ground, new);
        self.ground.policy = old.policy;
        self.ground.catalogue = old.catalogue;
        self.index = self.ground.index();
        self.open_eyes();
        self.full_pass(now);
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
