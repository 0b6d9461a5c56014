//! What the daemon remembers of each control between two looks: the answer, how often it was repaired, and what the
//! operator was told already.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::catalogue::{Catalogue, ControlId};
use crate::host::Thing;
use crate::reconcile::{Judgement, Refused, RefusedBy, Verdict};
use crate::report::Enforcement;
use crate::report::event::Kind;
use crate::report::journal::Event;
use crate::report::status::{ControlStatus, Status};
use crate::setting::{Finding, Outcome, Remedy};

use super::about::{HeldFor, cis, drift, of_finding};
use super::flaps::{Flaps, Say};
use super::ground::Ground;
use super::reason::key;
use super::unseen::Unseen;
use super::work::Done;

/// What is remembered of every control.
#[derive(Debug, Default)]
pub struct Records {
    controls: BTreeMap<ControlId, Record>,
    /// Why a thing could not be repaired, by what makes it the same reason.
    failed: BTreeMap<Thing, String>,
    /// Things that somebody else changed just before the last repair of them. The event of that has them looked at again.
    overtaken: BTreeSet<Thing>,
    unseen: Unseen,
    /// Refusals that were told, by the first control that each is about, and whether it is about that one alone.
    refused: BTreeMap<Option<ControlId>, BTreeMap<String, bool>>,
}

#[derive(Debug, Default, Clone)]
struct Record {
    seen: Option<ControlStatus>,
    repairs: u64,
    /// Drift that nobody repairs, as it was told: by what it is about.
    told: BTreeSet<String>,
    flaps: Flaps,
}

impl Records {
    /// Takes over the counts that an earlier run of the daemon in this boot has published.
    pub fn take_over(&mut self, earlier: &Status) {
        for control in &earlier.controls {
            if let Some(id) = ControlId::parse(&control.id) {
                self.controls.entry(id).or_default().repairs = control.repairs;
            }
        }
    }

    /// Forgets controls that a new catalogue does not have, and tells again of what is still open.
    pub fn follow(&mut self, catalogue: &Catalogue) {
        self.controls
            .retain(|id, _| catalogue.control(id.as_str()).is_some());
        self.controls
            .values_mut()
            .for_each(|record| (record.told, record.flaps) = Default::default());
        self.failed.clear();
        self.overtaken.clear();
        self.unseen = Unseen::default();
        self.refused.clear();
    }

    /// Takes note of an answer about a whole control. Drift that nobody repairs is told once, until it holds again.
    pub fn judged(
        &mut self,
        ground: &Ground,
        judgement: &Judgement<'_>,
        tied: bool,
        now: Instant,
    ) -> Option<Event> {
        let record = self
            .controls
            .entry(judgement.control.id.clone())
            .or_default();
        let mut status = status(ground, judgement);
        status.repairs = record.repairs;
        record.seen = Some(status);
        let is_open = |finding: &&Finding| {
            matches!(finding.outcome, Outcome::Diverges(_)) || finding.outcome.is_unknown()
        };
        let open = judgement.findings.iter().filter(is_open);
        let open: BTreeSet<&str> = open.map(|finding| finding.what.as_str()).collect();
        record.told.retain(|what| open.contains(what.as_str()));
        if judgement.verdict == Verdict::Compliant
            && let Some(told) = self.refused.get_mut(&Some(judgement.control.id.clone()))
        {
            // One about others too, or a part of ours that K3s did not live with, is not over because this one holds.
            told.retain(|_, alone| !*alone);
        }
        if judgement.is_enforced()
            && !tied
            && let Some(event) = record.hindered(ground, judgement)
        {
            return Some(event);
        }
        let unseen = self.unseen.judged(ground, judgement);
        if judgement.verdict != Verdict::Divergent {
            return unseen;
        }
        let record = self.controls.get_mut(&judgement.control.id)?;
        let ours = |remedy: &Remedy| !matches!(remedy, Remedy::ByOperator);
        let repaired = judgement.is_enforced() && !tied && judgement.remedies().any(ours);
        // What is repaired, or cannot be, is told as that.
        if repaired {
            return None;
        }
        record.drifts(ground, judgement, now)
    }

