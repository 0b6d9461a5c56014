//! The last look before K3s starts: the six kernel values while its kubelet asks for them, and nothing of ours that it would
//! not start with.

use super::{Door, alarm, plan_of, say};
use crate::cli::exit::CliError;
use crate::reconcile::ledger::Ledger;
use crate::reconcile::needs_daemon_reload;
use crate::reconcile::restart::own_part::PutBack;
use crate::reconcile::service::circumstances::Knowledge;
use crate::reconcile::service::preflight::{self, Present};
use crate::reconcile::service::way_back::way_back;
use crate::reconcile::service::{kernel, line_out, part, restore};

impl Door {
    /// While the kubelet protects the kernel defaults the six values have to be right, whatever else is left alone.
    pub(super) fn guard_kernel(&mut self, ledger: &mut Ledger) -> Result<(), CliError> {
        let effective = self.session.node.effective(&self.session.host)?;
        let Some(place) = kernel::protected_by(&effective) else {
            return Ok(());
        };
        let (changes, _) = kernel::wrong_values(&self.session.pass());
        if !changes.is_empty() {
            self.carry_out(ledger, plan_of(changes))?;
        }
        let (wrong, left) = kernel::wrong_values(&self.session.pass());
        let names = wrong.iter().map(|planned| planned.change.thing.to_string());
        let names: Vec<String> = names.chain(left).collect();
        if names.is_empty() {
            return Ok(());
        }
        let names = names.join(", ");
        match line_out::without_kernel_protection(&self.session.pass())? {
            Some(back) => {
                say(&format!(
                    "protect-kernel-defaults is taken out, because the kubelet would not start with {names}"
                ));
                self.write(ledger, &back)
            }
            None => {
                alarm(&format!(
                    "{place} sets protect-kernel-defaults and the kubelet will not start with {names}"
                ));
                Ok(())
            }
        }
    }

    /// If K3s would not start because of us, ours is put back to what last worked, or to nothing.
    pub(super) fn guard_start(&mut self, ledger: &mut Ledger) -> Result<(), CliError> {
        let present = part::present(&self.session.pass())?;
        let reasons = match preflight::present(&self.session.pass(), &present) {
            Present::Starts => return Ok(()),
            Present::Unknown(reason) => {
                say(&format!("cannot tell whether K3s will start: {reason}"));
                return Ok(());
            }
            Present::EndsByOperator(reasons) => {
                let reasons = reasons.join("; ");
                alarm(&format!(
                    "K3s will not start, and not because of k3warden: {reasons}"
                ));
                return Ok(());
            }
            Present::EndsByUs(reasons) => reasons.join("; "),
        };
        let knowledge = Knowledge::of(&self.session.host.root)?;
        let pass = self.session.pass();
        let key = part::encryption_key(&pass);
        let back = way_back(&pass, knowledge.good_part(), key)?;
        if back.is_nothing() || !preflight::helps(&pass, &present, &back.part) {
            alarm(&format!(
                "K3s would not start with what k3warden wrote, and what could be put back does not help, since Secrets are \
                 encrypted with the rest or it is what last worked: {reasons}"
            ));
            return Ok(());
        }
        let what = match back.is_last_good {
            true => "what last worked is put back",
            false => "what k3warden wrote is taken out",
        };
        say(&format!(
            "K3s would not start with what k3warden wrote, so {what}: {reasons}"
        ));
        self.write(ledger, &back)
    }

    fn write(&mut self, ledger: &mut Ledger, back: &PutBack) -> Result<(), CliError> {
        let changes = restore::changes(&self.session.host, back)?;
        let outcomes = self.apply_plan(ledger, plan_of(changes));
        self.stale_command |= needs_daemon_reload(&outcomes);
        self.done(ledger, &outcomes, &back.kept)
    }
}
