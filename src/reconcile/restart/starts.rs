//! What each start of this boot read, written by the door, one file a start.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::inputs::InputDigest;
use super::moment::Moment;
use super::records::{Found, Records, STARTS};
use crate::host::systemd::{InvocationId, UnitName};
use crate::host::{HostError, Root};
use crate::reconcile::ledger::Hash;

/// A K3s that always fails starts every five seconds; older records tell nothing more.
const KEPT: usize = 16;

/// How far a record may be believed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trust {
    /// The door came to its end, and nobody changed anything before K3s was ready.
    #[default]
    Whole,
    /// The door has only begun, or its time was over: what it changed after this is not in here.
    DoorUnderWay,
    /// Something that K3s reads was changed after the door and before K3s was ready. K3s has read the one or the other.
    Overtaken,
}

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
    /// How far all this may be believed; older records know no doubt.
    #[serde(default)]
    pub trust: Trust,
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

    /// What a start read; anything but the record of a door that came to its end and names this run is as good as none.
    #[must_use]
    pub fn load(&self, invocation: &InvocationId) -> Option<StartRecord> {
        let found: Found<StartRecord> = self.records.load(&name(invocation));
        let record = found.record()?;
        let is_of_this = record.invocation == *invocation;
        (is_of_this && record.trust != Trust::DoorUnderWay).then_some(record)
    }

    /// To be told what K3s would read now when some of it was changed while this start is not ready. Whatever it is
    /// changed to after that, K3s may have read this.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn overtake(&self, invocation: &InvocationId, now: &InputDigest) -> Result<(), HostError> {
        match self.load(invocation) {
            Some(record)
                if record.trust == Trust::Whole && !record.inputs.differences(now).is_empty() =>
            {
                let trust = Trust::Overtaken;
                self.records
                    .save(&name(invocation), &StartRecord { trust, ..record })
            }
            _ => Ok(()),
        }
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

    /// This start counts no more.
    ///
    /// # Errors
    /// When its record cannot be removed.
    pub fn forget(&self, invocation: &InvocationId) -> Result<(), HostError> {
        self.records.remove(&name(invocation))
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

#[cfg(test)]
pub(super) mod tests {
    use super::super::moment::at;
    use super::super::records::tests::tree;
    use super::*;

    const LIMIT: Duration = Duration::from_secs(600);

    /// A start of `k3s.service`, so many seconds after the boot, with this part of ours.
    pub(in crate::reconcile::restart) fn record(
        number: u64,
        seconds: u64,
        restarts: u32,
        ours: &str,
    ) -> StartRecord {
        StartRecord {
            invocation: format!("{number:032x}").parse().unwrap(),
            unit: "k3s.service".parse().unwrap(),
            at: at("a", 0, seconds),
            awake_seconds: None,
            restarts,
            ours: Hash::of(ours.as_bytes()),
            inputs: InputDigest::default(),
            options: None,
            trust: Trust::Whole,
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

    #[test]
    fn what_a_door_began_counts_among_the_starts_and_tells_nothing_of_what_was_read() {
        let (_directory, root) = tree();
        let starts = Starts::of(&root).unwrap();
        let begun = StartRecord {
            trust: Trust::DoorUnderWay,
            ..record(1, 1, 0, "x")
        };
        starts.save(&root, &begun).unwrap();
        assert_eq!(starts.load(&begun.invocation), None);
        assert_eq!(starts.all(&root), [begun]);
    }

    #[test]
    fn only_a_change_of_what_is_read_overtakes_a_start_and_it_stays_overtaken() {
        let (_directory, root) = tree();
        let starts = Starts::of(&root).unwrap();
        let mine = record(1, 1, 0, "x");
        starts.save(&root, &mine).unwrap();
        let other = InputDigest::default().with_command_line(&["server", "--debug"]);
        for (now, trust) in [
            (&mine.inputs, Trust::Whole),
            (&other, Trust::Overtaken),
            (&mine.inputs, Trust::Overtaken),
        ] {
            starts.overtake(&mine.invocation, now).unwrap();
            assert_eq!(starts.load(&mine.invocation).unwrap().trust, trust);
        }
        starts
            .overtake(&record(2, 1, 0, "x").invocation, &other)
            .unwrap();
        assert_eq!(starts.all(&root).len(), 1, "no record, no doubt about it");
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
}
