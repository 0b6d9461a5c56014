//! Everything that touches the machine. Knows nothing of hardening.

mod append;
mod error;
mod file_mode;
mod root;
mod state;

pub use append::{FileIdentity, Opening, OwnDirectory, OwnFile, OwnPlace};
pub use error::{HostError, Refusal};
pub use file_mode::FileMode;
pub use root::{Kind, Root};
pub use state::{Attributes, State, Thing};
