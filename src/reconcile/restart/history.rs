//! The restarts that we did.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::moment::Moment;
use super::records::{Found, Records};
use crate::host::HostError;

const NAME: &str = "restarts.json";
/// More than any daily budget that makes sense.
const KEPT: usize = 64;

/// Restarts of K3s that we asked for, the newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    restarts: Vec<Moment>,
    /// When systemd last refused one. It ended no K3s, so it does not count for the day; the next one waits all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<Moment>,
}

impl History {
    /// Reads it. If it cannot be read, it counts as one restart just now: limits then hold us back and lift again.
    #[must_use]
    pub fn load(records: &Records, now: &Moment) -> Self {
        match records.load(NAME) {
            Found::Record(history) => history,
            Found::Nothing => Self::default(),
            Found::Unreadable(_) => {
                let mut history = Self::default();
                history.add(now.clone());
                // Where it cannot be written either, every start of ours counts as a restart: still no loop.
                let _ = records.save(NAME, &history);
                history
            }
        }
    }

    /// Notes a restart, before it is asked for: a crash in between must not lose it.
    ///
    /// # Errors
    /// When it cannot be written. Then no restart may be asked for.
    pub fn note(&mut self, records: &Records, now: Moment) -> Result<(), HostError> {
        self.add(now);
        records.save(NAME, self)
    }

    /// systemd did not take the restart that was noted last.
    ///
    /// # Errors
    /// When it cannot be written; it then goes on counting.
    pub fn note_refusal(&mut self, records: &Records) -> Result<(), HostError> {
        self.refused = self.restarts.pop().or(self.refused.take());
        records.save(NAME, self)
    }

    /// How long ago systemd last refused one.
    #[must_use]
    pub fn refusal_age(&self, now: &Moment) -> Option<Duration> {
        self.refused.as_ref().map(|moment| moment.age(now))
    }

    /// How long ago each was.
    #[must_use]
    pub fn ages(&self, now: &Moment) -> Vec<Duration> {
        self.restarts.iter().map(|moment| moment.age(now)).collect()
    }

    fn add(&mut self, now: Moment) {
        self.restarts.push(now);
        let surplus = self.restarts.len().saturating_sub(KEPT);
        self.restarts.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::super::moment::at;
    use super::super::records::STATE;
    use super::super::records::tests::tree;
    use super::*;

    #[test]
    fn restarts_are_remembered_over_a_reboot() {
        let (_directory, root) = tree();
        let records = Records::at(&root, STATE).unwrap();
        let mut history = History::load(&records, &at("a", 0, 0));
        history.note(&records, at("a", 1000, 100)).unwrap();
        history.note(&records, at("a", 1500, 600)).unwrap();
        let now = at("b", 2000, 30);
        let ages = History::load(&records, &now).ages(&now);
        assert_eq!(ages, [Duration::from_secs(1000), Duration::from_secs(500)]);
    }

    #[test]
    fn a_lost_history_counts_as_a_restart_just_now_and_only_once() {
        let (directory, root) = tree();
        let records = Records::at(&root, STATE).unwrap();
        records.save(NAME, &"garbage").unwrap();
        let ages = History::load(&records, &at("a", 0, 50)).ages(&at("a", 0, 50));
        assert_eq!(ages, [Duration::ZERO]);
        let later = at("a", 0, 950);
        assert_eq!(
            History::load(&records, &later).ages(&later),
            [Duration::from_secs(900)]
        );
        drop(directory);
    }

    #[test]
    fn a_refused_restart_is_none_and_is_remembered_as_refused() {
        let (_directory, root) = tree();
        let records = Records::at(&root, STATE).unwrap();
        let mut history = History::load(&records, &at("a", 0, 0));
        history.note(&records, at("a", 1000, 100)).unwrap();
        history.note(&records, at("a", 1500, 600)).unwrap();
        history.note_refusal(&records).unwrap();
        let now = at("a", 1600, 700);
        let history = History::load(&records, &now);
        assert_eq!(history.ages(&now), [Duration::from_secs(600)]);
        assert_eq!(history.refusal_age(&now), Some(Duration::from_secs(100)));
    }

    #[test]
    fn the_history_does_not_grow_for_ever() {
        let mut history = History::default();
        for second in 0..200 {
            history.add(at("a", 0, second));
        }
        assert_eq!(history.restarts.len(), KEPT);
        assert_eq!(history.restarts.last(), Some(&at("a", 0, 199)));
    }
}
