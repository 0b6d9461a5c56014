//! `k3warden apply`: make the enforced controls hold, once.

use clap::Args;

use super::exit::CliError;
use super::restart::Service;
use super::session::Session;
use super::{Exit, Format, Global, check, door};
use crate::host::Interrupt;
use crate::reconcile::{Outcome, Plan, Refused, Verdict, apply, needs_daemon_reload};
use crate::report::{AppliedReport, to_json};

/// Directories have to be safe before what is in them can be judged, so one round may uncover the next. More than
/// this would mean that somebody changes things as fast as we do.
const ROUNDS: usize = 4;

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
        let session = Session::open(global)?;
        if let Some(switch) = session.kill_switch()? {
            say!("Nothing is changed: {switch}.");
            return Ok(Exit::Holds);
        }
        session.require_root()?;
        let interrupt = Interrupt::catch()?;
        let mut ledger = session.open_ledger("k3warden apply")?;
        session.sweep("k3warden apply")?;
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut refused: Vec<Refused> = Vec::new();
        for _ in 0..ROUNDS {
            let plan = session.plan();
            refused.clone_from(&plan.refused);
            if plan.is_empty() || interrupt.is_wanted() {
                break;
            }
            let stop = || interrupt.is_wanted();
            let round = apply(&session.host, &mut ledger, plan, "k3warden apply", &stop);
            let stuck = round.iter().all(|outcome| outcome.result.is_err());
            outcomes.extend(round);
            if stuck {
                break;
            }
        }
        let mut session = session;
        if needs_daemon_reload(&outcomes) {
            if let Some(service) = Service::of(&session) {
                service.reload_units();
            }
            session = Session::open(global)?;
        }
        let mut session = session.seen_again(&mut ledger)?;
        let service = Service::of(&session);
        let mut restarted = Exit::Holds;
        if let Some(service) = service
            .as_ref()
            .filter(|_| self.restart && !interrupt.is_wanted())
        {
            restarted = service.restart(&mut session, &mut ledger, &interrupt)?;
            session = session.seen_again(&mut ledger)?;
        }
        let exit = report(&session, &outcomes, &refused, self.format)?.max(restarted);
        Ok(
            match service.and_then(|service| service.pending(&session)) {
                None => exit,
                Some(differences) => {
                    eprintln!(
                        "K3s runs with something else until its next start: {differences}. `k3warden apply --restart` \
                     restarts it."
                    );
                    exit.max(Exit::DoesNotHold)
                }
            },
        )
    }
}

fn report(
    session: &Session,
    outcomes: &[Outcome],
    refused: &[Refused],
    format: Format,
) -> Result<Exit, CliError> {
    let pass = session.pass();
    let judgements = pass.judge();
    let report = AppliedReport::of(outcomes, refused, session.assessment(&judgements));
    match format {
        Format::Json => tell!("{}", to_json(&report)),
        Format::Table => {
            tell!("{}", report.changes_text());
            check::print_table(&report.check, false);
        }
    }
    let failed = |judgement: &crate::reconcile::Judgement<'_>| {
        judgement.is_enforced() && judgement.verdict == Verdict::Divergent
    };
    let exit = check::exit(&judgements, failed);
    // A change that failed and yet holds afterwards was made by somebody else; what counts is what is.
    Ok(exit)
}

impl Session {
    fn plan(&self) -> Plan {
        let pass = self.pass();
        Plan::of(&pass, &pass.judge())
    }
}
