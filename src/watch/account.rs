//! What is told about the repairs that were made, and who undoes them.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::agent::Agent;
use super::contention::Turn;
use super::work::{Done, Work};
use crate::reconcile::restart::proof::Telling;
use crate::reconcile::{Refused, RefusedBy};
use crate::report::status::Repair;
use crate::setting::Stage;

/// Whoever empties a file again and again without writing it is waited for no longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Agent<'_> {
    /// Whether whoever may be writing a file is waited for: not for ever.
    pub(super) fn is_patient(&self, now: Instant) -> bool {
        let since = self.due.writers;
        since.is_none_or(|since| now.saturating_duration_since(since) < LONGEST_WAIT)
    }

    fn wait_for_writers(&mut self, work: &Work, now: Instant) {
        match work.waits {
            Some(wait) => {
                self.due.writers.get_or_insert(now);
                // The rest of what was left for it has no event of its own.
                let at = now + wait;
                let due = self.due.full_pass;
                self.due.full_pass = Some(due.map_or(at, |due| due.min(at)));
            }
            // Nobody is waited for any more, or he was not.
            None if work.of_everything => self.due.writers = None,
            None => {}
        }
    }

    /// Tells of what was done, and watches for somebody who undoes it.
    pub(super) fn account(&mut self, work: Work, now: Instant) {
        let failed = work.done.iter().filter(|done| done.result.is_err());
        for thing in failed.map(|done| &done.thing).chain(&work.left) {
            self.contention.stays_undone(thing, now);
        }
        if work.done.iter().any(|done| done.result.is_err()) {
            self.check_ledger();
        }
        self.wait_for_writers(&work, now);
        let quiet = work.done.is_empty() && work.refused.is_empty();
        for done in &work.done {
            // A fight is told when it begins and when it ends; the ledger has each repair.
            let is_news = done.result.is_err() || !self.contention.is_contended(&done.thing);
            let event = self.records.done(&self.ground, done);
            if let Some(event) = event.filter(|_| is_news) {
                self.journal.tell(&event);
            }
            if done.result.is_ok() {
                self.count_repair(done, now);
            }
        }
        for refused in &work.refused {
            self.tell_of_refused(refused);
        }
        if work.of_everything {
            self.records.refused_now(&work.refused);
        }
        let made = || work.done.iter().filter(|done| done.result.is_ok());
        if let Some(effect) = made().map(|done| done.effect).max() {
            self.open_rest.end();
            self.on_changes_made(effect);
        }
        self.look_at_sandbox(&work);
        let writes_no_file = [Stage::LiveSysctl, Stage::Permissions, Stage::Directory];
        if made().any(|done| !writes_no_file.contains(&done.stage)) {
            // Until the ledger can be read again our own old content counts as somebody else's, which stands.
            let _ = self.ground.look_up_written(&mut self.ledger);
        }
        if !quiet {
            self.publisher.wake(now);
        }
    }

    fn tell_of_refused(&mut self, refused: &Refused) {
        let held = self.ground.held.as_ref().map(|held| &held.quarantine);
        let held = held.filter(|_| refused.by == RefusedBy::Quarantine);
        let telling = Telling::NotWrittenAgain;
        if held.is_some_and(|held| held.told.contains(&telling)) {
            return;
        }
        let held = held.cloned();
        if let Some(event) = self.records.refused(&self.ground, refused) {
            self.journal.tell(&event);
        }
        if let Some(held) = held {
            self.was_told(&held, telling);
        }
    }

    fn count_repair(&mut self, done: &Done, now: Instant) {
        let control = done.controls.first().map(ToString::to_string);
        self.last_repair = Some(Repair {
            at: Timestamp::now().as_second(),
            thing: done.thing.to_string(),
            control: control.unwrap_or_default(),
        });
        let turn = self.contention.repaired(&done.thing, &done.wanted, now);
        if let Some(Turn::Begins { count }) = turn {
            self.contention_begins(done, count);
        }
    }
}
