//! What the starts before this one tell of what we wrote: proven, or to be put back.

use super::record::invocation;
use super::{Door, WHO, say};
use crate::cli::exit::CliError;
use crate::k3s::Role;
use crate::reconcile::ledger::Ledger;
use crate::reconcile::needs_daemon_reload;
use crate::reconcile::restart::heard::{Ended, Heard, Marker};
use crate::reconcile::restart::own_part::OurPart;
use crate::reconcile::restart::past::{AtTheDoor, Past, past_of};
use crate::reconcile::restart::starts::{StartRecord, Starts, Trust};
use crate::reconcile::service::circumstances::{Candidate, Knowledge, now};
use crate::reconcile::service::part;
use crate::reconcile::service::rollback::{Failure, RollBack, Who, roll_back};

impl Door {
    /// Without a daemon nobody sees a start fail. A part of ours with which two starts of this boot ended by themselves
    /// is put back here.
    pub(super) fn judge_the_past(&mut self, ledger: &mut Ledger) -> Result<(), CliError> {
        let mut knowledge = Knowledge::of(&self.session.host.root)?;
        let present = part::present(&self.session.pass())?;
        let mut starts = Starts::of(&self.session.host.root)?.all(&self.session.host.root);
        starts.retain(|start| Some(&start.invocation) != invocation().as_ref());
        let limit = self.session.policy.restart.settle_limit.value;
        let last = starts.iter().rfind(|start| start.unit == self.unit);
        let lived_on =
            |last: &&StartRecord| self.ready.is_some_and(|ready| last.lived_on(ready, limit));
        let proves = |last: &&StartRecord| last.trust == Trust::Whole && lived_on(last);
        if let Some(last) = last.filter(proves)
            && let Some(part) = Candidate::of(&knowledge.records, &last.invocation)
        {
            knowledge.settled(part, &self.session.pass())?;
        }
        if knowledge.proves(&present) {
            return Ok(());
        }
        let here = now(&self.session.host);
        let door = AtTheDoor {
            unit: &self.unit,
            now: &here,
            restarts: self.restarts,
        };
        match past_of(&present.digest(), &starts, door, limit) {
            Past::Open => Ok(()),
            Past::EndsAlways => self.roll_back(ledger, &knowledge, &present, &starts),
        }
    }

    fn roll_back(
        &mut self,
        ledger: &mut Ledger,
        knowledge: &Knowledge,
        failed: &OurPart,
        starts: &[StartRecord],
    ) -> Result<(), CliError> {
        let heard = self.last_words(starts);
        if let Some(Ended::ServerUnreachable(reason)) = heard.ended() {
            say(&format!(
                "starts ended while they waited for the server, which no change of ours does: {reason}"
            ));
            return Ok(());
        }
        let failure = Failure {
            reason: "two starts with it ended by themselves".to_owned(),
            errors: heard.errors().map(str::to_owned).collect(),
            // The start that has just begun waits for us.
            run: None,
        };
        let who = Who {
            name: WHO,
            patience: self.session.patience(),
        };
        let back = roll_back(&self.session.pass(), ledger, failed, failure, who)?;
        if let RollBack::Done(mut back) = back {
            say(
                "two starts ended by themselves with what k3warden wrote last, so that is put back",
            );
            // systemd starts it right now.
            back.quarantine.restarted = true;
            back.quarantine.save(&knowledge.records)?;
            self.session.look_for_quarantine();
            self.stale_command = needs_daemon_reload(&back.outcomes);
            self.done(ledger, &back.outcomes, &back.kept)?;
        }
        Ok(())
    }

    /// K3s's last words in the newest run that is recorded; none where the journal cannot be read.
    fn last_words(&self, starts: &[StartRecord]) -> Heard {
        let role = self.session.node.role.as_ref().map(|fact| fact.value);
        let marker = (role == Some(Role::Agent)).then_some(Marker::Kubelet);
        let mut heard = Heard::new(marker);
        let last = starts.iter().rfind(|start| start.unit == self.unit);
        if let Some((manager, last)) = self.session.node.surroundings.systemd().zip(last) {
            heard.read(&manager, &last.invocation);
        }
        heard
    }
}
