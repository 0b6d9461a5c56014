//! `k3warden diff`: what apply would change.

use clap::Args;

use super::exit::CliError;
use super::session::Session;
use super::{Exit, Format, Global, check};
use crate::policy::Mode;
use crate::reconcile::Plan;
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
        // Who only observes yet wants to see what enforcing would do.
        let observing = session.policy.observe_rule();
        session.policy.mode.value = Mode::Enforce;
        let pass = session.pass();
        let judgements = pass.judge();
        let plan = Plan::of(&pass, &judgements);
        let given_back = session.given_back(&pass)?;
        let report = PlanReport::of(&plan);
        if let Some(observing) = &observing {
            let said = format!("not done: {observing}");
            match self.format {
                Format::Json => eprintln!("k3warden: {said}"),
                Format::Table => say!("{said}\n"),
            }
        }
        match self.format {
            Format::Json => tell!("{}", to_json(&report)),
            Format::Table => tell!("{}", report.text()),
        }
        for control in &given_back {
            eprintln!(
                "k3warden: {control} is not enforced any more: apply gives back what it changed"
            );
        }
        if plan.is_empty()
            && given_back.is_empty()
            && plan.refused.is_empty()
            && plan.unseen.is_empty()
            && self.format == Format::Table
        {
            say!("Nothing to change.");
        }
        Ok(check::exit(&judgements, |_| {
            !plan.is_empty() || !given_back.is_empty()
        }))
    }
}
