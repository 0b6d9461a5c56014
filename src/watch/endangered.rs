//! For what of his own configuration K3s will not start, told to the operator before that start comes: only he can mend it, and
//! after the boot it is too late.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::agent::Agent;
use crate::reconcile::endangered_by_operator;
use crate::report::event::Kind;
use crate::report::journal::Event;
use crate::report::next_endings;

/// It has to be so for this long: a file that is written in place says something else for a moment, and one that is exchanged
/// for another is away for one.
const STAYS: Duration = Duration::from_secs(1);
/// A burst of changes is looked at once.
const TOGETHER: Duration = Duration::from_secs(1);

/// What endangers the next start.
#[derive(Debug, Default)]
pub(super) struct Endangered {
    /// What the last look found, and since when it is found.
    found: BTreeMap<String, Instant>,
    told: BTreeSet<String>,
    due: Option<Instant>,
}

impl Endangered {
    /// What was told and is still so.
    pub(super) fn told(&self) -> impl Iterator<Item = &String> {
        self.told.iter()
    }

    /// When to look.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Something that it depends on has changed.
    pub(super) fn look_soon(&mut self, now: Instant) {
        self.due.get_or_insert(now + TOGETHER);
    }

    /// Takes what a look finds; what of it is news.
    fn take(&mut self, found: &BTreeSet<String>, now: Instant) -> Vec<String> {
        self.due = None;
        self.found.retain(|text, _| found.contains(text));
        self.told.retain(|text| found.contains(text));
        let mut news = Vec::new();
        for text in found.difference(&self.told) {
            let since = *self.found.entry(text.clone()).or_insert(now);
            if since + STAYS <= now {
                news.push(text.clone());
            } else {
                self.due.get_or_insert(since + STAYS);
            }
        }
        self.told.extend(news.iter().cloned());
        news
    }
}

impl Agent<'_> {
    /// Tells for which line of the operator's own K3s will not start, once until that is over.
    pub(super) fn look_for_endangered_start(&mut self, now: Instant) {
        let pass = self.ground.pass();
        // A pause leaves the door what keeps K3s startable; the kill switch, which does not end by itself, nothing.
        let suspension = self.suspension.as_ref();
        let switched_off = suspension.is_some_and(|suspension| suspension.left.is_none());
        let endangered = endangered_by_operator(&pass).into_iter();
        let certain = endangered.filter(|endangered| endangered.is_certain);
        let found = certain.map(|endangered| endangered.text);
        let found = found.chain(next_endings(&pass, switched_off)).collect();
        let known = self.endangered.told.len();
        let news = self.endangered.take(&found, now);
        if known != self.endangered.told.len() || !news.is_empty() {
            self.publisher.wake(now);
        }
        for text in news {
            self.journal.tell(&Event::new(Kind::StartEndangered, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_within_a_second_is_not_told_and_what_stays_is_told_once() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let found = |all: &[&str]| all.iter().map(ToString::to_string).collect();
        let mut endangered = Endangered::default();
        for (milliseconds, all, news) in [
            (0, &["half written"][..], &[][..]),
            (500, &["a"], &[]),
            (1000, &["a", "half written"], &[]),
            (1500, &["a"], &["a"]),
            (9000, &["a"], &[]),
            (9100, &[], &[]),
            (9200, &["a"], &[]),
            (10_200, &["a"], &["a"]),
        ] {
            let now = at(milliseconds);
            assert_eq!(endangered.take(&found(all), now), news, "{milliseconds}");
            // Nobody else comes again for what is not told yet.
            assert_eq!(
                endangered.due().is_some(),
                all.len() > endangered.told.len()
            );
        }
    }
}
