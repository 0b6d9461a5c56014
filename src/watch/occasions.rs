//! What else happens to the daemon: a pause, another policy, another day, another K3s.

use std::time::Instant;

use jiff::civil::Date;

use super::about::cis_of;
use super::agent::{Agent, SETTLE};
use super::ground::Ground;
use super::news::{Chore, News};
use super::suspension::Suspension;
use crate::catalogue::ControlId;
use crate::reconcile::service::kernel;
use crate::report::event::Kind;
use crate::report::journal::Event;
use crate::setting::Effect;

/// An exception that was told of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToldException {
    control: ControlId,
    expires: Date,
    /// The day on which it was told that it ends soon; `None`: that it is over.
    on: Option<Date>,
}

impl Agent<'_> {
    /// Looks for the pause and the kill switch; when one is over everything is looked at.
    pub fn look_for_suspension(&mut self, now: Instant) {
        let before = self.take_suspension(now);
        let found = &self.suspension;
        let reason = |suspension: &Option<Suspension>| {
            suspension
                .as_ref()
                .map(|suspension| suspension.reason.clone())
        };
        let risk = |suspension: &Option<Suspension>| suspension.as_ref()?.risk.clone();
        if risk(&before) != risk(found) {
            self.publisher.wake(now);
        }
        let (before, after) = (reason(&before), reason(found));
        let held = self.ground.held.clone();
        self.ground.look_for_quarantine();
        let is_same = match (&held, &self.ground.held) {
            (Some(before), Some(after)) => before.is_same_case(after),
            (before, after) => before.is_none() && after.is_none(),
        };
        // What else stands in that file we write ourselves: that K3s was restarted, that the part was not the cause.
        if !is_same {
            self.keeper.put_back = None;
            self.full_pass(now);
        }
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
            self.keeper.judge_at(now);
        }
    }

    /// Looks whether anything is to be changed now, and waits for the end of a pause; what was known before.
    pub(super) fn take_suspension(&mut self, now: Instant) -> Option<Suspension> {
        let found = self.find_suspension();
        let left = found.as_ref().and_then(|suspension| suspension.left);
        self.due.pause_ends = left.map(|left| now + left);
        std::mem::replace(&mut self.suspension, found)
    }

    /// Why nothing is changed now. The kill switch keeps the door out too, so nobody makes the six kernel values right
    /// before a kubelet that insists on them.
    pub(super) fn find_suspension(&self) -> Option<Suspension> {
        let mut found = Suspension::look(&self.ground.host.root)?;
        if found.left.is_none() {
            found.risk = kernel::risk_while_off(&self.ground.pass());
        }
        Some(found)
    }

    /// Warns of exceptions that end soon, each day once, and of those that are over, once in a run.
    pub(super) fn tell_of_exceptions(&mut self) {
        let today = self.ground.today;
        self.told
            .exceptions
            .retain(|told| told.on.is_none_or(|day| day == today));
        let policy = &self.ground.policy;
        let expiring = policy.expiring(today).map(|exception| {
            let kind = Kind::ExceptionExpiring;
            (kind, exception, Some(today), "ends")
        });
        let expired = policy
            .expired(today)
            .map(|exception| (Kind::ExceptionExpired, exception, None, "ended"));
        for (kind, exception, on, word) in expiring.chain(expired) {
            let told = ToldException {
                control: exception.control.clone(),
                expires: exception.expires,
                on,
            };
            if !self.told.exceptions.insert(told) {
                continue;
            }
            let message = format!(
                "it {word} on {}, owner {}: {}",
                exception.expires, exception.owner, exception.reason
            );
            let cis = cis_of(&self.ground, &exception.control);
            let event = Event::new(kind, message).control(exception.control.as_str(), cis);
            self.journal.tell(&event);
        }
    }

    /// Reads policy and catalogue again. A wrong one is refused and the old one stays.
    pub fn reload(&mut self, now: Instant) {
        match self.sources.open() {
            Err(error) => {
                self.told.refused_policy = None;
                self.refuse_policy(error.to_string(), now);
            }
            Ok(ground) => {
                let changed = ground.policy.digest() != self.ground.policy.digest()
                    || ground.catalogue.digest() != self.ground.catalogue.digest();
                self.told.refused_policy = None;
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

    /// The newest rules are wrong, and those from before stay in force.
    pub(super) fn refuse_policy(&mut self, error: String, now: Instant) {
        if self.told.refused_policy.as_ref() != Some(&error) {
            self.journal
                .tell(&Event::new(Kind::ReloadRefused, error.as_str()));
        }
        self.told.refused_policy = Some(error);
        self.publisher.wake(now);
    }

    fn stand_on(&mut self, ground: Ground, now: Instant) {
        self.ground = ground;
        self.index = self.ground.index();
        self.records.follow(&self.ground.catalogue);
        self.due.settle = None;
        self.due.later = None;
        self.open_eyes();
        self.look_for_suspension(now);
        // The new ground took today's date from the clock.
        self.tell_of_exceptions();
        self.full_pass(now);
        self.take_up_run(now);
        // Other rules for restarts may let through what was held.
        self.keeper.judge_at(now);
    }

    /// Call site of the restart gate: changes of ours were made, and this is needed before all of them are in force.
    pub(super) fn on_changes_made(&mut self, effect: Effect) {
        if effect == Effect::DaemonReloadAndK3sRestart {
            self.keeper.reload_units_at(Instant::now());
        }
        if effect >= Effect::K3sRestart {
            // What the running K3s has read is not what is on the disk any more, as far as we know.
            self.k3s.in_step = None;
            self.reads_differ(Instant::now());
        }
    }

    /// Call site of the restart gate: K3s was started, by whomever, or has ended.
    pub(super) fn on_k3s_start_seen(&mut self, now: Instant) {
        if self.k3s_unit().is_none() {
            // The first start after an installation is that of a unit that was not there when we looked.
            self.look_at_node_anew(now);
        }
        // This comes first: a K3s that has ended is started again in five seconds, and what ended it has to be gone by then.
        let known = self.keeper.seen.clone();
        self.look_for_start(now);
        if self.keeper.seen != known {
            // The start has read everything anew, also what lies behind a link.
            self.look_at_node_anew(now);
        }
        self.look_soon(now);
    }

    /// Call site of the restart gate: something that K3s is made of or reads is not what it was. The node is looked at
    /// anew, under the rules that are in force; another version or unit is another baseline.
    pub(super) fn on_k3s_inputs_changed(&mut self, now: Instant) {
        self.reads_differ(now);
        if !self.look_at_node_anew(now) {
            // A drop-in of the kubelet, or the bits of ours for the unit, are no facts of the node and no setting's own thing, and can
            // change what any of them comes to.
            self.due.full_pass.get_or_insert(now + SETTLE);
        }
    }

    /// The node under the rules that are in force; if it is another one everything is judged, and this is true.
    pub(super) fn look_at_node_anew(&mut self, now: Instant) -> bool {
        let is_other = self.take_node();
        if is_other {
            self.open_eyes();
            self.full_pass(now);
        }
        is_other
    }

    /// Everything, as if no event had ever been seen: what changed without one, or with one that the kernel dropped.
    pub(super) fn look_at_all(&mut self, now: Instant) {
        match self.take_node() {
            true => self.open_eyes(),
            false => self.place(now),
        }
        self.full_pass(now);
        self.take_up_run(now);
    }

    /// Looks at the node anew; whether it is another one.
    fn take_node(&mut self) -> bool {
        let rules = (&self.ground.catalogue, &self.ground.policy);
        // What cannot be looked at now is looked at with the next event or full pass.
        let Ok(new) = self.sources.look_again(rules.0, rules.1) else {
            return false;
        };
        let is_other = new.node != self.ground.node;
        if is_other {
            self.ground = new;
            self.index = self.ground.index();
        }
        if let Err(error) = self.ground.note_node(&mut self.ledger) {
            let message = format!("what this node is cannot be kept: {error}");
            self.tell_once(News::Hindered(Chore::KeepNode), message, &[]);
        }
        is_other
    }
}
