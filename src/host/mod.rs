//! Everything that touches the machine. Knows nothing of hardening.

mod access_list;
mod change;
mod clock;
mod entry;
mod error;
mod file_mode;
mod inspect;
mod interrupt;
mod listing;
mod located;
mod look;
mod obstacle;
pub mod own;
mod permissions;
pub mod process;
mod read;
pub mod records;
mod remove;
mod replace;
mod resolve;
mod root;
mod space;
mod state;
pub mod sysctl;
pub mod systemd;
#[cfg(test)]
pub(crate) mod testing;
mod times;
mod walk;

pub use change::{Extent, Host, Step};
pub use clock::{Clock, SystemClock, boot_id};
pub use entry::{Entry, Found, Kind};
pub use error::{HostError, Refusal};
pub use file_mode::FileMode;
pub use interrupt::Interrupt;
pub use listing::Listed;
pub use obstacle::Touches;
pub use own::{FileIdentity, FileState, Opening, OwnDirectory, OwnFile, OwnPlace, Writing};
pub use read::READ_LIMIT_BYTES;
pub use root::{Durability, Root};
pub use space::Space;
pub use state::{Attributes, State, Thing};
pub use sysctl::{LiveSysctls, NextBoot, SysctlKey};