    /// Whether a control was found to hold when it was last judged as a whole.
    #[must_use]
    pub fn is_settled(&self, control: &ControlId) -> bool {
        let record = self.controls.get(control);
        let seen = record.and_then(|record| record.seen.as_ref());
        seen.is_some_and(|seen| seen.verdict == Verdict::Compliant)
    }

    /// The enforced controls that do not hold or cannot be seen, by their places in the catalogue.
    #[must_use]
    pub fn open(&self, catalogue: &Catalogue) -> BTreeSet<usize> {
        let is_open = |control: &ControlStatus| {
            matches!(control.verdict, Verdict::Divergent | Verdict::Unknown)
                && control.enforcement == Enforcement::Enforce
        };
        let seen = |id: &ControlId| self.controls.get(id)?.seen.as_ref();
        let controls = catalogue.controls().iter().enumerate();
        controls
            .filter(|(_, control)| seen(&control.id).is_some_and(is_open))
            .map(|(place, _)| place)
            .collect()
    }

    /// Takes note of a change; the event to tell, if it is news.
    pub fn done(&mut self, ground: &Ground, done: &Done) -> Option<Event> {
        let kind = match &done.result {
            Ok(()) => {
                self.failed.remove(&done.thing);
                self.overtaken.remove(&done.thing);
                for id in &done.controls {
                    let record = self.controls.entry(id.clone()).or_default();
                    record.repairs += 1;
                    if let Some(seen) = &mut record.seen {
                        seen.repairs = record.repairs;
                    }
                }
                Kind::Repaired
            }
            Err(_) if done.overtaken && self.overtaken.insert(done.thing.clone()) => return None,
            Err(error) => {
                let told = self
                    .failed
                    .insert(done.thing.clone(), key(error).to_owned());
                if told.as_deref() == Some(key(error)) {
                    return None;
                }
                match done.controls.is_empty() {
                    true => Kind::Hindered,
                    false => Kind::RepairFailed,
                }
            }
        };
        let Done {
            thing,
            observed,
            wanted,
            left_in_cluster,
            ..
        } = done;
        let message = match &done.result {
            Ok(()) => stays_in_cluster(format!("{thing}: {observed} → {wanted}"), left_in_cluster),
            Err(error) => error.clone(),
        };
        let control = HeldFor::first_of(ground, &done.controls);
        let change = done.change_id.map(|id| id.to_string());
        let event = Event::new(kind, message)
            .control(control.name, control.cis)
            .setting(thing.to_string())
            .values(wanted, observed)
            .source(&done.source)
            .change(change.unwrap_or_else(|| "(not recorded)".to_owned()));
        Some(event)
    }

    /// Takes note of what was refused; news only.
    pub fn refused(&mut self, ground: &Ground, refused: &Refused) -> Option<Event> {
        let control = refused.controls.first().cloned();
        let told = self.refused.entry(control.clone()).or_default();
        let alone = refused.controls.len() == 1 && refused.by != RefusedBy::Quarantine;
        if told
            .insert(key(&refused.reason).to_owned(), alone)
            .is_some()
        {
            return None;
        }
        let kind = match (refused.by, refused.controls.is_empty()) {
            (RefusedBy::Preflight | RefusedBy::Quarantine, _) => Kind::PreflightRefused,
            (RefusedBy::Host, false) => Kind::RepairFailed,
            (RefusedBy::Host, true) => Kind::Hindered,
        };
        let control = HeldFor::first_of(ground, &refused.controls);
        let event = Event::new(kind, refused.reason.as_str()).control(control.name, control.cis);
        Some(event)
    }

