//! How K3s reads its configuration: files, drop-ins, the unit's command line and environment, merged as K3s
//! merges them, and what its components are started with.

pub mod component;

mod merge;
mod place;
mod version;

pub use merge::{Ending, Merge, SetOption, Sourced};
pub use place::Place;
pub use version::{K3sVersion, ParseVersionError};
