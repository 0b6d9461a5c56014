//! What a start reads, written down for the restart gate and for the next start.

use super::{Door, say};
use crate::cli::exit::CliError;
use crate::host::systemd::InvocationId;
use crate::host::{Clock, HostError, SystemClock};
use crate::reconcile::restart::inputs::InputDigest;
use crate::reconcile::restart::own_part::OurPart;
use crate::reconcile::restart::starts::{StartRecord, Starts, Trust};
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
            Starts::of(&session.host.root)?.forget(&invocation)?;
            say(&format!(
                "this start is not recorded: K3s would not start: {ending}"
            ));
            return Ok(());
        }
        let part = part::present(&session.pass())?;
        let record = StartRecord {
            inputs: inputs::inputs(&session.host, &session.node, &effective)?,
            options: Some(effective.configuration.merge.shown()),
            trust: Trust::Whole,
            ..self.beginning(invocation.clone(), &part)
        };
        Starts::of(&session.host.root)?.save(&session.host.root, &record)?;
        // The state directory may be on a disk that takes nothing; what this start reads is known all the same.
        if let Err(error) = self.keep_candidate(Candidate { invocation, part }) {
            say(&format!(
                "what this start proves of k3warden's part will not be known: {error}"
            ));
        }
        Ok(())
    }

    /// Leaves that this start has begun, and with which part of ours: where the time at the door is over before the end, the
    /// door of a start to come still sees that this one ended.
    pub(super) fn record_beginning(&self) -> Result<(), CliError> {
        let (Some(invocation), root) = (invocation(), &self.session.host.root) else {
            return Ok(());
        };
        let part = part::present(&self.session.pass())?;
        Ok(Starts::of(root)?.save(root, &self.beginning(invocation, &part))?)
    }

    fn beginning(&self, invocation: InvocationId, part: &OurPart) -> StartRecord {
        StartRecord {
            invocation,
            unit: self.unit.clone(),
            at: now(&self.session.host),
            awake_seconds: Some(SystemClock.awake().as_secs()),
            restarts: self.restarts,
            ours: part.digest(),
            inputs: InputDigest::default(),
            options: None,
            trust: Trust::DoorUnderWay,
        }
    }

    /// Keeps the part for the time at which this start has proven it.
    fn keep_candidate(&self, candidate: Candidate) -> Result<(), HostError> {
        let knowledge = Knowledge::of(&self.session.host.root)?;
        match knowledge.proves(&candidate.part) {
            true => Ok(()),
            false => candidate.save(&knowledge.records),
        }
    }
}

/// systemd's name for this start (systemd.exec(5), since 232).
pub(super) fn invocation() -> Option<InvocationId> {
    std::env::var("INVOCATION_ID").ok()?.parse().ok()
}
