//! The command line: one file a command.

#[macro_use]
mod output;

mod apply;
mod check;
mod diff;
mod door;
mod effective;
mod exit;
mod explain;
mod ledger;
mod pause;
mod post;
mod restart;
mod retry;
mod revert;
mod session;
mod set_at_boot;
mod status;
mod units;
mod watch;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use exit::Exit;

use crate::host::Root;
use crate::k3s::K3sVersion;
use exit::CliError;

/// Hardens a K3s node to the K3s CIS guide and keeps it hardened.
#[derive(Debug, Parser)]
#[command(name = "k3warden", version, about, max_term_width = 100)]
#[command(
    after_help = "Exit status: 0 all holds, 1 something does not, 2 something could not be seen or done, \
                        or the command line, policy or catalogue is wrong."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    /// The same as `k3warden apply`: once, for first boot.
    #[arg(long)]
    apply: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

/// Options of every command.
#[derive(Debug, Args)]
struct Global {
    /// Work on the machine in this directory (an image) instead of the running one.
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    /// The K3s version to judge by, as in 1.36.3 or v1.36.3+k3s1, whatever is installed.
    #[arg(long, global = true, value_name = "VERSION")]
    k3s_version: Option<K3sVersion>,
    /// Do not wait for the disk. For image builds, which sync once at their end, and for measurements.
    #[arg(long, global = true)]
    no_sync: bool,
}

/// With this variable a directory stands for the running machine, in our own tests of the daemon.
const TEST_BED: &str = "K3WARDEN_TEST_BED";

/// Refuses what makes no sense for an image.
fn require_machine(root: &Root, why: &str) -> Result<(), CliError> {
    if root.is_live() || std::env::var_os(TEST_BED).is_some() {
        return Ok(());
    }
    Err(format!("not with --root: {why}").into())
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Table,
    /// For machines; the formats are described in docs/schema and /usr/share/k3warden/schema.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show which controls hold, with the evidence.
    Check(check::Check),
    /// Show what apply would change.
    Diff(diff::Diff),
    /// Make the enforced controls hold, once.
    Apply(apply::Apply),
    /// Show what K3s really runs with, and which file and line gave each value.
    Effective(effective::Effective),
    /// Show why a control exists, what it sets and where its values come from.
    Explain(explain::Explain),
    /// Put back what was there before k3warden changed it.
    Revert(revert::Revert),
    /// Write once more what was put back because K3s did not live with it.
    Retry(retry::Retry),
    /// Keep the enforced controls true: repair drift when it happens. Meant for systemd.
    Watch(watch::Watch),
    /// Show what the daemon knows.
    Status(status::StatusCommand),
    /// Make no repairs and no restarts for a while.
    Pause(pause::Pause),
    /// Show what was changed and when, or verify that the record is whole.
    Ledger(ledger::LedgerCommand),
}

/// Runs the command line to its end.
#[must_use]
pub fn run(cli: Cli) -> Exit {
    output::finish(of_command(cli))
}

fn of_command(cli: Cli) -> Exit {
    let command = match (cli.command, cli.apply) {
        (Some(Command::Apply(apply)), _) => Command::Apply(apply),
        (None, true) => Command::Apply(apply::Apply::default()),
        (Some(command), false) => command,
        (Some(_), true) => return usage("--apply stands alone; it is the command `apply`"),
        (None, false) => return usage("a command is missing"),
    };
    let result = match command {
        Command::Check(check) => check.run(&cli.global),
        Command::Diff(diff) => diff.run(&cli.global),
        Command::Apply(apply) => apply.run(&cli.global),
        Command::Effective(effective) => effective.run(&cli.global),
        Command::Explain(explain) => explain.run(&cli.global),
        Command::Revert(revert) => revert.run(&cli.global),
        Command::Retry(retry) => retry.run(&cli.global),
        Command::Watch(watch) => watch.run(&cli.global),
        Command::Status(status) => status.run(&cli.global),
        Command::Pause(pause) => pause.run(&cli.global),
        Command::Ledger(ledger) => ledger.run(&cli.global),
    };
    result.unwrap_or_else(|error| {
        exit::complain(&error);
        Exit::Unable
    })
}

fn usage(what: &str) -> Exit {
    eprintln!("k3warden: {what}\n\nTry `k3warden --help`.");
    Exit::Unable
}
