//! Judging: what a control asks, what the policy says of it, and what is found.

use crate::catalogue::{Control, Setting};
use crate::host::Host;
use crate::policy::Stance;
use crate::reconcile::baseline::{self, Applies};
use crate::reconcile::configuration::unit_override;
use crate::reconcile::{Judgement, Pass, Verdict};
use crate::setting::{self, Finding, Named};

use super::blind::blind;

impl<'a> Pass<'a> {
    /// Judges every control.
    #[must_use]
    pub fn judge(&self) -> Vec<Judgement<'a>> {
        let host = self.host.for_one_look();
        let controls = self.catalogue.controls().iter();
        controls
            .map(|control| self.judge_control_on(&host, control))
            .collect()
    }

    /// Judges one control.
    #[must_use]
    pub fn judge_control(&self, control: &'a Control) -> Judgement<'a> {
        self.judge_control_on(&self.host.for_one_look(), control)
    }

    fn judge_control_on(&self, host: &Host, control: &'a Control) -> Judgement<'a> {
        if let Some(withdrawal) = self.withdrawal(control) {
            return withdrawal;
        }
        let (decision, note) = self.decide(control);
        let mut judgement = Judgement {
            control,
            decision,
            verdict: Verdict::NotApplicable,
            findings: Vec::new(),
            note,
        };
        if decision.stance == Stance::Off {
            judgement.note = Some(match decision.place {
                Some(place) => format!("turned off in {place}"),
                None => "opt-in, and not turned on".to_owned(),
            });
            return judgement;
        }
        match baseline::control(control, self.node) {
            Applies::Yes => {}
            Applies::No(reason) => {
                judgement.note = Some(reason);
                return judgement;
            }
            Applies::Unknown(reason) => {
                judgement.note = Some(reason);
                judgement.verdict = Verdict::Unknown;
                return judgement;
            }
        }
        judgement.findings = self.findings(host, control);
        judgement
            .findings
            .extend(unit_override::stale(self, &control.id));
        judgement.verdict = match (judgement.exception(), Verdict::of(&judgement.findings)) {
            (Some(_), Verdict::Divergent | Verdict::Unknown) => Verdict::Excepted,
            (_, verdict) => verdict,
        };
        judgement
    }

    /// Judges what one setting of a control says about one thing, and looks at nothing else. `None` if the control is
    /// off or does not concern this node.
    #[must_use]
    pub fn judge_named(
        &self,
        control: &'a Control,
        setting: &Setting,
        named: Named<'_>,
    ) -> Option<Judgement<'a>> {
        let (decision, note) = self.decide(control);
        let concerned = decision.stance != Stance::Off
            && baseline::control(control, self.node) == Applies::Yes
            && baseline::version(setting.k3s, self.node) == Applies::Yes
            && self.lacks_a_part(control, &setting.body).is_none();
        if !concerned {
            return None;
        }
        let host = self.host.within_look();
        let findings = self.with_subject(&host, Some(control), |subject| {
            setting::judge_named(&setting.body, subject, named)
        });
        Some(Judgement {
            control,
            decision,
            verdict: Verdict::of(&findings),
            findings,
            note,
        })
    }

    fn findings(&self, host: &Host, control: &Control) -> Vec<Finding> {
        let mut findings = Vec::new();
        for setting in &control.settings {
            match baseline::version(setting.k3s, self.node) {
                Applies::Yes => {
                    if let Some(reason) = self.cannot_judge(control, &setting.body) {
                        findings.push(blind(control, reason));
                        continue;
                    }
                    findings.extend(self.with_subject(host, Some(control), |subject| {
                        setting::judge(&setting.body, subject)
                    }));
                }
                Applies::No(reason) => {
                    findings.extend(self.with_subject(host, Some(control), |subject| {
                        setting::judge_unwanted(&setting.body, subject, &reason)
                    }))
                }
                Applies::Unknown(reason) => findings.push(blind(control, reason)),
            }
        }
        findings
    }
}
