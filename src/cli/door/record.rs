//! What a start reads, written down for the restart gate and for the next start.

use super::{Door, say};
use crate::cli::exit::CliError;
use crate::host::systemd::InvocationId;
use crate::reconcile::restart::starts::{StartRecord, Starts};
use crate::reconcile::service::circumstances::{Candidate, Knowledge, now};
use crate::reconcile::service::{inputs, part};

impl Door {
    /// Leaves what this start reads for the restart gate and for the next start.
    pub(super) fn record(&self) -> Result<(), CliError> {
        let Some(invocation) = invocation() else {
            return Ok(());
        };
        let session = &self.session;
        let effective = session.node.effective(&session.host)?;
        if let Some(ending) = effective.unsettled() {
            // It ends before it reads a word of ours, and its end says nothing of ours.
            say(&format!(
                "this start is not recorded: K3s would not start: {ending}"
            ));
            return Ok(());
        }
        let part = part::present(&session.pass())?;
        let knowledge = Knowledge::of(&session.host.root)?;
        let ours = part.digest();
        if !knowledge.proves(&part) {
            let invocation = invocation.clone();
            Candidate { invocation, part }.save(&knowledge.records)?;
        }
        let record = StartRecord {
            invocation,
            unit: self.unit.clone(),
            at: now(&session.host),
            restarts: self.restarts,
            ours,
            inputs: inputs::inputs(&session.host, &session.node, &effective)?,
            options: Some(effective.configuration.merge.shown()),
        };
        Starts::of(&session.host.root)?.save(&session.host.root, &record)?;
        Ok(())
    }
}

/// systemd's name for this start (systemd.exec(5), since 232).
fn invocation() -> Option<InvocationId> {
    std::env::var("INVOCATION_ID").ok()?.parse().ok()
}
