//! Taking away what we wrote and what has no place on this node any more: manifests for another release of K3s, and what
//! was written for a new cluster on a node that then joins another.

use crate::catalogue::Control;
use crate::policy::{Decision, Mode, Stance};
use crate::setting::{self, Finding, Outcome};

use super::baseline::{self, Applies};
use super::service::cluster;
use super::{Judgement, Pass, Verdict};

impl<'a> Pass<'a> {
    /// The judgement of a control of which something of ours is to be taken away; `None` for all others.
    pub(super) fn withdrawal(&self, control: &'a Control) -> Option<Judgement<'a>> {
        let reason = self.has_no_place(control)?;
        let settings = control.settings.iter();
        let findings: Vec<Finding> = settings
            .flat_map(|setting| {
                self.with_subject(self.host, Some(control), |subject| {
                    setting::judge_unwanted(&setting.body, subject, &reason)
                })
            })
            .filter(|finding| matches!(finding.outcome, Outcome::Diverges(_)))
            .collect();
        let stance = match self.policy.mode.value {
            Mode::Observe => Stance::Observe,
            Mode::Enforce => Stance::Enforce,
        };
        (!findings.is_empty()).then_some(Judgement {
            control,
            decision: Decision {
                stance,
                place: None,
            },
            verdict: Verdict::Divergent,
            findings,
            note: Some(reason),
        })
    }

    /// Why nothing of ours for this control may be here.
    pub(super) fn has_no_place(&self, control: &Control) -> Option<String> {
        let role = self.node.role.as_ref()?.value;
        if control.role.is_some_and(|wanted| wanted != role) {
            return None;
        }
        // Without a version nothing is known; a node whose K3s is exchanged just now is no reason to take things away.
        self.node.version.as_ref()?;
        match baseline::version(control.k3s, self.node) {
            Applies::No(reason) => Some(reason),
            _ => self
                .was_provisional(control)
                .then(|| "this is not the first server of a new cluster".to_owned()),
        }
    }

    /// Whether a control could only have been enforced for a new cluster, and this node begins none. Once there is data
    /// the workloads live with what is there.
    pub(super) fn was_provisional(&self, control: &Control) -> bool {
        // Where nobody knows what K3s's options are, nobody knows that no cluster begins.
        self.node.configuration_problem.is_none()
            && self.waits_for_the_operator(control)
            && !cluster::has_data(&self.host.root, &self.node.places.data_dir)
    }
}
