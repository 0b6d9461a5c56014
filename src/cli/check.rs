//! `k3warden check`: verdicts, with the evidence.

use clap::Args;

use super::exit::CliError;
use super::session::Session;
use super::{Exit, Format, Global};
use crate::reconcile::{Judgement, Plan, Verdict};
use crate::report::{Assessment, Listed, Table, Terminal, to_json};

/// Show which controls hold, with the evidence.
#[derive(Debug, Args)]
pub struct Check {
    /// Only these controls: names, or CIS numbers of this node's edition.
    #[arg(value_name = "CONTROL")]
    controls: Vec<String>,
    /// How to write the report.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// List controls that hold or do not apply too.
    #[arg(long, short)]
    all: bool,
}

impl Check {
    pub(super) fn run(self, global: &Global) -> Result<Exit, CliError> {
        let session = Session::open(global)?;
        let controls = session.named_or_numbered(&self.controls)?;
        let pass = session.pass();
        let mut judgements = pass.judge();
        // What is refused to one control may hang on what is done for another.
        let refused = Plan::of(&pass, &judgements).refused;
        let is_asked_for = |judgement: &Judgement<'_>| {
            let id = &judgement.control.id;
            controls.is_empty() || controls.iter().any(|control| control.id == *id)
        };
        judgements.retain(is_asked_for);
        let assessment = session.assessment(&pass, &judgements);
        let assessment = assessment.with_refused(&refused);
        match self.format {
            Format::Json => tell!("{}", to_json(&assessment)),
            Format::Table => {
                let named = !self.controls.is_empty();
                print_table(&assessment, Listed::all_if(self.all || named));
            }
        }
        Ok(exit(&judgements, |judgement| {
            judgement.verdict == Verdict::Divergent
        }))
    }
}

pub(super) fn print_table(assessment: &Assessment, listed: Listed) {
    let table = Table::new(assessment, Terminal::of_stdout(), listed);
    tell!("{}", table.render());
}

/// 2 if an enforced control is unknown, 1 if a control fails the test, else 0.
pub(super) fn exit(judgements: &[Judgement<'_>], fails: impl Fn(&Judgement<'_>) -> bool) -> Exit {
    let blind = |judgement: &Judgement<'_>| judgement.is_enforced() && judgement.has_unknown();
    if judgements.iter().any(blind) {
        Exit::Unable
    } else if judgements.iter().any(fails) {
        Exit::DoesNotHold
    } else {
        Exit::Holds
    }
}
