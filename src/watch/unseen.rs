//! What is enforced and cannot be looked at: told once for each reason, however many controls have it.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::ControlId;
use crate::reconcile::Judgement;
use crate::report::event::Kind;
use crate::report::journal::Event;
use crate::setting::{Finding, Outcome};

use super::about::of_finding;
use super::ground::Ground;
use super::reason::key;

/// Why something that is enforced cannot be seen, as it was told, and which controls that concerns.
#[derive(Debug, Default)]
pub(super) struct Unseen(BTreeMap<String, BTreeSet<ControlId>>);

impl Unseen {
    /// Why something of it cannot be seen, once for all controls that have this reason, until none has it.
    pub(super) fn judged(&mut self, ground: &Ground, judgement: &Judgement<'_>) -> Option<Event> {
        let id = &judgement.control.id;
        let findings = judgement
            .findings
            .iter()
            .filter(|_| judgement.is_enforced());
        let reasons: BTreeMap<&str, (&Finding, &str)> = findings
            .filter_map(|finding| match &finding.outcome {
                // Each range of releases has a reason of its own then.
                Outcome::Unknown(reason) if ground.node.version.is_none() => {
                    Some(("", (finding, reason.as_str())))
                }
                Outcome::Unknown(reason) => Some((key(reason), (finding, reason.as_str()))),
                _ => None,
            })
            .collect();
        self.0.retain(|reason, controls| {
            if !reasons.contains_key(reason.as_str()) {
                controls.remove(id);
            }
            !controls.is_empty()
        });
        let mut news = None;
        for (known, (finding, reason)) in reasons {
            let controls = self.0.entry(known.to_owned()).or_default();
            if controls.is_empty() {
                news.get_or_insert((finding, reason));
            }
            controls.insert(id.clone());
        }
        let (finding, reason) = news?;
        let what = &finding.what;
        let message = format!("whether {what} is right cannot be seen: {reason}");
        Some(of_finding(
            Kind::Unseen,
            message,
            ground,
            judgement,
            finding,
        ))
    }
}
