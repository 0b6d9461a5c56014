//! What earlier starts of this boot tell of a part of ours while no daemon looks.

use std::time::Duration;

use super::moment::Moment;
use super::starts::StartRecord;
use crate::host::systemd::UnitName;
use crate::reconcile::ledger::Hash;

/// So many ends of an unproven part are enough to put it back.
const ENOUGH_ENDS: usize = 2;

/// The start at the door now.
#[derive(Debug, Clone, Copy)]
pub struct AtTheDoor<'a> {
    /// The unit.
    pub unit: &'a UnitName,
    /// Now.
    pub now: &'a Moment,
    /// systemd's count of automatic restarts, this one included.
    pub restarts: u32,
}

/// What the starts before this one tell of a part of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Past {
    /// Starts with it ended by themselves so often that it has to be put back.
    EndsAlways,
    /// Nothing against it so far.
    Open,
}

/// The door's rule without a daemon: a part that is not proven is put back when two starts with it have ended by
/// themselves in this boot before the settle limit. One that lived longer counts neither way: it may have waited for its
/// server all the time (whether it was READY only [`StartRecord::lived_on`] tells).
#[must_use]
pub fn past_of(
    ours: &Hash,
    earlier: &[StartRecord],
    door: AtTheDoor<'_>,
    settle_limit: Duration,
) -> Past {
    let of_unit: Vec<&StartRecord> = earlier
        .iter()
        .filter(|record| record.unit == *door.unit && record.at.boot == door.now.boot)
        .collect();
    let followers = of_unit
        .iter()
        .skip(1)
        .map(|record| (record.restarts, &record.at));
    let followers = followers.chain([(door.restarts, door.now)]);
    // A count that went up: the start before ended by itself. A count that did not: somebody stopped or restarted it,
    // and how long it lived before that nobody knows.
    let ends = of_unit
        .iter()
        .zip(followers)
        .filter(|(start, (restarts, _))| *restarts > start.restarts);
    let short = ends
        .filter(|(start, _)| start.ours == *ours)
        .filter(|(start, (_, at))| start.at.age(at) < settle_limit);
    if short.count() >= ENOUGH_ENDS {
        Past::EndsAlways
    } else {
        Past::Open
    }
}

#[cfg(test)]
mod tests {
    use super::super::moment::at;
    use super::super::starts::tests::record;
    use super::*;

    const LIMIT: Duration = Duration::from_secs(600);

    fn unit(name: &str) -> UnitName {
        name.parse().unwrap()
    }

    /// Starts as (seconds, restarts, ours), the last one at the door.
    fn past(starts: &[(u64, u32, &str)]) -> Past {
        let (last, earlier) = starts.split_last().unwrap();
        let earlier: Vec<StartRecord> = earlier
            .iter()
            .zip(0..)
            .map(|((seconds, restarts, ours), number)| record(number, *seconds, *restarts, ours))
            .collect();
        let door = AtTheDoor {
            unit: &unit("k3s.service"),
            now: &at("a", 0, last.0),
            restarts: last.1,
        };
        past_of(&Hash::of(b"new"), &earlier, door, LIMIT)
    }

    #[test]
    fn two_ends_by_itself_are_enough() {
        for (name, starts, expected) in [
            ("first start", &[(10, 0, "new")][..], Past::Open),
            ("ended once", &[(10, 0, "new"), (20, 1, "")], Past::Open),
            (
                "ended twice",
                &[(10, 0, "new"), (20, 1, "new"), (30, 2, "")],
                Past::EndsAlways,
            ),
            (
                "ended twice with another part",
                &[(10, 0, "old"), (20, 1, "old"), (30, 2, "")],
                Past::Open,
            ),
            (
                "once with the old, once with the new",
                &[(10, 0, "old"), (20, 1, "new"), (30, 2, "")],
                Past::Open,
            ),
            (
                "restarted by hand in between",
                &[(10, 0, "new"), (20, 1, "new"), (30, 0, "new"), (40, 1, "")],
                Past::EndsAlways,
            ),
            (
                "restarted by hand always",
                &[(10, 0, "new"), (20, 0, "new"), (30, 0, "")],
                Past::Open,
            ),
            (
                "lived for long, then ended",
                &[(10, 0, "new"), (700, 1, "new"), (710, 2, "")],
                Past::Open,
            ),
            (
                "stopped by hand, and started long after",
                &[(10, 0, "new"), (9000, 0, "")],
                Past::Open,
            ),
            (
                "counted up from before",
                &[(10, 7, "new"), (20, 8, "new"), (30, 9, "")],
                Past::EndsAlways,
            ),
        ] {
            assert_eq!(past(starts), expected, "{name}");
        }
    }

    #[test]
    fn starts_of_another_unit_or_boot_tell_nothing() {
        let mut earlier = vec![record(1, 10, 0, "new"), record(2, 20, 1, "new")];
        let now = at("a", 0, 30);
        let agent = unit("k3s-agent.service");
        let door = AtTheDoor {
            unit: &agent,
            now: &now,
            restarts: 2,
        };
        let ours = Hash::of(b"new");
        assert_eq!(past_of(&ours, &earlier, door, LIMIT), Past::Open);
        for record in &mut earlier {
            record.unit = agent.clone();
        }
        assert_eq!(past_of(&ours, &earlier, door, LIMIT), Past::EndsAlways);
        let other_boot = at("b", 0, 30);
        let door = AtTheDoor {
            now: &other_boot,
            ..door
        };
        assert_eq!(past_of(&ours, &earlier, door, LIMIT), Past::Open);
    }
}
