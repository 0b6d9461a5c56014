//! What the running K3s was started with, as it said itself: kept by us at its start, else from its journal.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::host::systemd::{
    self, BadIdentifier, InvocationId, JournalFrom, JournalQuery, ServiceManager, Systemd, UnitName,
};
use crate::host::{Host, HostError};
use crate::node::Node;
use crate::setting::{Running, StartedWith};

use super::Pass;
use super::restart::heard::{Arguments, Heard};
use super::restart::snapshot::Snapshots;
use super::restart::standing::Standing;
use super::restart::starts::{SetOptions, Starts, Trust};
use super::service::{circumstances, standing};

/// K3s logs its arguments within its first seconds.
const JOURNAL_LIMIT_BYTES: usize = 4 << 20;
const JOURNAL_TIME: Duration = Duration::from_secs(3);

/// Finds out what the running K3s was started with; asks systemd and the journal where nothing was kept.
pub(super) fn look(pass: &Pass<'_>) -> Running {
    let (host, node) = (pass.host, pass.node);
    let mut running = kept(host, node);
    let (Running::Started(started), Ok(Some(run))) = (&mut running, run(host, node)) else {
        return running;
    };
    if lacks_a_component(pass, started) {
        take_from_journal(started, &run.invocation);
    }
    if started.options.is_none() {
        started.options = in_step(pass, &run);
    }
    running
}

/// Whether nothing was kept, or so early that K3s had not named all its components yet.
fn lacks_a_component(pass: &Pass<'_>, started: &StartedWith) -> bool {
    let Ok(kept) = &started.arguments else {
        return true;
    };
    let next = pass.effective().as_ref().map(standing::next_arguments);
    next.is_ok_and(|next| next.keys().any(|component| !kept.contains_key(component)))
}

/// Adds what the journal has and was not kept; what was kept outlives the journal's rotation.
fn take_from_journal(started: &mut StartedWith, invocation: &InvocationId) {
    let heard = from_journal(invocation);
    match (&mut started.arguments, heard) {
        (Ok(kept), Ok(heard)) => {
            for (component, words) in heard {
                kept.entry(component).or_insert(words);
            }
        }
        (Ok(_), Err(_)) => {}
        (nothing @ Err(_), heard) => {
            *nothing = heard;
            started.arguments_seen_at = "journal of the running K3s";
        }
    }
}

/// What was kept when the running K3s was started. Nobody is asked, so this waits for nobody.
#[must_use]
pub fn kept(host: &Host, node: &Node) -> Running {
    let run = match run(host, node) {
        Ok(Some(run)) => run,
        Ok(None) => return Running::Stopped,
        Err(reason) => return Running::Started(StartedWith::unknown(reason)),
    };
    let door = Starts::of(&host.root)
        .ok()
        .and_then(|starts| starts.load(&run.invocation));
    let snapshot = Snapshots::of(&host.root)
        .ok()
        .and_then(|all| all.load(&run.invocation));
    let door = door.filter(|record| record.trust == Trust::Whole);
    let options = door.and_then(|record| record.options);
    let unknown = || "nothing of this run of K3s was kept yet".to_owned();
    Running::Started(match snapshot {
        Some(snapshot) => StartedWith {
            arguments: Ok(snapshot.arguments).and_then(|arguments: Arguments| {
                let is_known = !arguments.is_empty();
                is_known.then_some(arguments).ok_or_else(unknown)
            }),
            arguments_seen_at: "journal of the running K3s, kept at its start",
            options: options.or(snapshot.options),
        },
        None => StartedWith {
            options,
            ..StartedWith::unknown(unknown())
        },
    })
}

/// Keeps what a run that nobody saw begin was started with, while that can still be told: the first change of ours hides it.
///
/// # Errors
/// When it cannot be written down.
pub fn keep(pass: &Pass<'_>) -> Result<(), HostError> {
    let (host, node) = (pass.host, pass.node);
    let is_kept = match kept(host, node) {
        Running::Started(kept) => kept.options.is_some(),
        Running::Stopped => true,
    };
    let running = pass.running();
    let (false, Ok(Some(run)), Running::Started(started)) =
        (is_kept, run(host, node), running.as_ref())
    else {
        return Ok(());
    };
    let Some(options) = started.options.clone() else {
        return Ok(());
    };
    let arguments = started.arguments.clone().unwrap_or_default();
    let snapshots = Snapshots::of(&host.root)?;
    let taken = circumstances::now(host);
    snapshots.save(
        &host.root,
        &run.invocation,
        &run.unit,
        taken,
        arguments,
        Some(options),
    )
}

/// The K3s that runs.
struct Run {
    unit: UnitName,
    invocation: InvocationId,
}

fn run(host: &Host, node: &Node) -> Result<Option<Run>, String> {
    let Some(unit) = node
        .unit
        .as_ref()
        .filter(|_| node.surroundings.is_machine())
    else {
        return Ok(None);
    };
    let unit: UnitName = unit
        .name
        .parse()
        .map_err(|error: BadIdentifier| error.to_string())?;
    let invocation = systemd::invocation(&host.root, &unit).map_err(|error| error.to_string())?;
    Ok(invocation.map(|invocation| Run { unit, invocation }))
}

/// The options on disk, if nothing that K3s reads was changed since it started: then it was started with them.
fn in_step(pass: &Pass<'_>, run: &Run) -> Option<SetOptions> {
    let status = Systemd::of_machine().ok()?.show(&run.unit).ok()?;
    let is_run = status.invocation.as_ref() == Some(&run.invocation);
    let look = standing::look(pass, &run.unit, &status);
    let in_step = matches!(look.standing, Standing::InStep(_));
    let effective = pass.effective().as_ref().ok()?;
    (is_run && in_step).then(|| effective.configuration.merge.shown())
}

fn from_journal(invocation: &InvocationId) -> Result<Arguments, String> {
    let systemd = Systemd::of_machine().map_err(|error| error.to_string())?;
    let mut heard = Heard::new(None);
    let query = JournalQuery {
        invocation: invocation.clone(),
        from: JournalFrom::Start,
        limit_bytes: JOURNAL_LIMIT_BYTES,
        limit_time: JOURNAL_TIME,
    };
    let read = systemd.journal(&query, &mut |line| {
        heard.hear(line);
        ControlFlow::Continue(())
    });
    read.map_err(|error| error.to_string())?;
    if heard.arguments().is_empty() {
        return Err("the journal has no `Running …` line of this run of K3s".to_owned());
    }
    Ok(heard.arguments().clone())
}
