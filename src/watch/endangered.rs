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
/// And is over once it was not so for this long: what comes back sooner is no news.
const IS_OVER: Duration = Duration::from_secs(60);
/// A burst of changes is looked at once.
const TOGETHER: Duration = Duration::from_secs(1);

/// What endangers the next start.
#[derive(Debug, Default)]
pub(super) struct Endangered {
    /// What the last look found, and since when it is found.
    found: BTreeMap<String, Instant>,
    /// What was told, without lines, which move with every edit above them; and since when it is not so any more.
    told: BTreeMap<String, Option<Instant>>,
    due: Option<Instant>,
}

/// A text without the numbers of lines in it.
fn without_lines(text: &str) -> String {
    let parts = text.split(':');
    let parts = parts.map(|part| part.trim_start_matches(|letter: char| letter.is_ascii_digit()));
    parts.collect::<Vec<_>>().join(":")
}

impl Endangered {
    /// What was told and is still so.
    pub(super) fn told(&self) -> impl Iterator<Item = &String> {
        let found = self.found.keys();
        found.filter(|text| self.told.contains_key(&without_lines(text)))
    }

    /// Takes over what a run of the daemon before this one has told in this boot. A look that does not find it ends that as ever.
    pub(super) fn take_over(&mut self, told: &[String]) {
        let told = told.iter().map(|text| (without_lines(text), None));
        self.told.extend(told);
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
        let is_over = |since: &Instant| now.saturating_duration_since(*since) >= IS_OVER;
        self.told
            .retain(|_, missing| !missing.as_ref().is_some_and(is_over));
        for missing in self.told.values_mut() {
            missing.get_or_insert(now);
        }
        let mut news = Vec::new();
        for text in found {
            let since = *self.found.entry(text.clone()).or_insert(now);
            if let Some(missing) = self.told.get_mut(&without_lines(text)) {
                *missing = None;
            } else if since + STAYS <= now {
                self.told.insert(without_lines(text), None);
                news.push(text.clone());
            } else {
                self.due.get_or_insert(since + STAYS);
            }
        }
        news
    }
}

impl Agent<'_> {
    /// Tells for which line of the operator's own K3s will not start, once until that is over.
    pub(super) fn look_for_endangered_start(&mut self, now: Instant) {
        let pass = self.ground.pass();
        if pass.effective().is_err() {
            // Nobody can tell just now: what was told stays so.
            self.endangered.due = None;
            return;
        }
        // A pause leaves the door what keeps K3s startable; the kill switch, which does not end by itself, nothing.
        let suspension = self.suspension.as_ref();
        let switched_off = suspension.is_some_and(|suspension| suspension.left.is_none());
        let endangered = endangered_by_operator(&pass).into_iter();
        let certain = endangered.filter(|endangered| endangered.is_certain);
        let found = certain.map(|endangered| endangered.text);
        let found = found.chain(next_endings(&pass, switched_off)).collect();
        let known = self.endangered.told().count();
        let news = self.endangered.take(&found, now);
        if known != self.endangered.told().count() || !news.is_empty() {
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
            (10_200, &["a"], &[]),
            (10_300, &["a:17 moved"], &[]),
            (11_400, &["a:17 moved"], &["a:17 moved"]),
            (11_500, &["a:18 moved"], &[]),
            (12_600, &["a:18 moved"], &[]),
            (400_000, &["a:18 moved"], &[]),
            (400_100, &[], &[]),
            (800_000, &["a:18 moved"], &[]),
            (801_000, &["a:18 moved"], &["a:18 moved"]),
        ] {
            let now = at(milliseconds);
            assert_eq!(endangered.take(&found(all), now), news, "{milliseconds}");
            // Nobody else comes again for what is not told yet.
            assert_eq!(
                endangered.due().is_some(),
                all.len() > endangered.told().count()
            );
        }
    }
}
