//! Lines of a control whose manifests K3s does not deploy: a plugin that admits only what a policy lets through admits nothing
//! where the policies are not laid out.

use crate::catalogue::ControlId;
use crate::k3s::Effective;
use crate::reconcile::service::cluster;
use crate::reconcile::{Refused, RefusedBy};
use crate::setting::configuration::{LeaveOut, Line, Wish};

use super::conditions::Conditions;
use super::draft::Draft;

impl Conditions<'_, '_> {
    /// Why what a control wants in K3s's configuration is not newly written: a manifest of it is not deployed.
    pub(super) fn undeployed(&self, control: &ControlId, line: &Line) -> Option<String> {
        // Without that line K3s cannot read its Secrets.
        if line.is_about_encryption() && self.has_encryption_key() {
            return None;
        }
        let control = self.pass.catalogue.control(control.as_str())?;
        let reason = self.pass.undeployed(control)?;
        Some(format!(
            "{} is only given together with the manifests of its control: {reason}",
            line.what()
        ))
    }
}

impl Draft<'_, '_> {
    /// Refuses the wishes of controls whose manifests are not deployed.
    pub(super) fn refuse_undeployed(&mut self, base: &Effective) {
        let wishes = self.wishes.clone();
        self.wishes = self.deployed(wishes, base, Wish::holds, |wish| wish.line.clone());
    }

    /// What is left of what is wanted out of the operator's lists without what such controls want.
    pub(super) fn leave_outs_deployed(
        &mut self,
        wanted: Vec<(ControlId, LeaveOut)>,
        base: &Effective,
    ) -> Vec<(ControlId, LeaveOut)> {
        let list = |leave_out: &LeaveOut| Line::List {
            option: leave_out.option().to_owned(),
            items: Vec::new(),
        };
        self.deployed(wanted, base, LeaveOut::is_done, list)
    }

    /// What may be wanted all the same: it holds without us, it stays, or all that its control lays out is deployed.
    fn deployed<T>(
        &mut self,
        mut wanted: Vec<(ControlId, T)>,
        base: &Effective,
        holds: impl Fn(&T, &Effective) -> bool,
        line: impl Fn(&T) -> Line,
    ) -> Vec<(ControlId, T)> {
        let now = self.pass.effective().as_ref();
        let holds_now = |one: &T| now.is_ok_and(|now| holds(one, now));
        let mut refused = Vec::new();
        wanted.retain(|(control, one)| {
            let line = line(one);
            if holds(one, base) || self.stays(&line, holds_now(one)) {
                return true;
            }
            let undeployed = self.conditions().undeployed(control, &line);
            let is_kept = undeployed.is_none();
            refused.extend(undeployed.map(|reason| Refused {
                by: RefusedBy::Preflight,
                controls: vec![control.clone()],
                reason,
            }));
            is_kept
        });
        self.refused.extend(refused);
        wanted
    }

    /// Whether a line of ours is there and a cluster lives with it: what it is for was deployed then. Before the first start of a new
    /// cluster nothing was. `holds_now` says whether what is there makes its requirement hold.
    fn stays(&self, line: &Line, holds_now: bool) -> bool {
        let node = self.pass.node;
        let begins =
            node.new_cluster && !cluster::has_data(&self.pass.host.root, &node.places.data_dir);
        let is_it = |earlier: &Line| earlier.what() == line.what() && !self.is_list(line);
        !begins && (holds_now || self.earlier_lines().iter().any(is_it))
    }
}
