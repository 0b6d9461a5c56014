//! What each start of this boot read, written by the door, one file a start; and what they tell of a start that fails
//! while no daemon looks.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::inputs::InputDigest;
use super::moment::Moment;
use super::records::{Found, Records, STARTS};
use crate::host::systemd::{InvocationId, UnitName};
use crate::host::{HostError, Root};
use crate::reconcile::ledger::Hash;

/// Every five seconds one, when K3s fails always: what is older tells nothing more.
const KEPT: usize = 16;
/// So many ends of an unproven part are enough.
const ENOUGH_ENDS: usize = 2;

/// What one start reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartRecord {
    /// The run.
    pub invocation: InvocationId,
    /// The unit.
    pub unit: UnitName,
    /// When the door was passed.
    pub at: Moment,
    /// The same as time since boot without sleep, which systemd's own times are by; older records have none.
    #[serde(default)]
    pub awake_seconds: Option<u64>,
    /// systemd's count of automatic restarts (NRestarts=): it goes up when systemd starts K3s again after an end, and stays or
    /// goes back to 0 when somebody else starts it (seen with systemd 252).
    pub restarts: u32,
    /// The digest of our part.
    pub ours: Hash,
    /// Everything that it reads.
    pub inputs: InputDigest,
    /// The options that something sets for it, secrets masked; older records have none.
    #[serde(default)]
    pub options: Option<SetOptions>,
}

/// Options by long name, each with its values as they may be shown.
pub type SetOptions = BTreeMap<String, Vec<String>>;
impl StartRecord {
    /// Whether this start was ready for as long as the limit. `ready` is from when to when systemd saw the unit ready last,
    /// as time since boot without sleep; that of an earlier start tells nothing of this one.
    #[must_use]
    pub fn lived_on(&self, ready: (Duration, Duration), limit: Duration) -> bool {
        let (since, until) = ready;
        // After a sleep the time with it is never reached again: an old record proves nothing then.
        let at_seconds = self.awake_seconds.unwrap_or(self.at.since_boot_seconds);
        let is_of_this = since >= Duration::from_secs(at_seconds);
        is_of_this && until.checked_sub(since).is_some_and(|lived| lived >= limit)
    }
}

/// The records of this boot.
#[derive(Debug)]
pub struct Starts {
    records: Records,
}

impl Starts {
    /// The records below a root.
    ///
    /// # Errors
    /// When the root's descriptor cannot be duplicated.
    pub fn of(root: &Root) -> Result<Self, HostError> {
        Ok(Self {
            records: Records::at(root, STARTS)?,
        })
    }

    /// What a start read; anything but a record that names this run is as good as none.
    #[must_use]
    pub fn load(&self, invocation: &InvocationId) -> Option<StartRecord> {
        let found: Found<StartRecord> = self.records.load(&name(invocation));
        found
            .record()
            .filter(|record| record.invocation == *invocation)
    }

    /// Keeps what a start reads, and drops the oldest beyond a bound.
    ///
    /// # Errors
    /// When it cannot be written. The start goes on all the same; what it read is then unknown.
    pub fn save(&self, root: &Root, record: &StartRecord) -> Result<(), HostError> {
        self.records.save(&name(&record.invocation), record)?;
        let mut all = self.all(root);
        let surplus = all.len().saturating_sub(KEPT);
        all.truncate(surplus);
        for old in all {
            self.records.remove(&name(&old.invocation))?;
        }
        Ok(())
    }

    /// All starts of this boot, the oldest first.
    #[must_use]
    pub fn all(&self, root: &Root) -> Vec<StartRecord> {
        let names = self.records.names(root);
        let records = names
            .iter()
            .filter_map(|name| self.records.load::<StartRecord>(name).record());
        let mut records: Vec<StartRecord> = records.collect();
        records.sort_by_key(|record| record.at.since_boot_seconds);
        records
    }
}

fn name(invocation: &InvocationId) -> String {
    format!("{invocation}.json")
}

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
    /// Neither.
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
    use super::super::records::tests::tree;
    use super::*;

    const LIMIT: Duration = Duration::from_secs(600);

    fn unit(name: &str) -> UnitName {
        name.parse().unwrap()
    }

    fn record(number: u64, seconds: u64, restarts: u32, ours: &str) -> StartRecord {
        StartRecord {
            invocation: format!("{number:032x}").parse().unwrap(),
            unit: unit("k3s.service"),
            at: at("a", 0, seconds),
            awake_seconds: None,
            restarts,
            ours: Hash::of(ours.as_bytes()),
            inputs: InputDigest::default(),
            options: None,
        }
    }

    #[test]
    fn a_record_is_found_by_its_run_and_old_ones_go() {
        let (_directory, root) = tree();
        let starts = Starts::of(&root).unwrap();
        for number in 0..30 {
            starts.save(&root, &record(number, number, 0, "x")).unwrap();
        }
        let all = starts.all(&root);
        assert_eq!(all.len(), KEPT);
        assert_eq!(all.first().unwrap().at.since_boot_seconds, 14);
        assert_eq!(starts.load(&all[3].invocation).unwrap(), all[3]);
        assert_eq!(starts.load(&record(2, 0, 0, "x").invocation), None);
    }

    #[test]
    fn a_record_that_is_torn_or_names_another_run_is_none() {
        let (_directory, root) = tree();
        let starts = Starts::of(&root).unwrap();
        let mine = record(1, 1, 0, "x");
        starts
            .records
            .save(&name(&mine.invocation), &record(2, 1, 0, "x"))
            .unwrap();
        assert_eq!(starts.load(&mine.invocation), None);
        starts
            .records
            .save(&name(&mine.invocation), &"torn")
            .unwrap();
        assert_eq!(starts.load(&mine.invocation), None);
        assert!(starts.all(&root).is_empty());
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
    fn a_start_lived_on_if_it_was_ready_long_enough_itself() {
        let start = record(1, 100, 0, "new");
        for (name, since, until, expected) in [
            ("long enough", 110, 710, true),
            ("too short", 110, 709, false),
            ("still ready", 110, 90, false),
            ("an earlier start was ready", 20, 95, false),
            ("an earlier start was ready for long", 20, 720, false),
        ] {
            let ready = (Duration::from_secs(since), Duration::from_secs(until));
            assert_eq!(start.lived_on(ready, LIMIT), expected, "{name}");
        }
    }

    /// A machine that slept for an hour before this start: systemd counts without it, CLOCK_BOOTTIME with it.
    #[test]
    fn sleep_before_a_start_takes_nothing_from_what_it_proves() {
        let mut start = record(1, 3700, 0, "new");
        let ready = (Duration::from_secs(110), Duration::from_secs(710));
        assert!(!start.lived_on(ready, LIMIT), "an old record");
        start.awake_seconds = Some(100);
        assert!(start.lived_on(ready, LIMIT));
        let text = serde_json::to_string(&start).unwrap();
        let old = text.replace("\"awake_seconds\":100,", "");
        assert_ne!(old, text);
        let old: StartRecord = serde_json::from_str(&old).unwrap();
        assert_eq!(old.awake_seconds, None);
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
