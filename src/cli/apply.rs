//! `k3warden apply`: make the enforced controls hold, once.

use clap::Args;

use super::exit::CliError;
use super::restart::Service;
use super::session::Session;
use super::{Exit, Format, Global, check, door, revert};
use crate::host::Interrupt;
use crate::reconcile::ledger::Ledger;
use crate::reconcile::service::directory_time::Before;
use crate::reconcile::service::{cluster, last_data_dir};
use crate::reconcile::{
    Judgement, Outcome, Pass, Plan, Refused, Verdict, apply, give_back, running,
};

use crate::report::{AppliedReport, Listed, to_json};

/// Who we are, for others that wait for the lock.
const WHO: &str = "k3warden apply";

/// Make the enforced controls hold, once.
#[derive(Debug, Default, Args)]
pub struct Apply {
    /// How to write what was done.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// K3s's door: make right what the start of UNIT reads, within seconds, and never fail. For systemd.
    #[arg(long, value_name = "UNIT")]
    before_start: Option<String>,
    /// Restart K3s if it has not read what is on disk, and wait until it has settled.
    #[arg(long, conflicts_with = "before_start")]
    restart: bool,
}

impl Apply {
    pub(super) fn run(self, global: &Global) -> Result<Exit, CliError> {
        if let Some(unit) = &self.before_start {
            door::pass(global, unit);
            return Ok(Exit::Holds);
        }
        let mut session = Session::open(global)?;
        if let Some(switch) = session.kill_switch()? {
            eprintln!("k3warden: nothing is changed: {switch}");
            if self.format == Format::Json {
                let pass = session.pass();
                self.report(&session, &pass, &pass.judge(), (&[], &[]));
            }
            return Ok(Exit::Holds);
        }
        session.require_root(WHO)?;
        let interrupt = Interrupt::catch()?;
        let mut ledger = session.open_ledger(WHO)?;
        session.sweep(WHO)?;
        session.note_encryption(&mut ledger, WHO)?;
        let (plan, directory) = {
            let (pass, judgements, plan) = looked_at(&session);
            let given_back = give_back::turned_off(&pass, &mut ledger, session.who(WHO))?;
            if plan.is_empty() && given_back.is_empty() && !self.restart {
                // Nothing changes, so what was judged still is.
                let exit = self.report(&session, &pass, &judgements, (&[], &plan.refused));
                return Ok(with_pending(Service::of(&session), &session, exit));
            }
            let directory = keep(&session, &pass, &mut ledger)?;
            (plan, directory)
        };
        let refused = plan.refused.clone();
        let stop = || interrupt.is_wanted();
        let outcomes = apply(&session.host, &mut ledger, plan, WHO, &stop);
        if let Some(directory) = directory {
            // Not kept, revert leaves the time of its own change.
            let _ = directory.made(&session.host.root);
        }
        let made = outcomes.iter().filter(|outcome| outcome.result.is_ok());
        if session.read_units_again(made.map(|outcome| &outcome.planned.change.thing)) {
            session = Session::open(global)?;
        }
        let mut session = session.seen_again(&mut ledger)?;
        let failed = give_back_turned_off(&session, &mut ledger, &stop)?;
        session = session.seen_again(&mut ledger)?;
        let service = Service::of(&session);
        let mut restarted = Exit::Holds;
        if let Some(service) = service
            .as_ref()
            .filter(|_| self.restart && !interrupt.is_wanted())
        {
            restarted = service.restart(&mut session, &mut ledger, &interrupt)?;
            session = session.seen_again(&mut ledger)?;
        }
        let pass = session.pass();
        let exit = self.report(&session, &pass, &pass.judge(), (&outcomes, &refused));
        Ok(with_pending(
            service,
            &session,
            exit.max(restarted).max(failed),
        ))
    }

    /// Says what was done and what is now. A change that failed and yet holds was made by somebody else; what counts is
    /// what is.
    fn report(
        &self,
        session: &Session,
        pass: &Pass<'_>,
        judgements: &[Judgement<'_>],
        (outcomes, refused): (&[Outcome], &[Refused]),
    ) -> Exit {
        let report = AppliedReport::of(outcomes, refused, session.assessment(pass, judgements));
        match self.format {
            Format::Json => tell!("{}", to_json(&report)),
            Format::Table => {
                match session.policy.observe_rule() {
                    Some(observing) if outcomes.is_empty() => {
                        say!(
                            "Nothing is changed: {observing}; `k3warden diff` shows what would be.\n"
                        );
                    }
                    _ => tell!("{}", report.changes_text()),
                }
                check::print_table(&report.check, Listed::Telling);
            }
        }
        check::exit(judgements, |judgement| {
            judgement.is_enforced() && judgement.verdict == Verdict::Divergent
        })
    }
}

/// What there is to do. Somebody who may be writing a file is waited for once, and everything is looked at anew then.
fn looked_at(session: &Session) -> (Pass<'_>, Vec<Judgement<'_>>, Plan) {
    let look = || {
        let pass = session.pass();
        let judgements = pass.judge();
        let plan = Plan::of(&pass, &judgements);
        (pass, judgements, plan)
    };
    let (pass, judgements, plan) = look();
    match plan.waits(&session.host.root) {
        None => (pass, judgements, plan),
        Some(wait) => {
            std::thread::sleep(wait);
            look()
        }
    }
}

/// Keeps what the first change of ours hides.
fn keep(
    session: &Session,
    pass: &Pass<'_>,
    ledger: &mut Ledger,
) -> Result<Option<Before>, CliError> {
    {
        let lock = session.lock(WHO)?;
        last_data_dir::note(&session.node, ledger, &lock)?;
        cluster::expect(&session.node, ledger, &lock)?;
    }
    if let Err(error) = running::keep(pass) {
        eprintln!("k3warden: what K3s was started with cannot be kept: {error}");
    }
    Ok(Before::look(pass))
}

/// Gives back what controls changed that the policy has turned off since, where it says so, and tells of it.
fn give_back_turned_off(
    session: &Session,
    ledger: &mut Ledger,
    stop: &dyn Fn() -> bool,
) -> Result<Exit, CliError> {
    let pass = session.pass();
    let turned_off = give_back::turned_off(&pass, ledger, session.who(WHO))?;
    if turned_off.is_empty() {
        return Ok(Exit::Holds);
    }
    let reverted = give_back::give_back(&pass, ledger, &turned_off, session.who(WHO), stop)?;
    for line in reverted.iter().flat_map(revert::lines) {
        eprintln!("{line}");
    }
    let failed = reverted
        .iter()
        .any(|done| done.result.is_err() || done.unrecorded.is_some());
    Ok(if failed { Exit::Unable } else { Exit::Holds })
}

/// A K3s that has not read what is on disk does not hold yet.
fn with_pending(service: Option<Service>, session: &Session, exit: Exit) -> Exit {
    let Some(differences) = service.and_then(|service| service.pending(session)) else {
        return exit;
    };
    eprintln!(
        "K3s runs with something else until its next start: {differences}. `k3warden apply --restart` restarts it."
    );
    exit.max(Exit::DoesNotHold)
}
