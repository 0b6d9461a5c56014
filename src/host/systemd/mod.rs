//! systemd as we need it: what a unit is, its journal, a restart. Through systemctl and journalctl, which every systemd
//! has and which need no library of ours; each call bounded in time.

mod identifier;
mod invocation;
mod journal;
mod manager;
mod programs;
mod show;
mod unit;
mod words;

pub use identifier::{BadIdentifier, InvocationId, UnitName};
pub use invocation::{INVOCATIONS, invocation, link_name};
pub use journal::{JournalEnd, JournalFrom, JournalQuery};
pub use manager::{ServiceError, ServiceManager};
pub use programs::Systemd;
pub use unit::{ActiveState, LoadState, UnitStatus};

/// Whether systemd runs this machine, by the mark that sd_booted(3) looks for.
#[must_use]
pub fn is_booted() -> bool {
    std::path::Path::new("/run/systemd/system").is_dir()
}

#[cfg(test)]
pub mod testing {
    //! Answers of systemd for tests.

    use super::{UnitStatus, show};

    /// What `systemctl show` says of a loaded unit that runs no process.
    #[must_use]
    pub fn status(command: &str) -> UnitStatus {
        let text = format!(
            "LoadState=loaded\nActiveState=inactive\nFragmentPath=/etc/systemd/system/k3s.service\nExecStart={{ path=/x ; \
             argv[]={command} ; ignore_errors=no ; pid=0 }}\n"
        );
        show::parse(&text).expect("it has both states")
    }
}
