//! From an event to its repair. Nothing stands before the repair that could come after it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::agent::{Agent, SETTLE};
use super::arms::Placed;
use super::index::Concern;
use super::work::{self, Done, Hit, Target, Work};
use crate::catalogue::{Setting, SettingBody};
use crate::host::SysctlKey;
use crate::reconcile::being_written;
use crate::report::event::Kind;
use crate::report::journal::Event;
use crate::setting::Stage;

/// Whoever writes a file of sysctl.d has this long to finish. The next boot reads them, and people and packages edit them in
/// place: half written they say something else, and an empty one is a mask.
const WRITING: Duration = Duration::from_millis(20);
/// Full passes that events ask for are no closer together than this.
const FULL_PASS_GAP: Duration = Duration::from_secs(1);

impl Agent<'_> {
    /// Answers some of what happened. What comes meanwhile is read in the next turn.
    ///
    /// # Errors
    /// When inotify cannot be read, which never happens to a working kernel.
    pub fn on_events(&mut self, now: Instant) -> std::io::Result<()> {
        let Some(events) = self.eyes.read(&self.index)? else {
            return Ok(());
        };
        if events.concern_nobody() {
            if let Some(rest) = self.storm.for_nothing(now) {
                std::thread::sleep(rest);
            }
            return Ok(());
        }
        self.storm.is_broken();
        let mut hits = BTreeSet::new();
        for key in events.keys {
            self.hits_of_key(&key, &mut hits);
        }
        let mut leads_on = false;
        for (directory, name) in events.names {
            leads_on |= self.index.leads_on(&directory);
            let target = Target::Path(directory.join(&name));
            hits.extend(self.index.of_name(&directory, &name).map(|concern| Hit {
                concern,
                target: target.clone(),
            }));
        }
        self.answer_paced(hits, now);
        if events.structure || leads_on {
            self.place(now);
        }
        if events.overflow {
            self.on_overflow(now);
        }
        Ok(())
    }

    fn on_overflow(&mut self, now: Instant) {
        let last = self.ran.last_full_pass_at;
        let due = last.map_or(now, |last| last + FULL_PASS_GAP);
        if self.due.full_pass.is_none() {
            let message = "the kernel dropped events; looking at everything";
            self.journal.tell(&Event::new(Kind::Overflow, message));
        }
        if due <= now {
            self.look_at_all(now);
        } else {
            self.due.full_pass = Some(due);
        }
        // What K3s reads may be among what was dropped.
        self.reads_differ(now);
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
        // What a `*` on the way stands for may be something else now.
        self.index = self.ground.index();
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
        self.place_soon_if_unsettled(&placed, now);
        self.answer(&hits, now);
        self.look_at_view(now);
    }

    /// The watches are placed once more where something still moved, or where a directory that leads on is watched from
    /// now on: what came into it after the index was made raised no event.
    pub(super) fn place_soon_if_unsettled(&mut self, placed: &Placed, now: Instant) {
        let mut changed = placed.changed.iter();
        if placed.unsettled || changed.any(|directory| self.index.leads_on(directory)) {
            self.due.place = Some(now + SETTLE);
        }
    }

    fn answer_paced(&mut self, hits: BTreeSet<Hit>, now: Instant) {
        let mut at_once = BTreeSet::new();
        for hit in hits {
            let later = match self.setting_of(&hit).map(|setting| &setting.body) {
                Some(SettingBody::Sysctl(_)) if matches!(hit.target, Target::Path(_)) => {
                    Some(now + WRITING)
                }
                Some(SettingBody::File(_)) if self.is_patient(now) => match self.writers_wait(&hit)
                {
                    Some(wait) => Some(now + wait),
                    None => self.pace.take(&hit, now),
                },
                _ => self.pace.take(&hit, now),
            };
            match later {
                None => {
                    at_once.insert(hit);
                }
                Some(until) => {
                    let (due, later) = self.due.later.get_or_insert((until, BTreeSet::new()));
                    *due = until.min(*due);
                    later.insert(hit);
                }
            }
        }
        self.answer(&at_once, now);
    }

    fn setting_of(&self, hit: &Hit) -> Option<&Setting> {
        let Concern::Setting { control, setting } = hit.concern else {
            return None;
        };
        let control = self.ground.catalogue.controls().get(control)?;
        control.settings.get(setting)
    }

    /// Whether the kernel values of the next boot may be others.
    fn is_of_next_boot(&self, hit: &Hit) -> bool {
        let body = self.setting_of(hit).map(|setting| &setting.body);
        matches!(body, Some(SettingBody::Sysctl(_))) && !matches!(hit.target, Target::Key(_))
    }

    fn is_link(&self, hit: &Hit) -> bool {
        let Target::Path(path) = &hit.target else {
            return false;
        };
        let target = self.ground.host.root.link_target(path);
        target.is_ok_and(|target| target.is_some())
    }

    /// How much longer the writer of the file is waited for.
    fn writers_wait(&self, hit: &Hit) -> Option<Duration> {
        match &hit.target {
            Target::Path(path) => being_written::wait(&self.ground.host.root, path),
            _ => None,
        }
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
        let work = self.with_hands(now, |ground, hands, _| work::answer(ground, hits, hands));
        for key in &work.holding {
            self.eyes.holds(key);
        }
        self.settle_later(&work, hits, now);
        self.account(work, now);
        if hits.iter().any(|hit| self.is_of_next_boot(hit)) {
            self.endangered.look_soon(now);
        }
        if hits
            .iter()
            .any(|hit| self.is_of_next_boot(hit) && self.is_link(hit))
        {
            // Where it leads is watched from then on.
            self.due.place.get_or_insert(now + SETTLE);
        }
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
        let made_safe = |done: &Done| done.stage == Stage::Directory && done.result.is_ok();
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
}
