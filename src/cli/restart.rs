//! The restart of K3s that an operator asks for by hand: through the gate's checks, and followed until it has settled.

use std::path::Path;
use std::time::Duration;

use super::Exit;
use super::exit::CliError;
use super::session::Session;
use crate::host::systemd::{ServiceError, ServiceManager, Systemd, UnitName};
use crate::host::{Interrupt, SystemClock};
use crate::reconcile::ledger::Ledger;
use crate::reconcile::restart::gate::{Brake, Gate, Life, Wanted};
use crate::reconcile::restart::heard::Heard;
use crate::reconcile::restart::history::History;
use crate::reconcile::restart::inputs::sentence;
use crate::reconcile::restart::origin::Cause;
use crate::reconcile::restart::settle::{LOOK_INTERVAL, Settling};
use crate::reconcile::restart::standing::Standing;
use crate::reconcile::restart::starts::{Starts, Trust};
use crate::reconcile::service::circumstances::{Knowledge, now};
use crate::reconcile::service::rollback::{RollBack, RolledBack, roll_back};
use crate::reconcile::service::standing::{self, Asked};
use crate::reconcile::service::start::Start;
use crate::reconcile::service::stay::Running;
use crate::report::describe;

const WHO: &str = "k3warden apply --restart";

/// K3s's unit on the machine that runs.
pub(super) struct Service {
    manager: Systemd,
    unit: UnitName,
}

impl Service {
    /// `None` where there is no systemd, or no unit of K3s: an image, a container.
    pub(super) fn of(session: &Session) -> Option<Self> {
        let unit = session.node.places.unit.as_ref()?.parse().ok()?;
        let manager = session.node.surroundings.systemd()?;
        Some(Self { manager, unit })
    }

    /// What the running K3s read differently from what is on disk, in words; `None` if nothing is known to differ.
    pub(super) fn pending(&self, session: &Session) -> Option<String> {
        let status = self.manager.show(&self.unit).ok()?;
        let look = standing::look(&session.pass(), &self.unit, &status);
        match (look.life, look.standing) {
            (Life::Running | Life::Starting(_), Standing::Differs(_, differences)) => {
                Some(sentence(&differences))
            }
            _ => None,
        }
    }

    /// Whether the running K3s was started with a file.
    pub(super) fn reads(&self, session: &Session, path: &Path) -> Running {
        let Ok(status) = self.manager.show(&self.unit) else {
            return Running::Unknown;
        };
        if standing::life(&status) == Life::Stopped {
            return Running::Nothing;
        }
        let Some(run) = &status.invocation else {
            return Running::Unknown;
        };
        let root = &session.host.root;
        let door = Starts::of(root).ok().and_then(|starts| starts.load(run));
        match door {
            Some(record) if record.inputs.reads(path) => return Running::Reads,
            Some(record) if record.trust == Trust::Whole => return Running::ReadsNot,
            _ => {}
        }
        let mut heard = Heard::new(None);
        heard.read(&self.manager, run);
        let name = path.to_string_lossy();
        let named = |argument: &String| argument.ends_with(&*name);
        match heard.arguments() {
            none if none.is_empty() => Running::Unknown,
            all if all.values().flatten().any(named) => Running::Reads,
            _ => Running::ReadsNot,
        }
    }

    /// Restarts K3s if the gate lets it, and waits until it has settled.
    pub(super) fn restart(
        &self,
        session: &mut Session,
        ledger: &mut Ledger,
        interrupt: &Interrupt,
    ) -> Result<Exit, CliError> {
        let status = self.manager.show(&self.unit)?;
        let look = standing::look(&session.pass(), &self.unit, &status);
        let asked = Asked {
            wanted: Some(Wanted::ByHand),
            cause: Cause::Controls,
            wanted_for: Duration::ZERO,
            quiet_for: Duration::MAX,
            settling: false,
            brake: &Brake::Free,
        };
        let why = match standing::ask(&session.pass(), &look, &asked) {
            Gate::Now { why } => why,
            Gate::NotNeeded => {
                eprintln!("K3s is not restarted: it reads nothing else than it did.");
                return Ok(Exit::Holds);
            }
            Gate::Unknown { why } => {
                eprintln!("K3s is not restarted: {why}.");
                return Ok(Exit::Unable);
            }
            Gate::Refused { why } | Gate::Pending { why } | Gate::HeldUntil { why, .. } => {
                eprintln!("K3s is not restarted: {why}.");
                return Ok(Exit::DoesNotHold);
            }
        };
        eprintln!("Restarting {}: {why}.", self.unit);
        let mut start = Start::after_restart(&session.pass(), self.unit.clone(), status.invocation);
        self.ask_for_restart(session)?;
        let settling = self.follow(&mut start, interrupt)?;
        start.looked(&session.pass());
        self.ended(session, ledger, &start, settling)
    }