    /// Everything was looked at, and this is all that is refused now: what is refused again later is news.
    pub fn refused_now(&mut self, all: &[Refused]) {
        for (control, told) in &mut self.refused {
            told.retain(|reason, _| {
                let is_this = |refused: &Refused| {
                    refused.controls.first() == control.as_ref() && key(&refused.reason) == reason
                };
                all.iter().any(is_this)
            });
        }
        self.refused.retain(|_, told| !told.is_empty());
    }

    /// Every control that is looked at, in the order of the catalogue.
    #[must_use]
    pub fn controls(&self, catalogue: &Catalogue) -> Vec<ControlStatus> {
        catalogue
            .controls()
            .iter()
            .filter_map(|control| self.controls.get(&control.id)?.seen.clone())
            .filter(|control| control.enforcement != Enforcement::Off)
            .collect()
    }
}

impl Record {
    /// Drift that nobody repairs, once for each thing until it holds again, and not each time of what comes and goes.
    fn drifts(
        &mut self,
        ground: &Ground,
        judgement: &Judgement<'_>,
        now: Instant,
    ) -> Option<Event> {
        let diverges = |finding: &&Finding| matches!(finding.outcome, Outcome::Diverges(_));
        let mut news: Vec<&Finding> = Vec::new();
        let mut often = None;
        for finding in judgement.findings.iter().filter(diverges) {
            if !self.told.insert(finding.what.clone()) {
                continue;
            }
            match self.flaps.diverges(&finding.what, now) {
                Say::It => news.push(finding),
                Say::Often(times) => {
                    often = Some(times);
                    news.insert(0, finding);
                }
                Say::Nothing => {}
            }
        }
        drift(ground, judgement, &news, often)
    }

    /// What stands in the way of repairs, once for each thing until it holds again. It is seen before anything is tried, so that no
    /// change fails on it.
    fn hindered(&mut self, ground: &Ground, judgement: &Judgement<'_>) -> Option<Event> {
        let findings = judgement.findings.iter().filter_map(|finding| {
            let Outcome::Untouched(hindrance) = &finding.outcome else {
                return None;
            };
            Some((finding, hindrance.as_str()))
        });
        let news: Vec<(&Finding, &str)> = findings
            .filter(|(finding, _)| !self.told.contains(&finding.what))
            .collect();
        let ((finding, hindrance), others) = news.split_first()?;
        let what = &finding.what;
        let mut message = format!("{what} is left untouched: {hindrance}");
        if !others.is_empty() {
            message.push_str(&format!("; {} more are hindered", others.len()));
        }
        let event = of_finding(Kind::RepairFailed, message, ground, judgement, finding);
        self.told
            .extend(news.iter().map(|(finding, _)| finding.what.clone()));
        Some(event.values(&finding.wanted, &finding.observed))
    }
}

fn status(ground: &Ground, judgement: &Judgement<'_>) -> ControlStatus {
    let open = judgement.findings.iter().filter(|finding| {
        matches!(finding.outcome, Outcome::Diverges(_)) || finding.outcome.is_unknown()
    });
    let exception = judgement.exception();
    let ends = exception.and_then(|exception| {
        let day = exception.expires.tomorrow().ok()?;
        let end = day.to_zoned(jiff::tz::TimeZone::system()).ok()?;
        Some(end.timestamp().as_second())
    });
    ControlStatus {
        id: judgement.control.id.to_string(),
        cis: cis(ground, judgement),
        enforcement: judgement.decision.stance.into(),
        verdict: judgement.verdict,
        // What it is about, never what was seen there: the file is for everyone.
        open: open.map(|finding| finding.what.clone()).collect(),
        unseen: judgement.has_unknown(),
        excepted_until: exception.map(|exception| exception.expires.to_string()),
        exception_ends: ends,
        repairs: 0,
    }
}

/// With what a manifest that went has put into the cluster, and how to take it away there.
pub(super) fn stays_in_cluster(message: String, commands: &[String]) -> String {
    match commands {
        [] => message,
        commands => format!(
            "{message}; what it made stays in the cluster, to remove it: {}",
            commands.join("; ")
        ),
    }
}
