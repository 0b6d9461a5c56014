//! Things that somebody keeps undoing: told once, left alone for a while, taken up again.

use std::collections::BTreeSet;
use std::time::Instant;

use super::about::HeldFor;
use super::agent::Agent;
use super::contention::Turn;
use super::work::{Done, Hit, Target};
use super::writer;
use crate::host::Thing;
use crate::report::event::Kind;
use crate::report::journal::Event;

/// What there is to tell of a fight when it is over.
#[derive(Debug)]
pub struct Fight {
    /// The control that the thing is held for.
    control: HeldFor,
    /// Who undoes it, where that is known.
    pub(super) writer: Option<String>,
}

impl Agent<'_> {
    pub(super) fn contention_begins(&mut self, done: &Done, count: u64) {
        let writer = match &done.thing {
            Thing::Sysctl(key) => writer::of_value(&self.ground.host.root, key, &done.observed),
            Thing::Path(_) => None,
        };
        let who = writer.clone().unwrap_or_else(|| "somebody".to_owned());
        let message = format!(
            "{who} keeps setting {} to {}; it was set to {} {count} times",
            done.thing, done.observed, done.wanted
        );
        let control = HeldFor::first_of(&self.ground, &done.controls);
        let event = Event::new(Kind::ContentionBegins, message)
            .control(&control.name, &control.cis)
            .setting(done.thing.to_string())
            .values(&done.wanted, &done.observed)
            .source(who)
            .count(count);
        self.journal.tell(&event);
        let fight = Fight { control, writer };
        self.fights.insert(done.thing.clone(), fight);
    }

    /// Takes up again what was left alone, and says what is quiet.
    pub fn on_contention_due(&mut self, now: Instant) {
        let mut hits = BTreeSet::new();
        for thing in self.contention.due(now) {
            match &thing {
                Thing::Sysctl(key) => self.hits_of_key(key, &mut hits),
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
        if self.suspension.is_some() {
            return;
        }
        for turn in self.contention.quiet(now) {
            let Turn::Ends { thing, count } = turn else {
                continue;
            };
            let fight = self.fights.remove(&thing);
            let control = fight.map(|fight| fight.control).unwrap_or_default();
            let message = format!("nobody undoes {thing} any more; it was repaired {count} times");
            let event = Event::new(Kind::ContentionEnds, message)
                .control(control.name, control.cis)
                .setting(thing.to_string())
                .count(count);
            self.journal.tell(&event);
            self.publisher.wake(now);
        }
    }
}
