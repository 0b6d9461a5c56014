//! systemd as we need it: what a unit is, its journal, a restart. Through systemctl and journalctl, which every systemd
//! has and which need no library of ours; each call bounded in time.

mod identifier;
mod invocation;
mod journal;
mod manager;
mod show;
mod unit;

pub use identifier::{BadIdentifier, InvocationId, UnitName};
pub use invocation::{INVOCATIONS, invocation, link_name};
pub use journal::{JournalEnd, JournalFrom, JournalQuery};
pub use manager::{ServiceError, ServiceManager, Systemd};
pub use unit::{ActiveState, LoadState, UnitStatus};
