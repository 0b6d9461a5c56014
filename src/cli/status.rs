//! `k3warden status`: what the daemon knows.

use std::path::Path;

use clap::Args;

use super::exit::CliError;
use super::{Exit, Format, Global};
use crate::host::Root;
use crate::policy::KillSwitch;
use crate::reconcile::Verdict;
use crate::report::status::{FILE, Status};
use crate::report::{Enforcement, Listed, Terminal};

const LIMIT_BYTES: u64 = 1 << 20;

/// Show what the daemon knows. Needs no root.
#[derive(Debug, Args)]
pub struct StatusCommand {
    /// How to write it.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// List controls that hold or do not apply too.
    #[arg(long, short)]
    all: bool,
}

impl StatusCommand {
    pub(super) fn run(self, global: &Global) -> Result<Exit, CliError> {
        let root = Root::open(&global.root)?;
        let Some(text) = root.read(Path::new(FILE), LIMIT_BYTES)? else {
            let none = "the daemon has published nothing: is k3warden.service running?";
            return Err(match KillSwitch::look(&root)? {
                Some(switch) => format!("{none} Nothing is changed here: {switch}").into(),
                None => none.into(),
            });
        };
        let status: Status = serde_json::from_slice(&text)?;
        match self.format {
            Format::Json => tell!("{}", String::from_utf8_lossy(&text)),
            Format::Table => {
                let now = jiff::Timestamp::now().as_second();
                let listed = Listed::all_if(self.all);
                tell!("{}", status.render(Terminal::of_stdout(), listed, now));
            }
        }
        if !is_running(status.pid) {
            eprintln!("k3warden: the daemon does not run any more; this is what it last knew");
            return Ok(Exit::Unable);
        }
        Ok(exit(&status))
    }
}

/// As `check` would exit: 2 if an enforced control is unknown, 1 if any diverges, else 0.
fn exit(status: &Status) -> Exit {
    let any = |verdict| {
        status
            .controls
            .iter()
            .any(move |control| control.verdict == verdict)
    };
    let blind = status
        .controls
        .iter()
        .any(|control| control.unseen && control.enforcement == Enforcement::Enforce);
    if blind {
        Exit::Unable
    } else if any(Verdict::Divergent) {
        Exit::DoesNotHold
    } else {
        Exit::Holds
    }
}

/// Whether a process of that number is there; it takes no privilege to see that.
fn is_running(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else {
        return false;
    };
    let asked = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), None);
    !matches!(asked, Err(nix::errno::Errno::ESRCH))
}
