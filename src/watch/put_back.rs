//! What the daemon does about a start of K3s that failed: ours is put back if it was ours, and somebody is told.

use std::time::{Duration, Instant};

use super::agent::Agent;
use super::ground::WHO;
use super::news::{Blame, News, Words};
use crate::host::records::{Records, STATE};
use crate::host::systemd::invocation;
use crate::policy::KillSwitch;
use crate::reconcile::needs_daemon_reload;
use crate::reconcile::restart::proof::{Quarantine, Telling};
use crate::reconcile::restart::starts::Starts;
use crate::reconcile::service::rollback::{RollBack, RolledBack, Who, roll_back};
use crate::reconcile::service::start::Start;
use crate::report::journal::Event;

/// A change of another process is not waited for long: the loop has other things to do.
const PATIENCE: Duration = Duration::from_secs(2);

impl Agent<'_> {
    pub(super) fn on_failed(&mut self, start: &Start, reason: String, now: Instant) {
        self.keeper.ended = start.run().cloned();
        let failure = start.failure(reason);
        let (reason, errors) = (failure.reason.clone(), failure.errors.clone());
        // A pause keeps nobody from putting back what ends K3s.
        let off = match KillSwitch::look(&self.ground.host.root) {
            Ok(switch) => switch.map(|switch| switch.to_string()),
            Err(error) => Some(format!("the kill switch cannot be looked for: {error}")),
        };
        if let Some(off) = off {
            let message = format!("K3s ended by itself, and k3warden is off ({off}): {reason}");
            let news = News::Ended(Blame::Off, Words::of(&reason));
            self.tell_once(news, message, &errors);
            return;
        }
        let by_age = start.run().and_then(|run| self.keeper.read_by_age(run));
        let read = start.part_read(&self.ground.host.root);
        let Some(part) = read.or_else(|| by_age.cloned()) else {
            if self.is_end_of_put_back(&reason) {
                return;
            }
            let message = format!(
                "K3s ended by itself; nobody knows what it had read of k3warden's, so nothing is put back: {reason}"
            );
            let news = News::Ended(Blame::Unknown, Words::of(&reason));
            self.tell_once(news, message, &errors);
            return;
        };
        let who = Who {
            name: WHO,
            patience: PATIENCE,
        };
        match roll_back(&self.ground.pass(), &mut self.ledger, &part, failure, who) {
            Ok(RollBack::Done(back)) => self.on_rolled_back(back, now),
            Ok(RollBack::Already(quarantine)) => {
                self.quarantined(quarantine, &[], now);
            }
            Ok(RollBack::NotOurs) => {
                let records = Records::at(&self.ground.host.root, STATE);
                // Not kept, the part only stays in quarantine until the next end or `k3warden retry`.
                let _ = records.and_then(|records| Quarantine::ended_without_it(&records, &reason));
                let message = format!(
                    "K3s ended by itself, and not because of a change of k3warden: {reason}"
                );
                let news = News::Ended(Blame::NotOurs, Words::of(&reason));
                self.tell_once(news, message, &errors);
            }
            Err(error) => {
                let message = format!("what K3s did not live with could not be put back: {error}");
                self.tell_once(News::NotPutBack, message, &[]);
            }
        }
    }

    /// Whether a start that began before a put-back, and of which the door left no record, ended as the one for which it was
    /// made. That has been told, and K3s has not read yet what was put back.
    fn is_end_of_put_back(&self, reason: &str) -> bool {
        let put_back = self.keeper.put_back.as_ref();
        put_back.is_some_and(|back| Words::of(&back.reason) == Words::of(reason))
    }

    /// A start has settled without a part that was not the cause of the ends before: it is written again.
    pub(super) fn lift_if_exonerated(&mut self) {
        let records = Records::at(&self.ground.host.root, STATE);
        let lifted = records.and_then(|records| Quarantine::settled_without_it(&records));
        // What cannot be lifted now is lifted with the next start that settles, or by `k3warden retry`.
        if lifted.unwrap_or(false) {
            self.keeper.put_back = None;
            self.ground.look_for_quarantine();
            self.due.full_pass.get_or_insert_with(Instant::now);
        }
    }

    /// A put-back of a run before this one that K3s has not read yet: it runs with what failed, or systemd gave it up.
    pub(super) fn take_up_put_back(&mut self) {
        let Some(unit) = self.k3s_unit() else { return };
        let root = &self.ground.host.root;
        let run = invocation(root, &unit).ok().flatten();
        let read = run.map(|run| Some(Starts::of(root).ok()?.load(&run)?.ours));
        let held = self.ground.held.as_ref().map(|held| &held.quarantine);
        let unread = held.filter(|held| read.is_none_or(|ours| ours.as_ref() == Some(&held.part)));
        self.keeper.put_back = unread.cloned();
    }

    /// K3s has read what was put back, by whomever it was started: no restart is wanted for that any more.
    pub(super) fn put_back_is_read(&mut self) {
        if let Some(back) = self.keeper.put_back.take() {
            let records = Records::at(&self.ground.host.root, STATE);
            // Not kept, a K3s that systemd gives up later may be restarted once too often.
            let _ = records.and_then(|records| back.note_restarted(&records, true));
        }
    }

    fn on_rolled_back(&mut self, back: RolledBack, now: Instant) {
        let failed = back
            .outcomes
            .iter()
            .filter_map(|outcome| outcome.result.as_ref().err());
        let failed: Vec<String> = failed.map(ToString::to_string).collect();
        if needs_daemon_reload(&back.outcomes) {
            self.keeper.reload_units_at(now);
        }
        let mut more = Vec::new();
        if !failed.is_empty() {
            more.push(format!("not put back: {}", failed.join("; ")));
        }
        for line in &back.kept {
            more.push(format!("`{line}` stays, Secrets are encrypted with it"));
        }
        self.quarantined(back.quarantine, &more, now);
    }

    fn quarantined(&mut self, quarantine: Quarantine, more: &[String], now: Instant) {
        let message = format!(
            "K3s did not live with the last change of k3warden, which was put back: {}",
            quarantine.reason
        );
        let details = [quarantine.errors.as_slice(), more].concat();
        // A run of the daemon before this one may have told it.
        if !quarantine.told.contains(&Telling::PutBack) {
            self.tell_once(News::PutBack(quarantine.part), message, &details);
            self.was_told(&quarantine, Telling::PutBack);
        }
        let _ = self.ground.look_up_written(&mut self.ledger);
        self.ground.look_for_quarantine();
        self.keeper.put_back = Some(quarantine);
        self.keeper.changes(now);
    }

    /// What a reload or the next run of the daemon is not to tell of a quarantine again.
    pub(super) fn was_told(&mut self, quarantine: &Quarantine, telling: Telling) {
        let records = Records::at(&self.ground.host.root, STATE);
        // Not kept, it is told again then.
        let _ = records.and_then(|records| quarantine.note_told(&records, telling));
        self.ground.look_for_quarantine();
    }

    /// A K3s that fails always fails every few seconds: the same news is told once.
    pub(super) fn tell_once(&mut self, news: News, message: String, details: &[String]) {
        let kind = news.kind();
        if self.keeper.told.get(&kind) != Some(&news) {
            self.journal
                .tell(&Event::new(kind, sentence(message, details)));
            self.keeper.told.insert(kind, news);
        }
    }
}

fn sentence(mut text: String, details: &[String]) -> String {
    for detail in details {
        if !text.contains(detail) {
            text.push_str("; ");
            text.push_str(detail);
        }
    }
    text
}
