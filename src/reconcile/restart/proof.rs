//! What is known of our part: the last state that settled, and one that failed.

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use super::own_part::OurPart;
use super::records::{Found, Records};
use crate::host::HostError;
use crate::reconcile::ledger::Hash;

const LAST_GOOD: &str = "last-good.json";
const QUARANTINE: &str = "quarantine.json";
const KEPT_ERRORS: usize = 5;

/// Our part as a K3s read it that settled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastGood {
    /// Its files.
    pub part: OurPart,
    /// The version of the K3s that settled.
    pub k3s_version: Option<String>,
    /// When.
    pub settled: Moment,
}

impl LastGood {
    /// Reads it.
    #[must_use]
    pub fn load(records: &Records) -> Found<Self> {
        records.load(LAST_GOOD)
    }

    /// Keeps it, once a start that read exactly this has settled.
    ///
    /// # Errors
    /// When it cannot be written; the one before is then still there.
    pub fn save(&self, records: &Records) -> Result<(), HostError> {
        records.save(LAST_GOOD, self)
    }
}

/// Whether a part of ours is proven: a start that read it has settled. Nothing of ours needs no proof. A last good state
/// that cannot be read proves nothing.
#[must_use]
pub fn is_proven(part: &OurPart, last_good: &Found<LastGood>) -> bool {
    part.files.is_empty()
        || matches!(last_good, Found::Record(good) if good.part.digest() == part.digest())
}

/// What lifts a quarantine when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circumstances {
    /// The digest of the policy.
    pub policy: String,
    /// The digest of the catalogue.
    pub catalogue: String,
    /// The version of K3s.
    pub k3s_version: Option<String>,
}

/// What the daemon tells of a quarantine, each once: the record of that outlives a run of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Telling {
    /// That the part was put back.
    PutBack,
    /// That it is not written again.
    NotWrittenAgain,
}

/// A part of ours with which K3s did not settle. It is not written again until something changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Names the part.
    pub part: Hash,
    /// Names what the put-back left of ours, such as an encryption line under a key. An end after that is one without the part.
    #[serde(default)]
    pub left: Option<Hash>,
    /// Under which it failed.
    pub circumstances: Circumstances,
    /// Why, in K3s's words.
    pub reason: String,
    /// The journal's last error lines, secrets masked.
    pub errors: Vec<String>,
    /// When.
    pub since: Moment,
    /// K3s was restarted for the put-back. That is done once.
    pub restarted: bool,
    /// K3s then ended in the same words without the part: a database that was down, a clock that was wrong. The part is
    /// tried again once a start has settled.
    #[serde(default)]
    pub exonerated: bool,
    /// What the journal was told of it.
    #[serde(default)]
    pub told: Vec<Telling>,
}

impl Quarantine {
    /// A part that has just failed, and what the put-back leaves of ours.
    #[must_use]
    pub fn new(
        part: &OurPart,
        left: &OurPart,
        circumstances: Circumstances,
        reason: String,
        errors: impl IntoIterator<Item = String>,
        since: Moment,
    ) -> Self {
        Self {
            part: part.digest(),
            left: Some(left.digest()),
            circumstances,
            reason,
            errors: errors.into_iter().take(KEPT_ERRORS).collect(),
            since,
            restarted: false,
            exonerated: false,
            told: Vec::new(),
        }
    }

    /// Reads it. One that cannot be read blocks nothing: what it was about is not known, and the last good state stands
    /// on disk.
    #[must_use]
    pub fn load(records: &Records) -> Found<Self> {
        records.load(QUARANTINE)
    }

    /// Keeps it. To be done before anything is put back, so that a crash in between does not lose it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, records: &Records) -> Result<(), HostError> {
        records.save(QUARANTINE, self)
    }

    /// Lifts it: `k3warden retry`, or changed circumstances.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn lift(records: &Records) -> Result<(), HostError> {
        records.remove(QUARANTINE)
    }

    /// K3s ended by itself without the part in quarantine. In the same words that part was not the cause.
    ///
    /// # Errors
    /// When it cannot be kept; the part then stays in quarantine.
    pub fn ended_without_it(records: &Records, reason: &str) -> Result<(), HostError> {
        match Self::load(records).record() {
            Some(held) if held.reason == reason && !held.exonerated => Self {
                exonerated: true,
                ..held
            }
            .save(records),
            _ => Ok(()),
        }
    }

    /// Whether K3s was restarted for the put-back of this part, or has read what was put back: that is done once. One
    /// that was lifted since stays so.
    ///
    /// # Errors
    /// When it cannot be kept; then no restart may be asked for.
    pub fn note_restarted(&self, records: &Records, restarted: bool) -> Result<(), HostError> {
        match Self::load(records).record() {
            Some(held) if held.part == self.part && held.restarted != restarted => {
                Self { restarted, ..held }.save(records)
            }
            _ => Ok(()),
        }
    }

    /// The journal was told this of it. One that was lifted since stays so.
    ///
    /// # Errors
    /// When it cannot be kept; the next run of the daemon then tells it again.
    pub fn note_told(&self, records: &Records, telling: Telling) -> Result<(), HostError> {
        match Self::load(records).record() {
            Some(mut held) if held.part == self.part && !held.told.contains(&telling) => {
                held.told.push(telling);
                held.save(records)
            }
            _ => Ok(()),
        }
    }

    /// A start has settled without the part in quarantine: one that was not the cause is tried again. Whether it was.
    ///
    /// # Errors
    /// When the quarantine cannot be lifted.
    pub fn settled_without_it(records: &Records) -> Result<bool, HostError> {
        let exonerated = Self::load(records)
            .record()
            .is_some_and(|held| held.exonerated);
        if exonerated {
            Self::lift(records)?;
        }
        Ok(exonerated)
    }

    /// Whether it still stands.
    #[must_use]
    pub fn stands(&self, now: &Circumstances) -> bool {
        self.circumstances == *now
    }

    /// Whether this is what its put-back left of ours, and it still stands.
    #[must_use]
    pub fn left(&self, part: &OurPart, now: &Circumstances) -> bool {
        self.stands(now) && self.left == Some(part.digest())
    }
}

#[cfg(test)]
mod tests;
