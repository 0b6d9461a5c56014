//! Somebody else undoes what we repair, again and again: how often we go on, and when it is over.
//!
//! Pure: the clock is an argument. A thing that is undone many times in a few seconds, or every few seconds or minutes for
//! long, is left alone for a while, each time for longer; one that is undone now and then is repaired at once and reported
//! all the same. In the long run no thing is repaired more often than every five minutes, whoever undoes it in whatever
//! rhythm: a repair is a synced entry of the ledger, and an SD card bears only so many.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::host::Thing;

/// Undone so many times in a row, each time within [`CLOSE`]: a loop that fights us.
const FAST_COUNT: usize = 10;
const CLOSE: Duration = Duration::from_secs(2);
/// Undone so many times within [`SLOW`]: a tool with a schedule of its own.
const SLOW_COUNT: usize = 5;
const SLOW: Duration = Duration::from_secs(3600);
/// The first time that a thing is left alone.
const FIRST_DELAY: Duration = Duration::from_secs(1);
/// It is never left alone for longer.
const LONGEST_DELAY: Duration = Duration::from_secs(300);
/// What one repair costs: so long a time without another one makes it good.
const COST: Duration = LONGEST_DELAY;
/// A thing whose repairs have cost more than has been made good is left alone too: 49 repairs at three seconds' distance, 60
/// at a minute's.
const CREDIT: Duration = Duration::from_secs(4 * 3600);
/// A contention is over when nothing was undone for this long, which is longer than the distance of the repairs that may
/// begin one.
const QUIET: Duration = Duration::from_secs(1200);
/// Things whose history is kept. Beyond this all that are not contended are forgotten.
const REMEMBERED: usize = 512;

/// What we are told about a thing when it diverges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Repair it now.
    Repair,
    /// Leave it alone until then.
    LeaveUntil(Instant),
}

/// Something that the operator should hear once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// A contention has begun, after so many repairs of this thing.
    Begins {
        /// Repairs so far.
        count: u64,
    },
    /// It is over, after so many repairs.
    Ends {
        /// The thing.
        thing: Thing,
        /// Repairs in all.
        count: u64,
    },
}

/// The fights that are going on.
#[derive(Debug, Default)]
pub struct Contention {
    things: BTreeMap<Thing, History>,
    /// The earliest end of a time of being left alone; asked at each turn of the loop.
    next: Option<Instant>,
}

#[derive(Debug)]
struct History {
    /// What it was set to last.
    wanted: String,
    /// The latest repairs to that, as many as are needed to tell.
    repairs: VecDeque<Instant>,
    /// What they have cost and is not made good.
    owed: Duration,
    /// When it was last seen undone and was not repaired.
    undone: Option<Instant>,
    count: u64,
    contended: bool,
    delay: Duration,
    left_until: Option<Instant>,
}

impl Contention {
    /// Whether a thing that diverges may be repaired now.
    #[must_use]
    pub fn advice(&self, thing: &Thing, now: Instant) -> Advice {
        match self
            .things
            .get(thing)
            .and_then(|history| history.left_until)
        {
            Some(until) if until > now => Advice::LeaveUntil(until),
            _ => Advice::Repair,
        }
    }

    /// Takes note of a repair. What we ourselves want otherwise than before (another policy, a put-back) is no fight.
    pub fn repaired(&mut self, thing: &Thing, wanted: &str, now: Instant) -> Option<Turn> {
        self.make_room(thing);
        let history = self
            .things
            .entry(thing.clone())
            .or_insert_with(History::new);
        if history.wanted != wanted {
            wanted.clone_into(&mut history.wanted);
            history.repairs.clear();
            history.owed = Duration::ZERO;
            history.delay = Duration::ZERO;
            history.left_until = None;
        }
        history.add(now);
        let too_often = history.is_loop() || history.owed > CREDIT;
        let began = !history.contended && (too_often || history.within(SLOW_COUNT, SLOW, now));
        history.contended |= began;
        // Once it was left alone, one more undoing is enough for the next, longer time.
        if too_often || history.delay > Duration::ZERO {
            history.delay = (history.delay * 2).clamp(FIRST_DELAY, LONGEST_DELAY);
            let until = now + history.delay;
            history.left_until = Some(until);
            self.next = Some(self.next.map_or(until, |next| next.min(until)));
        }
        let count = history.count;
        began.then_some(Turn::Begins { count })
    }

