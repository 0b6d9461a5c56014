//! What the daemon knows, put into words and numbers.

use jiff::Timestamp;

use super::agent::Agent;
use crate::reconcile::Verdict;
use crate::report::Summary;
use crate::report::status::{
    Contended, ControlStatus, FORMAT, K3sStatus, Repair, Status, duration,
};

const MINUTE: i64 = 60;

impl Agent<'_> {
    /// Everything that is published.
    #[must_use]
    pub fn status(&self) -> Status {
        let controls = self.records.controls(&self.ground.catalogue);
        let now = Timestamp::now().as_second();
        Status {
            format: FORMAT.to_owned(),
            k3warden_version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            started: self.ran.started,
            sentence: self.sentence_of(&controls),
            suspended: self
                .suspension
                .as_ref()
                .map(|suspension| suspension.published(now)),
            polling: self.eyes.blind().map(str::to_owned),
            ledger_damage: self.told.ledger_damage.clone(),
            refused_policy: self.told.refused_policy.clone(),
            last_full_pass: self.ran.last_full_pass,
            summary: summary(&controls),
            k3s: K3sStatus {
                quarantine: self.quarantine(),
                endangered: self.endangered.told().cloned().collect(),
                ..self.k3s.clone()
            },
            last_repair: self.last_repair.clone(),
            contention: self
                .contention
                .contended()
                .map(|(thing, count)| Contended {
                    thing: thing.to_string(),
                    count,
                    writer: self
                        .fights
                        .get(thing)
                        .and_then(|fight| fight.writer.clone()),
                })
                .collect(),
            lost_events: self.journal.lost(),
            controls,
        }
    }

    /// Why a part of ours is not written again.
    fn quarantine(&self) -> Option<String> {
        let held = self.ground.held.as_ref()?;
        Some(held.quarantine.reason.clone())
    }

    /// The sentence that an operator wants to read.
    #[must_use]
    pub fn sentence(&self) -> String {
        self.sentence_of(&self.records.controls(&self.ground.catalogue))
    }

    /// Whether what is published still says how long ago the last repair was. It gets old without an event.
    pub(super) fn age_of_repair_is_said(&self) -> bool {
        let Some(repair) = &self.last_repair else {
            return true;
        };
        let (seconds, words) = age_of(repair);
        // Seconds that pass are no reason to write two files.
        seconds < MINUTE || self.publisher.has_said(&words)
    }

    fn sentence_of(&self, controls: &[ControlStatus]) -> String {
        let summary = summary(controls);
        let mut parts = vec![format!("{} controls hold", summary.compliant)];
        for (count, word) in [(summary.divergent, "do not"), (summary.unknown, "unknown")] {
            if count > 0 {
                parts.push(format!("{count} {word}"));
            }
        }
        let last_day = controls
            .iter()
            // What holds needs no exception, and is counted as compliant.
            .filter(|control| control.verdict == Verdict::Excepted)
            .filter_map(|control| control.excepted_until.as_deref())
            .min();
        if let Some(last_day) = last_day {
            let until = if summary.excepted > 1 {
                "the first until"
            } else {
                "until"
            };
            parts.push(format!("{} excepted {until} {last_day}", summary.excepted));
        }
        let mut sentence = parts.join(", ");
        if let Some(suspension) = &self.suspension {
            sentence.push_str(&format!("; no repairs: {}", suspension.reason));
        }
        for (is_so, words) in [
            (self.eyes.blind().is_some(), "; polling instead of watching"),
            (
                self.told.refused_policy.is_some(),
                "; new policy refused, the old one in force",
            ),
        ] {
            if is_so {
                sentence.push_str(words);
            }
        }
        match &self.last_repair {
            Some(repair) => sentence.push_str(&format!("; {}", age_of(repair).1)),
            None => sentence.push_str("; no repair so far"),
        }
        match (&self.k3s.pending_restart, self.k3s.in_step) {
            (Some(_), _) => sentence.push_str("; K3s should start again"),
            (None, Some(true)) => sentence.push_str("; K3s in step"),
            (None, _) => {}
        }
        if self.endangered.told().next().is_some() {
            sentence.push_str("; K3s's next start is endangered");
        }
        sentence
    }
}

/// How long ago it was, in seconds and in the words of the sentence.
fn age_of(repair: &Repair) -> (i64, String) {
    let seconds = Timestamp::now().as_second().saturating_sub(repair.at);
    (seconds, format!("last repair {} ago", duration(seconds)))
}

fn summary(controls: &[ControlStatus]) -> Summary {
    let count = |verdict| {
        let has = |control: &&ControlStatus| control.verdict == verdict;
        controls.iter().filter(has).count()
    };
    Summary {
        compliant: count(Verdict::Compliant),
        divergent: count(Verdict::Divergent),
        excepted: count(Verdict::Excepted),
        not_applicable: count(Verdict::NotApplicable),
        unknown: count(Verdict::Unknown),
    }
}
