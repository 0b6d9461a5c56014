//! Gives back what controls changed that the policy has turned off since, where it says so (`on_disable = "revert"`).

use super::about::cis_of;
use super::agent::Agent;
use super::ground::{Ground, LOCK_PATIENCE, WHO};
use super::reason::key;
use super::records::stays_in_cluster;
use super::suspension::Halt;
use crate::catalogue::ControlId;
use crate::reconcile::service::rollback::Who;
use crate::reconcile::{PutBack, Reason, Reverted, give_back};
use crate::report::describe;
use crate::report::event::Kind;
use crate::report::journal::Event;

impl Agent<'_> {
    /// Gives back all that can go now, and tells what is news of it.
    pub(super) fn give_back(&mut self) {
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
        let given_back =
            give_back::turned_off(&pass, &mut self.ledger, who).and_then(|turned_off| {
                give_back::give_back(&pass, &mut self.ledger, &turned_off, who, &stop)
            });
        let (events, failure) = match given_back {
            Ok(given_back) => (
                given_back
                    .iter()
                    .filter_map(|done| event(&self.ground, done))
                    .collect(),
                given_back
                    .iter()
                    .find_map(|done| done.result.as_ref().err().map(ToString::to_string)),
            ),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let events: Vec<Event> = events;
        let said = events.iter().map(|event| event.message.clone()).collect();
        let earlier = std::mem::replace(&mut self.told.given_back, said);
        let news = events
            .iter()
            .filter(|event| !earlier.contains(&event.message));
        news.for_each(|event| self.journal.tell(event));
        if !events.is_empty() {
            let _ = self.ground.look_up_written(&mut self.ledger);
        }
        let reason = failure.as_deref().map(key).map(str::to_owned);
        if reason != self.told.giving_back_failure
            && let Some(error) = &failure
        {
            self.journal
                .tell(&Event::new(Kind::Hindered, error.as_str()));
        }
        self.told.giving_back_failure = reason;
    }
}

/// What there is to tell of a thing that was given back; nothing where it only waits, or was that already.
fn event(ground: &Ground, done: &Reverted) -> Option<Event> {
    let message = match done.result.as_ref().ok()? {
        PutBack::Restored(state) => format!("{} is {} again", done.thing, describe(state)),
        PutBack::Stays(Reason::Theirs) => {
            format!("{} stays: somebody else has changed it since", done.thing)
        }
        PutBack::Stays(reason) => format!("{} stays: {reason}", done.thing),
        PutBack::Already | PutBack::Waits(_) => return None,
    };
    let message = stays_in_cluster(message, &done.left_in_cluster);
    let control = done.controls.first().map_or("", String::as_str);
    let numbers = ControlId::parse(control).map(|id| cis_of(ground, &id));
    let event = Event::new(Kind::GivenBack, message)
        .control(control, numbers.unwrap_or_default())
        .setting(done.thing.to_string());
    Some(event)
}
