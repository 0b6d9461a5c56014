//! What an event says of the control and the finding that it is about.

use crate::catalogue::ControlId;
use crate::reconcile::Judgement;
use crate::report::event::Kind;
use crate::report::journal::Event;
use crate::setting::Finding;

use super::ground::Ground;

/// The control that something is held for, as events name it.
#[derive(Debug)]
pub(super) struct HeldFor {
    pub(super) name: String,
    pub(super) cis: String,
}

impl HeldFor {
    /// The first of the controls that want it.
    pub(super) fn first_of(ground: &Ground, controls: &[ControlId]) -> Self {
        match controls.first() {
            Some(control) => Self {
                name: control.to_string(),
                cis: cis_of(ground, control),
            },
            None => Self::default(),
        }
    }
}

impl Default for HeldFor {
    /// What no control wants is the drop-in that opens our own units' sandbox.
    fn default() -> Self {
        Self {
            name: "(the sandbox of k3warden)".to_owned(),
            cis: String::new(),
        }
    }
}

/// What there is to tell of drift that nobody repairs; nothing where none of it is news. The first of it has come and gone that
/// often, if that is told.
pub(super) fn drift(
    ground: &Ground,
    judgement: &Judgement<'_>,
    news: &[&Finding],
    often: Option<u64>,
) -> Option<Event> {
    let (finding, others) = news.split_first()?;
    let what = &finding.what;
    let mut message = format!("{what} is {}, not {}", finding.observed, finding.wanted);
    if !others.is_empty() {
        message.push_str(&format!("; {} more do not hold", others.len()));
    }
    if !judgement.is_enforced() {
        message.push_str("; the policy only observes this");
    }
    if let Some(times) = often {
        message.push_str(&format!(
            "; it was so {times} times within an hour, and is not told again before it was quiet for one"
        ));
    }
    let event = of_finding(Kind::DriftFound, message, ground, judgement, finding);
    let event = event.values(&finding.wanted, &finding.observed);
    Some(match often {
        Some(times) => event.count(times),
        None => event,
    })
}

/// An event about a finding, with its control, its setting and where it was seen.
pub(super) fn of_finding(
    kind: Kind,
    message: String,
    ground: &Ground,
    judgement: &Judgement<'_>,
    finding: &Finding,
) -> Event {
    let number = cis(ground, judgement).unwrap_or_default();
    Event::new(kind, message)
        .control(judgement.control.id.as_str(), number)
        .setting(&finding.what)
        .source(&finding.seen_at)
}

/// The number of the judged control in the edition of this node.
pub(super) fn cis(ground: &Ground, judgement: &Judgement<'_>) -> Option<String> {
    let edition = ground.pass().edition()?;
    judgement.control.cis.get(edition).map(str::to_owned)
}

/// The number of a control in the edition of this node; empty where it has none.
pub(super) fn cis_of(ground: &Ground, control: &ControlId) -> String {
    let control = ground.catalogue.control(control.as_str());
    let number = control
        .zip(ground.pass().edition())
        .and_then(|(control, edition)| control.cis.get(edition));
    number.unwrap_or_default().to_owned()
}
