//! The report of one pass: the node, every control and what was seen.

use serde::Serialize;

use crate::node::Surroundings;
use crate::policy::{Mode, Policy, Stance};
use crate::reconcile::{Judgement, Pass, Refused, Verdict, enforcing_line};
use crate::setting::{Finding, Outcome, Remedy};

use super::{Enforcement, warnings};

/// The name of the report's format; a field is only ever added within one version.
const FORMAT: &str = "k3warden.check/v1";

/// The report of one pass.
#[derive(Debug, Clone, Serialize)]
pub struct Assessment {
    /// Format and its version.
    pub format: &'static str,
    /// The k3warden that made it.
    pub k3warden_version: &'static str,
    /// The node.
    pub node: NodeReport,
    /// The CIS edition of the numbers.
    pub cis_edition: Option<String>,
    /// SHA-256 of the catalogue.
    pub catalogue_digest: String,
    /// SHA-256 of the policy files.
    pub policy_digest: String,
    /// What is no verdict and yet worth knowing: exceptions that end, what K3s would end on or pass over.
    pub warnings: Vec<String>,
    /// How many of each verdict.
    pub summary: Summary,
    /// Every control.
    pub controls: Vec<ControlReport>,
}

/// What the node is.
#[derive(Debug, Clone, Serialize)]
pub struct NodeReport {
    /// A name for this node that gives nothing away: derived from its machine id.
    pub id: Option<String>,
    /// `machine`, `container`, `chroot` or `image`.
    pub surroundings: Surroundings,
    /// `server` or `agent`.
    pub role: Option<String>,
    /// Where the role was found.
    pub role_source: Option<String>,
    /// K3s's version.
    pub k3s_version: Option<String>,
    /// The unit that runs K3s.
    pub unit: Option<String>,
    /// `sqlite`, `etcd` or `external`.
    pub datastore: Option<String>,
    /// K3s's data directory.
    pub data_dir: String,
}

/// How many controls have which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Summary {
    /// Observed to hold.
    pub compliant: usize,
    /// Observed not to hold.
    pub divergent: usize,
    /// Accepted by the operator.
    pub excepted: usize,
    /// Of no concern here.
    pub not_applicable: usize,
    /// Could not be observed.
    pub unknown: usize,
}

/// One control.
#[derive(Debug, Clone, Serialize)]
pub struct ControlReport {
    /// Its name.
    pub id: String,
    /// The state that should hold.
    pub title: String,
    /// Recommendation numbers in the report's CIS edition.
    pub cis: Option<String>,
    /// How far it is taken.
    pub enforcement: Enforcement,
    /// The answer.
    pub verdict: Verdict,
    /// Why it does not apply, cannot be known or is only observed.
    pub note: Option<String>,
    /// What an apply would leave as it is, why, and the mend.
    pub refused: Vec<String>,
    /// The exception in force.
    pub exception: Option<ExceptionReport>,
    /// What was observed.
    pub findings: Vec<FindingReport>,
}

/// That the operator accepts a divergence.
#[derive(Debug, Clone, Serialize)]
pub struct ExceptionReport {
    /// The last day, in local time.
    pub expires: String,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
}

/// One observation.
#[derive(Debug, Clone, Serialize)]
pub struct FindingReport {
    /// The thing.
    pub what: String,
    /// What it should be.
    pub wanted: String,
    /// What it is.
    pub observed: String,
    /// Where that was seen.
    pub seen_at: String,
    /// The comparison.
    pub verdict: Verdict,
    /// Why it does not apply or could not be observed.
    pub reason: Option<String>,
}

impl Assessment {
    /// The report of a pass.
    #[must_use]
    pub fn of(pass: &Pass<'_>, judgements: &[Judgement<'_>], node_id: Option<String>) -> Self {
        let edition = pass.edition();
        let node = pass.node;
        Self {
            format: FORMAT,
            k3warden_version: env!("CARGO_PKG_VERSION"),
            node: NodeReport {
                id: node_id,
                surroundings: node.surroundings,
                role: node.role.as_ref().map(|fact| fact.value.to_string()),
                role_source: node.role.as_ref().map(|fact| fact.source.clone()),
                k3s_version: node.version.as_ref().map(|fact| fact.value.to_string()),
                unit: node.places.unit.clone(),
                datastore: node.datastore.map(|datastore| datastore.to_string()),
                data_dir: node.places.data_dir.display().to_string(),
            },
            cis_edition: edition.map(str::to_owned),
            catalogue_digest: pass.catalogue.digest().to_owned(),
            policy_digest: pass.policy.digest().to_owned(),
            warnings: warnings::of(pass, judgements),
            summary: Summary::of(judgements),
            controls: judgements
                .iter()
                .map(|judgement| control(pass, judgement, edition))
                .collect(),
        }
    }

    /// With what an apply would refuse, below the controls that stay divergent for it.
    #[must_use]
    pub fn with_refused(mut self, refused: &[Refused]) -> Self {
        for control in &mut self.controls {
            let its = refused
                .iter()
                .filter(|refused| refused.controls.iter().any(|id| id.as_str() == control.id));
            control
                .refused
                .extend(its.map(|refused| refused.reason.clone()));
        }
        self
    }
}

