//! Our own drop-in for K3s's configuration: which lines it needs so that what K3s merges satisfies the catalogue.
//!
//! The operator's files are never edited. Ours sorts last and appends to lists; whether that is enough is worked out
//! with K3s's own merge before anything is written.

mod drop_in;
mod leave_out;
mod line;
mod wish;

pub use drop_in::{BEGINNING, encryption_without_control, is_written_by_us, parse, render};
pub use leave_out::LeaveOut;
pub use line::{ENCRYPTION, Line};
pub use wish::Wish;
