//! The daemon: what wakes it, and what it does then. It decides nothing; judging and planning are `reconcile`'s.

mod about;
mod account;
mod agent;
mod arms;
mod contention;
mod endangered;
mod events;
mod eyes;
mod fights;
mod flaps;
mod giving_back;
mod ground;
mod index;
mod inputs;
mod k3s;
#[cfg(test)]
mod k3s_tests;
mod keep;
mod metrics_file;
mod mounts;
mod news;
mod occasions;
mod pace;
mod posts;
mod publish;
mod put_back;
mod records;
mod reloads;
mod remembered;
mod restarts;
mod run;
mod signals;
mod stale;
mod starts;
mod state;
mod suspension;
mod timers;
mod unseen;
mod view;
mod work;
mod writer;

pub use agent::AgentError;
pub use ground::{Ground, GroundError, NoGround, Sources};
pub use metrics_file::withdraw as withdraw_metrics;
pub use run::{Ended, WatchError, run};
pub use suspension::{Pause, Suspension};