    /// Notes the restart before it is asked for; one that systemd does not take is none.
    fn ask_for_restart(&self, session: &Session) -> Result<(), CliError> {
        let records = Knowledge::of(&session.host.root)?.records;
        let moment = now(&session.host);
        let mut history = History::load(&records, &moment);
        history.note(&records, moment)?;
        let asked = self.manager.restart(&self.unit);
        if asked.as_ref().is_err_and(ServiceError::is_refusal) {
            history.note_refusal(&records)?;
        }
        Ok(asked?)
    }

    /// What the start has come to.
    fn ended(
        &self,
        session: &mut Session,
        ledger: &mut Ledger,
        start: &Start,
        settling: Settling,
    ) -> Result<Exit, CliError> {
        match settling {
            Settling::Settled { ready: true, .. } => {
                eprintln!("K3s has settled.");
                // It proves nothing that it has not read.
                start.proves(&session.pass())?;
                Ok(Exit::Holds)
            }
            Settling::Settled { .. } => {
                eprintln!("K3s lives and is still not ready; nothing is known of it yet.");
                Ok(Exit::DoesNotHold)
            }
            Settling::Failed { reason } => self.failed(session, ledger, start, reason),
            Settling::Broken { reason } => {
                eprintln!("Nobody knows whether K3s settles: {reason}.");
                Ok(Exit::Unable)
            }
            Settling::Waiting { what_for, .. } => {
                eprintln!("Ended while waiting for {what_for}.");
                Ok(Exit::Unable)
            }
        }
    }

    fn follow(&self, start: &mut Start, interrupt: &Interrupt) -> Result<Settling, CliError> {
        let mut said = "";
        let mut pause = LOOK_INTERVAL;
        loop {
            std::thread::sleep(std::mem::replace(&mut pause, LOOK_INTERVAL));
            // systemd may be busy; it is asked again.
            let answer = start.look(&self.manager, &SystemClock);
            match answer {
                Ok(Settling::Waiting { what_for, again }) if !interrupt.is_wanted() => {
                    pause = again;
                    if said != what_for {
                        eprintln!("Waiting for {what_for}.");
                        said = what_for;
                    }
                }
                Ok(decided) => return Ok(decided),
                Err(error) if interrupt.is_wanted() => return Err(error.into()),
                Err(_) => {}
            }
        }
    }

    fn failed(
        &self,
        session: &mut Session,
        ledger: &mut Ledger,
        start: &Start,
        reason: String,
    ) -> Result<Exit, CliError> {
        let failure = start.failure(reason);
        eprintln!("K3s ended: {}.", failure.reason);
        for error in &failure.errors {
            eprintln!("  {error}");
        }
        let Some(part) = start.part_read(&session.host.root) else {
            eprintln!(
                "Nobody knows what it had read of k3warden's, so nothing is put back; `k3warden diff` has what is on disk."
            );
            return Ok(Exit::Unable);
        };
        let who = session.who(WHO);
        let mut back = match roll_back(&session.pass(), ledger, &part, failure, who)? {
            RollBack::Done(back) => back,
            RollBack::Already(_) => {
                eprintln!("The daemon or K3s's door has put back what worked before already.");
                return Ok(Exit::Unable);
            }
            RollBack::NotOurs => {
                eprintln!("What k3warden wrote has worked before, so nothing is put back.");
                return Ok(Exit::Unable);
            }
        };
        print(&back);
        let outcomes = back.outcomes.iter();
        session.read_units_again(outcomes.map(|outcome| &outcome.planned.change.thing));
        let knowledge = Knowledge::of(&session.host.root)?;
        back.quarantine.restarted = true;
        back.quarantine.save(&knowledge.records)?;
        let status = self.manager.show(&self.unit)?;
        if !status.is_auto_restart() {
            self.manager.restart(&self.unit)?;
        }
        eprintln!(
            "K3s starts again with what worked before. `k3warden retry` tries the change once more."
        );
        Ok(Exit::Unable)
    }
}

fn print(back: &RolledBack) {
    for outcome in &back.outcomes {
        let change = &outcome.planned.change;
        match &outcome.result {
            Ok(()) => eprintln!("put back {}: {}", change.thing, describe(&change.after)),
            Err(error) => eprintln!("not put back: {error}"),
        }
    }
    for line in &back.kept {
        eprintln!("`{line}` stays: Secrets are encrypted with it.");
    }
}
