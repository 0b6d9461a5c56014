//! `k3warden status`: what the daemon knows.

use std::path::Path;
use std::time::Instant;

use clap::Args;

use super::exit::CliError;
use super::session::{Occasion, Session};
use super::{Exit, Format, Global};
use crate::host::Root;
use crate::node::{self, LoadedUnits, Surroundings};
use crate::policy::KillSwitch;
use crate::reconcile::Verdict;
use crate::reconcile::service::kernel;
use crate::report::status::{FILE, Status};
use crate::report::{Enforcement, Listed, Terminal};

const LIMIT_BYTES: u64 = 1 << 20;
/// The daemon's name as the kernel has it.
const NAME: &[u8] = b"k3warden";
const NAME_LIMIT_BYTES: u64 = 64;

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
            return Err(match switched_off(global, &root) {
                Some(off) => format!("{none} {off}").into(),
                None => none.into(),
            });
        };
        let status: Status = serde_json::from_slice(&text).map_err(|error| {
            format!("{FILE} is not what the daemon publishes, and it writes it anew when it is started: {error}")
        })?;
        match self.format {
            Format::Json => tell!("{}", String::from_utf8_lossy(&text)),
            Format::Table => {
                let now = jiff::Timestamp::now().as_second();
                let listed = Listed::all_if(self.all);
                tell!("{}", status.render(Terminal::of_stdout(), listed, now));
            }
        }
        let runs = is_running(&root, status.pid);
        if !(runs && knows_the_switch(&status, &root))
            && let Some(off) = switched_off(global, &root)
        {
            eprintln!("k3warden: {off}");
        }
        if !runs {
            eprintln!("k3warden: the daemon does not run any more; this is what it last knew");
            return Ok(Exit::Unable);
        }
        Ok(exit(&status))
    }
}

/// Whether the daemon says itself what there is to say of the kill switch. It is root, and sees one that we may not look for.
fn knows_the_switch(status: &Status, root: &Root) -> bool {
    let Ok(Some(switch)) = KillSwitch::look(root) else {
        return true;
    };
    let suspended = status.suspended.as_ref();
    suspended.is_some_and(|suspended| suspended.reason == switch.to_string())
}

/// That the kill switch is on, and what can go wrong meanwhile, where no daemon says it; `None` if it is off. What cannot be
/// seen without root is no failure: that is said.
fn switched_off(global: &Global, root: &Root) -> Option<String> {
    let switch = match KillSwitch::look(root) {
        Ok(switch) => switch?,
        Err(error) => {
            let error = error.with_mend();
            return Some(format!(
                "Whether the kill switch is on cannot be seen: {error}"
            ));
        }
    };
    let loaded = LoadedUnits::of(Surroundings::look(root));
    let occasion = Occasion {
        // Nobody waits here for what another process is changing.
        patient_until: Some(Instant::now()),
        patience: node::BRIEF,
        ..Occasion::of_command(&loaded)
    };
    let risk = match Session::open_or_observe_quietly(global, occasion) {
        Ok((session, _)) => kernel::risk_while_off(&session.pass()),
        Err(error) => Some(format!("what that risks is not known: {error}")),
    };
    let risk = risk.map_or_else(String::new, |risk| format!(". Beware: {risk}"));
    Some(format!("Nothing is changed here: {switch}{risk}"))
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

/// Whether the daemon of that number is there; it takes no privilege to see that. The number of one that has ended is given to
/// somebody else some day, and what it last knew is not the state of the node then.
fn is_running(root: &Root, pid: u32) -> bool {
    let Ok(number) = i32::try_from(pid) else {
        return false;
    };
    let asked = nix::sys::signal::kill(nix::unistd::Pid::from_raw(number), None);
    if matches!(asked, Err(nix::errno::Errno::ESRCH)) {
        return false;
    }
    match root.read(Path::new(&format!("/proc/{pid}/comm")), NAME_LIMIT_BYTES) {
        Ok(Some(name)) => name.trim_ascii_end() == NAME,
        // Hidden from us (hidepid= of proc(5)): the number alone tells.
        _ => true,
    }
}
