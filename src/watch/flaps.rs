//! Drift that nobody repairs and that comes and goes: told a few times, then once that it goes on, then not until it was quiet.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// So often within [`WITHIN`] it is told like any other.
const OFTEN: u64 = 5;
/// What has not come back for this long is quiet.
const WITHIN: Duration = Duration::from_secs(3600);
/// So many things of a control are remembered. Names that others make have no other bound; what is forgotten is told once more.
const LIMIT: usize = 64;

/// How something that diverges anew is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Say {
    /// Like any other drift.
    It,
    /// With how often it did so, for the last time until it was quiet.
    Often(u64),
    /// Not at all: that it goes on was told.
    Nothing,
}

/// What of a control has diverged lately, by what it is about.
#[derive(Debug, Default, Clone)]
pub(super) struct Flaps(BTreeMap<String, Flap>);

#[derive(Debug, Clone, Copy)]
struct Flap {
    since: Instant,
    last: Instant,
    times: u64,
}

impl Flap {
    fn is_over(&self, now: Instant) -> bool {
        // What is told as going on lasts until it is quiet, what is not until its hour is over.
        let from = if self.times > OFTEN {
            self.last
        } else {
            self.since
        };
        now.saturating_duration_since(from) >= WITHIN
    }
}

impl Flaps {
    /// Something diverges that held before.
    pub(super) fn diverges(&mut self, what: &str, now: Instant) -> Say {
        self.0.retain(|_, flap| !flap.is_over(now));
        if self.0.len() >= LIMIT && !self.0.contains_key(what) {
            let oldest = self.0.iter().min_by_key(|(_, flap)| flap.last);
            let oldest = oldest.map(|(what, _)| what.clone());
            oldest.and_then(|what| self.0.remove(&what));
        }
        let flap = self.0.entry(what.to_owned()).or_insert(Flap {
            since: now,
            last: now,
            times: 0,
        });
        flap.last = now;
        flap.times += 1;
        match flap.times {
            ..=OFTEN => Say::It,
            times if times == OFTEN + 1 => Say::Often(times),
            _ => Say::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_and_goes_is_told_with_its_count_once_and_then_not_until_an_hour_of_quiet() {
        let start = Instant::now();
        let mut flaps = Flaps::default();
        let mut say = |minute: u64| flaps.diverges("x", start + Duration::from_secs(60 * minute));
        for minute in [0, 10, 20, 30, 40] {
            assert_eq!(say(minute), Say::It, "{minute}");
        }
        assert_eq!(say(50), Say::Often(6));
        for minute in [51, 110, 169] {
            assert_eq!(say(minute), Say::Nothing, "{minute}");
        }
        // Quiet for an hour, and then seldom.
        for hour in 4..20 {
            assert_eq!(say(60 * hour), Say::It, "{hour}");
            assert_eq!(say(60 * hour + 20), Say::It, "{hour}");
        }
    }

    #[test]
    fn what_goes_on_hides_nothing_else_and_many_names_take_no_more_memory() {
        let now = Instant::now();
        let mut flaps = Flaps::default();
        for _ in 0..=OFTEN {
            flaps.diverges("x", now);
        }
        assert_eq!(flaps.diverges("x", now), Say::Nothing);
        assert_eq!(flaps.diverges("y", now), Say::It);
        for name in 0..10 * LIMIT {
            flaps.diverges(&name.to_string(), now + Duration::from_secs(1));
        }
        assert_eq!(flaps.0.len(), LIMIT);
    }
}
