//! From the catalogue to a node that holds: judge, plan, apply, verify, record, revert.

mod ahead;
mod apply;
pub mod baseline;
pub mod being_written;
mod configuration;
pub mod give_back;
mod judgement;
pub mod ledger;
pub mod lock;
mod pass;
mod plan;
mod replaced;
pub mod restart;
mod revert;
pub mod running;
pub mod sandbox;
pub mod service;
mod shared_file;
pub mod values_before;
mod verdict;
mod withdrawal;
mod written;

pub use apply::{ApplyError, Outcome, apply, apply_within, needs_daemon_reload};
pub use configuration::{Endangered, endangered_by_operator, is_our_configuration, unit_override};
pub use judgement::Judgement;
pub use pass::{Pass, Seen, enforcing_line};
use plan::Start;
pub use plan::{Plan, PlannedChange, Refused, RefusedBy};
pub use revert::{
    Afterwards, Decision, Foreseen, Put, PutBack, Reason, Revert, RevertError, Reverted, UNPROVEN,
};
pub use verdict::Verdict;
use written::ENCRYPTED;
pub use written::Written;
