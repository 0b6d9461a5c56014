//! How often one thing is looked at: the first event at once, a storm of them now and then.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

/// So many events of one thing are answered at once before they are put together.
const BURST: u32 = 16;
/// One more is answered at once after each such time of quiet.
const REFILL: Duration = Duration::from_millis(20);
/// Things that were remembered and are forgotten when they have been quiet.
const REMEMBERED: usize = 1024;

/// Remembers how often things were looked at lately. Its memory is bounded.
#[derive(Debug)]
pub struct Pace<K> {
    /// Up to when the burst of a thing is used up, as in a token bucket.
    used_until: HashMap<K, Instant>,
    /// When what has been quiet was last forgotten.
    swept: Option<Instant>,
}

impl<K> Default for Pace<K> {
    fn default() -> Self {
        Self {
            used_until: HashMap::new(),
            swept: None,
        }
    }
}

impl<K: Hash + Eq + Clone> Pace<K> {
    /// `None`: look now. Else the time at which to look, however many events come until then.
    pub fn take(&mut self, thing: &K, now: Instant) -> Option<Instant> {
        let full = REFILL * BURST;
        let used = self.used_until.get(thing).copied().unwrap_or(now).max(now);
        let next = used + REFILL;
        if next.saturating_duration_since(now) > full {
            return Some(now + REFILL);
        }
        let full_again = self.used_until.len() >= REMEMBERED;
        if full_again && self.swept.is_none_or(|swept| now >= swept + REFILL) {
            self.swept = Some(now);
            self.used_until.retain(|_, until| *until > now);
        }
        if self.used_until.len() < REMEMBERED {
            self.used_until.insert(thing.clone(), next);
        }
        None
    }
}

/// Rounds are left out up to this: with the default of ten seconds a look every five minutes, like everything.
const LONGEST_REST: u32 = 30;

/// How often something that does not get better is looked at: each time after twice as many rounds.
#[derive(Debug, Default)]
pub struct Rest {
    left: u32,
    length: u32,
}

impl Rest {
    /// One more round: whether to look now.
    pub fn is_over(&mut self) -> bool {
        if self.left > 0 {
            self.left -= 1;
            return false;
        }
        self.length = (self.length * 2 + 1).min(LONGEST_REST);
        self.left = self.length;
        true
    }

    /// Something has changed: the next round looks.
    pub fn end(&mut self) {
        *self = Self::default();
    }
}

/// So many wakes for nothing within [`SPAN`] are a storm of events that concern nobody.
const STORM: u32 = 20;
const SPAN: Duration = Duration::from_millis(100);
/// In such a storm events are let come together for so long: a repair waits no longer than this, and what K3s writes
/// all day costs us little.
const TOGETHER: Duration = Duration::from_millis(10);

/// Notices a storm of events that concern nobody.
#[derive(Debug, Default)]
pub struct Storm {
    since: Option<Instant>,
    wakes: u32,
}

impl Storm {
    /// Takes note of a wake for nothing; how long to rest before the next look.
    pub fn for_nothing(&mut self, now: Instant) -> Option<Duration> {
        let is_over = |since: Instant| now.saturating_duration_since(since) >= SPAN;
        let was_storm = self.wakes >= STORM;
        if self.since.is_none_or(is_over) {
            self.since = Some(now);
            // One that blew until now is expected to go on.
            self.wakes = if was_storm { STORM - 1 } else { 0 };
        }
        self.wakes += 1;
        (self.wakes >= STORM).then_some(TOGETHER)
    }

    /// An event concerned somebody: the next one may too.
    pub fn is_broken(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_get_better_is_looked_at_less_and_less_often_but_never_given_up() {
        let mut rest = Rest::default();
        let rounds: Vec<u32> = (0..200).filter(|_| rest.is_over()).collect();
        assert_eq!(rounds.get(..5), Some(&[0, 2, 6, 14, 30][..]));
        assert!(
            rounds
                .windows(2)
                .all(|pair| pair[1] - pair[0] <= LONGEST_REST + 1)
        );
        rest.end();
        assert!(rest.is_over());
    }

    #[test]
    fn only_a_storm_that_concerns_nobody_is_let_come_together() {
        let mut storm = Storm::default();
        let start = Instant::now();
        for wake in 1..STORM {
            assert_eq!(storm.for_nothing(start), None, "{wake}");
        }
        assert_eq!(storm.for_nothing(start), Some(TOGETHER));
        assert_eq!(
            storm.for_nothing(start + SPAN),
            Some(TOGETHER),
            "it goes on"
        );
        storm.is_broken();
        assert_eq!(storm.for_nothing(start + SPAN), None);
        let mut seldom = Storm::default();
        for wake in 0..1000 {
            assert_eq!(seldom.for_nothing(start + SPAN * wake), None);
        }
    }

    #[test]
    fn the_first_event_is_never_delayed_and_a_storm_is_put_together() {
        let mut pace = Pace::default();
        let start = Instant::now();
        for _ in 0..BURST {
            assert_eq!(pace.take(&"a", start), None);
        }
        assert_eq!(pace.take(&"a", start), Some(start + REFILL));
        assert_eq!(pace.take(&"b", start), None, "another thing does not wait");
        assert_eq!(pace.take(&"a", start + REFILL), None);
        assert!(pace.take(&"a", start + REFILL).is_some());
        let quiet = start + REFILL * (2 * BURST);
        for _ in 0..BURST {
            assert_eq!(pace.take(&"a", quiet), None);
        }
    }

    #[test]
    fn a_million_things_take_bounded_memory() {
        let mut pace = Pace::default();
        let start = Instant::now();
        for number in 0..1_000_000_u32 {
            assert_eq!(pace.take(&number, start), None);
        }
        assert!(pace.used_until.len() <= REMEMBERED);
    }
}
