//! The policy: what the operator says about this node in `/etc/k3warden`.
//!
//! Files are layered: `/usr/lib/k3warden/*.toml` < `/etc/k3warden/config.toml` < `/etc/k3warden/config.d/*.toml`, each
//! directory in byte order, the last one that names a key wins. None is needed. Every value keeps the line that gave
//! it. A key that we do not know is an error, because a misspelt rule that is silently ignored is a hole.

mod control_rules;
mod decision;
mod document;
mod error;
mod exception;
mod files;
mod given;
mod keys;
mod kill_switch;
mod load;
mod quantity;
mod reader;
mod restart;
mod value;
mod window;

#[cfg(test)]
mod broken_policies;
#[cfg(test)]
mod layering;
#[cfg(test)]
mod sample;

pub use control_rules::{ContentChoice, ControlRules};
pub use decision::{Decision, Stance};
pub use error::PolicyError;
pub use exception::Exception;
pub use files::load_catalogue;
pub use given::{Given, PolicyPlace};
pub use kill_switch::KillSwitch;
pub use load::{Mode, OnDisable, Policy};
pub use quantity::ByteSize;
pub use restart::{RestartMode, RestartRules};
pub use window::Window;
