//! Everything that touches the machine. Knows nothing of hardening.

mod entry;
mod error;
mod file_mode;
mod permissions;
mod replace;
mod resolve;
mod root;
mod state;
pub mod sysctl;

pub use entry::{Entry, Kind};
pub use error::{HostError, Refusal};
pub use file_mode::FileMode;
pub use root::{Durability, READ_LIMIT_BYTES, Root};
pub use state::{Attributes, State, Thing};
