//! When K3s is restarted, whether it took a change of ours, and what happens when it did not.
//!
//! Everything that decides here is pure: [`standing`] says whether the running K3s read what is on disk, [`gate`] whether
//! it is restarted now, [`settle`] whether a start has settled, [`own_part`] how ours is put back. [`records`] keeps what
//! must outlive us.

pub mod follow;
pub mod gate;
pub mod heard;
pub mod history;
pub mod inputs;
pub mod limits;
mod log_line;
pub mod moment;
pub mod origin;
pub mod own_part;
pub mod past;
pub mod proof;
pub use crate::host::records;
pub mod settle;
pub mod snapshot;
pub mod standing;
pub mod starts;
