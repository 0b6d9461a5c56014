//! `k3warden diff`: what apply would change.

use clap::Args;

use super::exit::CliError;
use super::session::Session;
use super::{Exit, Format, Global, check};
use crate::policy::Mode;
use crate::reconcile::{Foreseen, Plan};
use crate::report::{PlanReport, to_json};

/// Show what apply would change.
#[derive(Debug, Args)]
pub struct Diff {
    /// How to write the plan.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

impl Diff {
    pub(super) fn run(self, global: &Global) -> Result<Exit, CliError> {
        let mut session = Session::open(global)?;
        // An operator who only observes so far wants to see what enforcing would do.
        let observing = session.policy.observe_rule();
        session.policy.mode.value = Mode::Enforce;
        let stands_still = session.stands_still()?;
        let pass = session.pass();
        let judgements = pass.judge();
        let plan = Plan::of(&pass, &judgements);
        let given_back = session.given_back(&pass, &plan)?;
        let not_done = observing.into_iter().chain(stands_still).collect();
        let report = PlanReport::of(&plan, &given_back, not_done);
        match self.format {
            Format::Json => {
                for reason in &report.not_done {
                    eprintln!("k3warden: not done: {reason}");
                }
                tell!("{}", to_json(&report));
            }
            Format::Table => {
                tell!("{}", report.text());
                if report.is_empty() {
                    say!("Nothing to change.");
                }
            }
        }
        let changes = !plan.is_empty() || given_back.iter().any(Foreseen::is_change);
        Ok(check::exit(&judgements, |_| changes))
    }
}
