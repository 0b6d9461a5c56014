//! Kernel parameters: their names, what they are now, and what the next boot makes of them.

mod drop_in;
mod glob;
mod key;
mod last_name;
mod line;
mod live;
mod next_boot;
mod pinned;
mod precedence;

pub use drop_in::DIRECTORIES;
pub use key::{KeyError, SysctlKey};
pub use last_name::{is_own_last_name, last_sorting_name};
pub use line::{Assignment, Exclusion, Statement};
pub use live::{HOST_SYSCTLS, LiveSysctls, same_value};
pub use next_boot::{NextBoot, SysctlConfWarning};
pub use pinned::PinnedSysctl;