    /// Takes note of something that diverges and is not repaired: left alone, held back by an operator, or failed.
    pub fn stays_undone(&mut self, thing: &Thing, now: Instant) {
        if let Some(history) = self.things.get_mut(thing) {
            history.undone = Some(now);
        }
    }

    /// When the next thing that was left alone may be looked at again.
    #[must_use]
    pub const fn next_due(&self) -> Option<Instant> {
        self.next
    }

    /// The things whose time of being left alone is over. Each is named once.
    pub fn due(&mut self, now: Instant) -> Vec<Thing> {
        let mut due = Vec::new();
        for (thing, history) in &mut self.things {
            if history.left_until.is_some_and(|until| until <= now) {
                history.left_until = None;
                due.push(thing.clone());
            }
        }
        self.next = self
            .things
            .values()
            .filter_map(|history| history.left_until)
            .min();
        due
    }

    /// Ends what has been quiet long enough. To be asked now and then, while everything is repaired.
    pub fn quiet(&mut self, now: Instant) -> Vec<Turn> {
        let mut ended = Vec::new();
        self.things.retain(|thing, history| {
            let last = history.repairs.back().copied().max(history.undone);
            let last = last.unwrap_or(now);
            let quiet = now.saturating_duration_since(last) >= QUIET;
            if quiet && history.contended {
                ended.push(Turn::Ends {
                    thing: thing.clone(),
                    count: history.count,
                });
            }
            // A thing that is not contended is remembered for as long as its repairs count.
            !(quiet && (history.contended || now.saturating_duration_since(last) >= SLOW))
        });
        ended
    }

    /// Whether a thing is fought for: that was told, and its single repairs are no news.
    #[must_use]
    pub fn is_contended(&self, thing: &Thing) -> bool {
        let history = self.things.get(thing);
        history.is_some_and(|history| history.contended)
    }

    /// The things that are fought for now, with their repairs so far.
    pub fn contended(&self) -> impl Iterator<Item = (&Thing, u64)> {
        let contended = self.things.iter().filter(|(_, history)| history.contended);
        contended.map(|(thing, history)| (thing, history.count))
    }

    /// Makes room for a thing that is not known yet. Seldom, and many at a time, so that a repair does not get dearer
    /// with the number of things that were ever repaired.
    fn make_room(&mut self, thing: &Thing) {
        if self.things.len() < REMEMBERED || self.things.contains_key(thing) {
            return;
        }
        self.things.retain(|_, history| history.contended);
        if self.things.len() >= REMEMBERED {
            // So many fights at once are one fight over everything; they begin anew.
            self.things.clear();
            self.next = None;
        }
    }
}

impl History {
    const fn new() -> Self {
        Self {
            wanted: String::new(),
            repairs: VecDeque::new(),
            owed: Duration::ZERO,
            undone: None,
            count: 0,
            contended: false,
            delay: Duration::ZERO,
            left_until: None,
        }
    }

    fn add(&mut self, now: Instant) {
        let last = self.repairs.back().copied().unwrap_or(now);
        let made_good = now.saturating_duration_since(last);
        self.owed = self.owed.saturating_sub(made_good) + COST;
        self.count += 1;
        if self.repairs.len() == FAST_COUNT {
            self.repairs.pop_front();
        }
        self.repairs.push_back(now);
    }

    /// Whether the latest repairs followed each other closely.
    fn is_loop(&self) -> bool {
        let times = self.repairs.iter().zip(self.repairs.iter().skip(1));
        let mut gaps = times.map(|(one, next)| next.saturating_duration_since(*one));
        self.repairs.len() == FAST_COUNT && gaps.all(|gap| gap <= CLOSE)
    }

    /// Whether the last `count` repairs lie within `span`.
    fn within(&self, count: usize, span: Duration, now: Instant) -> bool {
        let Some(index) = self.repairs.len().checked_sub(count) else {
            return false;
        };
        self.repairs
            .get(index)
            .is_some_and(|first| now.saturating_duration_since(*first) <= span)
    }
}

#[cfg(test)]
mod tests;
