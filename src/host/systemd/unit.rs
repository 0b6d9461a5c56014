//! What systemd says of a unit.

use std::path::PathBuf;
use std::time::Duration;

use super::InvocationId;

/// Whether systemd knows a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadState {
    /// It is loaded.
    Loaded,
    /// There is no such unit.
    NotFound,
    /// It is masked.
    Masked,
    /// Its file is wrong, or systemd uses a word that we do not know.
    Other,
}

/// Where a unit is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActiveState {
    /// READY=1 was sent, or the type needs none.
    Active,
    /// Being started; also while systemd waits to start it again (`SubState=auto-restart`).
    Activating,
    /// Being stopped.
    Deactivating,
    /// Not running.
    Inactive,
    /// Not running, after a failure.
    Failed,
    /// A word that we do not know (`reloading`, `maintenance`, `refreshing`).
    Other,
}

/// What `systemctl show` says of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitStatus {
    /// Whether systemd knows it.
    pub load: LoadState,
    /// Where it is in its life.
    pub active: ActiveState,
    /// The finer word: `running`, `start`, `auto-restart`, `stop-sigterm`.
    pub sub: String,
    /// The main process; `None` while there is none.
    pub main_pid: Option<u32>,
    /// Automatic restarts since it was last started by somebody.
    pub restarts: u32,
    /// The current or last run.
    pub invocation: Option<InvocationId>,
    /// systemd's word for how the last run ended: `success`, `exit-code`.
    pub result: String,
    /// Its Restart=: after which ends systemd starts it again.
    pub restart: String,
    /// When the main process was started, as time since boot without sleep (CLOCK_MONOTONIC).
    pub main_started: Option<Duration>,
    /// When it was last ready, on the same clock. At a new start this is still the run before: unlike the times of the
    /// main process, which are gone before ExecStartPre= runs (seen with systemd 252).
    pub ready_since: Option<Duration>,
    /// When it last ceased to be ready, on the same clock; before [`Self::ready_since`] while it is.
    pub ready_until: Option<Duration>,
    /// A unit file changed since systemd read it.
    pub need_daemon_reload: bool,
    /// The unit's file.
    pub fragment: Option<PathBuf>,
    /// Its drop-ins, in the order in which they apply.
    pub drop_ins: Vec<PathBuf>,
    /// The command lines of ExecStart= as systemd prints them: words joined by blanks, quoting lost.
    pub exec_start: Vec<String>,
    /// The words of the first of them exactly, variables not put in. Asked for only where the text is not enough: while
    /// [`Self::need_daemon_reload`].
    pub exact_words: Option<Vec<String>>,
    /// `NAME=value` of the unit itself. May hold secrets.
    pub environment: Vec<String>,
    /// The environment files, in order.
    pub environment_files: Vec<PathBuf>,
}

impl UnitStatus {
    /// Whether systemd waits to start it again by itself.
    #[must_use]
    pub fn is_auto_restart(&self) -> bool {
        self.sub.starts_with("auto-restart")
    }

    /// Whether it is down after an end with success, after which systemd was not told to start it again: an end by itself and a
    /// stop by somebody look the same then. With other rules only somebody's stop leaves it so.
    #[must_use]
    pub fn is_down_after_success(&self) -> bool {
        self.active == ActiveState::Inactive
            && self.result == "success"
            && !matches!(self.restart.as_str(), "" | "always" | "on-success")
    }

    /// Whether another answer says the same of what the unit is made of, whatever became of its process.
    #[must_use]
    pub fn is_same_definition(&self, other: &Self) -> bool {
        let definition = |status: &Self| {
            (
                status.load,
                status.need_daemon_reload,
                status.fragment.clone(),
                status.drop_ins.clone(),
                status.exec_start.clone(),
                status.environment.clone(),
                status.environment_files.clone(),
            )
        };
        definition(self) == definition(other)
    }
}
