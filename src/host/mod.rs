//! Everything that touches the machine. Knows nothing of hardening.

mod change;
mod clock;
mod entry;
mod error;
mod file_mode;
mod interrupt;
mod look;
mod obstacle;
pub mod own;
mod permissions;
pub mod process;
pub mod records;
mod replace;
mod resolve;
mod root;
mod space;
mod state;
pub mod sysctl;
pub mod systemd;
#[cfg(test)]
mod testing;
mod times;

pub use change::{Extent, Host, Step};
pub use clock::{Clock, SystemClock, boot_id};
pub use entry::{Entry, Found, Kind};
pub use error::{HostError, Refusal};
pub use file_mode::FileMode;
pub use interrupt::Interrupt;
pub use obstacle::Touches;
pub use own::{FileIdentity, Opening, OwnDirectory, OwnFile, OwnPlace};
pub use root::{Durability, READ_LIMIT_BYTES, Root};
pub use space::Space;
pub use state::{Attributes, State, Thing};
pub use sysctl::{LiveSysctls, NextBoot, SysctlKey};