impl Summary {
    /// Counts verdicts.
    #[must_use]
    pub fn of(judgements: &[Judgement<'_>]) -> Self {
        let mut summary = Self::default();
        for judgement in judgements {
            *match judgement.verdict {
                Verdict::Compliant => &mut summary.compliant,
                Verdict::Divergent => &mut summary.divergent,
                Verdict::Excepted => &mut summary.excepted,
                Verdict::NotApplicable => &mut summary.not_applicable,
                Verdict::Unknown => &mut summary.unknown,
            } += 1;
        }
        summary
    }
}

/// Why a control that does not hold is left so, and what makes it enforced; nothing where the whole node is observed,
/// which is said once.
fn only_observed(policy: &Policy, judgement: &Judgement<'_>) -> Option<String> {
    let decision = judgement.decision;
    if decision.stance != Stance::Observe || judgement.verdict != Verdict::Divergent {
        return None;
    }
    match decision.place {
        Some(place) if policy.mode.place.as_ref() == Some(place) => None,
        Some(place) => Some(format!("only observed: {place}")),
        None if policy.mode.value == Mode::Observe => None,
        None => Some(format!(
            "only observed, as the catalogue has it: enforced with {}, above the tables of the policy",
            enforcing_line(&judgement.control.id)
        )),
    }
}

/// What of an enforced control nobody but the operator changes: there is no value of ours for it.
fn left_to_operator(pass: &Pass<'_>, judgement: &Judgement<'_>) -> Vec<String> {
    let is_left = |finding: &&Finding| {
        matches!(&finding.outcome, Outcome::Diverges(remedies)
            if remedies.iter().all(|remedy| *remedy == Remedy::ByOperator))
    };
    let findings = judgement
        .findings
        .iter()
        .filter(|_| judgement.is_enforced());
    let mut settings = judgement.control.settings.iter();
    let leaves_out = settings.any(|setting| setting.body.leaves_out());
    let way = match judgement.decision.place {
        None if leaves_out => format!(
            "; with {} in the policy it is left out of your list",
            enforcing_line(&judgement.control.id)
        ),
        _ => String::new(),
    };
    findings
        .filter(is_left)
        .map(|finding| match finding.seen_at.as_str() {
            "" => format!("{} is left to you", finding.what),
            place if *place == finding.what => format!("{place} is left to you"),
            place => {
                let way = given_by_another(pass, judgement, &finding.what).unwrap_or(way.clone());
                format!("{} is left to you: {place} decides it{way}", finding.what)
            }
        })
        .collect()
}

/// How it comes to be given where that is for another control, which is only observed.
fn given_by_another(pass: &Pass<'_>, judgement: &Judgement<'_>, what: &str) -> Option<String> {
    let controls = pass.catalogue.controls().iter();
    let mut others = controls.filter(|other| {
        let mut wishes = pass.wishes(other).into_iter();
        let decision = pass.decide(other).0;
        other.id != judgement.control.id
            && decision.stance == Stance::Observe
            && wishes.any(|wish| wish.line.what() == what)
    });
    let other = &others.next()?.id;
    Some(format!(
        ", and the control {other}, which would give it, is only observed; with {} in the policy it is given",
        enforcing_line(other)
    ))
}

fn control(pass: &Pass<'_>, judgement: &Judgement<'_>, edition: Option<&str>) -> ControlReport {
    let control = judgement.control;
    ControlReport {
        id: control.id.to_string(),
        title: control.title.to_string(),
        cis: edition
            .and_then(|edition| control.cis.get(edition))
            .map(str::to_owned),
        enforcement: judgement.decision.stance.into(),
        verdict: judgement.verdict,
        note: judgement
            .note
            .clone()
            .or_else(|| only_observed(pass.policy, judgement)),
        refused: left_to_operator(pass, judgement),
        exception: judgement.exception().map(|exception| ExceptionReport {
            expires: exception.expires.to_string(),
            owner: exception.owner.clone(),
            reason: exception.reason.clone(),
        }),
        findings: judgement.findings.iter().map(finding).collect(),
    }
}

fn finding(finding: &Finding) -> FindingReport {
    let (verdict, reason) = match &finding.outcome {
        Outcome::Holds => (Verdict::Compliant, None),
        Outcome::Diverges(_) => (Verdict::Divergent, None),
        Outcome::NotApplicable(reason) => (Verdict::NotApplicable, Some(reason.clone())),
        Outcome::Unknown(reason) => (Verdict::Unknown, Some(reason.clone())),
        Outcome::Untouched(reason) => (Verdict::Unknown, Some(format!("left untouched: {reason}"))),
    };
    FindingReport {
        what: finding.what.clone(),
        wanted: finding.wanted.clone(),
        observed: finding.observed.clone(),
        seen_at: finding.seen_at.clone(),
        verdict,
        reason,
    }
}
