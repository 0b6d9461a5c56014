//! Everything that touches the machine. Knows nothing of hardening.

mod error;
mod root;

pub use error::{HostError, Refusal};
pub use root::{Kind, Root};
