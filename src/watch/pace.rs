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

#[cfg(test)]
mod tests {
    use super::*;

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
