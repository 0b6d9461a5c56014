//! The service manager as the rest of the program knows it: one of the two seams that tests put something else into.

use std::fmt;
use std::ops::ControlFlow;

use super::{JournalEnd, JournalQuery, UnitName, UnitStatus};
use crate::host::process::{Output, ProcessError};

/// Why systemd gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The program did not run or did not end.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// It said no.
    #[error("{program} failed: {message}")]
    Failed {
        /// `systemctl` or `journalctl`.
        program: &'static str,
        /// What it said.
        message: String,
    },
    /// It said something else than expected.
    #[error("systemctl said nothing of the state of {unit}")]
    Unreadable {
        /// The unit.
        unit: UnitName,
    },
}

impl ServiceError {
    /// Whether what was asked for was certainly not done. That no answer came in time does not tell.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Failed { .. }
                | Self::Process(ProcessError::Missing { .. } | ProcessError::Start { .. })
        )
    }

    pub(super) fn failed(program: &'static str, output: &Output) -> Self {
        let message = match (output.stderr.lines().next(), output.status) {
            (Some(line), _) if !line.is_empty() => line.to_owned(),
            (_, Some(status)) => format!("exit status {status}"),
            (_, None) => "ended by a signal".to_owned(),
        };
        Self::Failed { program, message }
    }
}

/// systemd, or what a test puts in its place. Each call runs a program and blocks until it ends, at most its time limit:
/// an event loop calls it from a thread of its own, hence `Send` and `Sync`.
pub trait ServiceManager: fmt::Debug + Send + Sync {
    /// What a unit is. One that does not exist has [`super::LoadState::NotFound`]. At most 5 s.
    ///
    /// # Errors
    /// When systemd does not answer.
    fn show(&self, unit: &UnitName) -> Result<UnitStatus, ServiceError>;

    /// Asks for a restart and does not wait for it: an agent without its server is never ready. At most 5 s.
    ///
    /// # Errors
    /// When systemd does not take the job.
    fn restart(&self, unit: &UnitName) -> Result<(), ServiceError>;

    /// Lifts the start limit that systemd gave a unit up for (`reset-failed`); it starts nothing. At most 5 s.
    ///
    /// # Errors
    /// When systemd does not answer.
    fn reset_failed(&self, unit: &UnitName) -> Result<(), ServiceError>;

    /// Has systemd read all unit files again (`daemon-reload`). At most 15 s.
    ///
    /// # Errors
    /// When systemd does not answer.
    fn reload_units(&self) -> Result<(), ServiceError>;

    /// Reads the journal of one run, oldest line first, until there is no more, a limit is met or `each` has enough.
    ///
    /// # Errors
    /// When the journal cannot be read; lines may have been handed on before.
    fn journal(
        &self,
        query: &JournalQuery,
        each: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<JournalEnd, ServiceError>;
}
