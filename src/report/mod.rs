//! What we found and did, for people and for machines.

mod applied;
mod assessment;
mod beside_next_start;
mod change;
mod effective;
mod enforcement;
pub mod event;
pub mod journal;
mod json;
mod kubelet_settings;
mod listing;
mod metrics;
mod plan;
mod slips;
pub mod status;
mod table;
mod terminal;
mod warnings;

pub use applied::{AppliedChange, AppliedReport};
pub use assessment::{
    Assessment, ControlReport, ExceptionReport, FindingReport, NodeReport, Summary,
};
pub use beside_next_start::{DifferenceReport, OnDiskReport, RunningReport};
pub use change::{ChangeReport, RefusedReport, describe, left_in_cluster, one_line};
pub use effective::{
    ArgumentSource, EffectiveReport, EndsReport, OptionReport, OptionValue, Reported,
};
pub use enforcement::Enforcement;
pub use json::to_json;
pub use listing::Listed;
pub use metrics::{METRICS_BEGIN_WITH, metrics};
pub use plan::{GivenBackReport, PlanReport};
pub use slips::next_endings;
pub use table::Table;
pub use terminal::Terminal;
