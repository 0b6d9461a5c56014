//! From the catalogue to a node that holds: judge, plan, apply, verify, record, revert.

pub mod baseline;
mod judgement;
pub mod ledger;
pub mod lock;
mod pass;
mod plan;
mod verdict;

pub use judgement::{Judgement, Standing};
pub use pass::Pass;
pub use plan::{Plan, PlannedChange, Refused};
pub use verdict::Verdict;
