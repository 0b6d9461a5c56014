//! Exit codes and errors as an operator sees them.

use std::error::Error;
use std::process::{ExitCode, Termination};

use crate::report::event::Priority;
use crate::report::journal::for_stderr;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Everything holds.
    Holds,
    /// Something does not hold, or is pending.
    DoesNotHold,
    /// Something could not be seen or done, or was asked wrongly. Wins over [`Exit::DoesNotHold`].
    Unable,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(match self {
            Self::Holds => 0,
            Self::DoesNotHold => 1,
            Self::Unable => 2,
        })
    }
}

/// Any error of a command; only its sentence matters here.
pub type CliError = Box<dyn Error>;

/// Prints an error and its causes.
pub fn complain(error: &CliError) {
    let mut text = format!("k3warden: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\n  because: {error}"));
        cause = error.source();
    }
    eprintln!("{}", for_stderr(Priority::Error, &text));
}
