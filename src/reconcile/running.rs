//! What the running K3s was started with, as it said itself: kept by us at its start, else from its journal.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::host::Host;
use crate::host::systemd::{
    self, InvocationId, JournalFrom, JournalQuery, ServiceManager, Systemd, UnitName,
};
use crate::node::Node;
use crate::setting::Running;

use super::restart::heard::{Arguments, Heard};
use super::restart::snapshot::Snapshots;

/// K3s logs its arguments within its first seconds.
const JOURNAL_LIMIT_BYTES: usize = 4 << 20;
const JOURNAL_TIME: Duration = Duration::from_secs(3);

/// Finds out what the running K3s was started with. Nothing is asked where the machine does not run.
pub(super) fn look(host: &Host, node: &Node) -> Running {
    let Some(unit) = node
        .unit
        .as_ref()
        .filter(|_| node.surroundings.is_machine())
    else {
        return Running::Stopped;
    };
    let unit: UnitName = match unit.name.parse() {
        Ok(unit) => unit,
        Err(error) => return Running::Unknown(format!("{error}")),
    };
    let invocation = match systemd::invocation(&host.root, &unit) {
        Ok(Some(invocation)) => invocation,
        Ok(None) => return Running::Stopped,
        Err(error) => return Running::Unknown(error.to_string()),
    };
    let kept = Snapshots::of(&host.root)
        .ok()
        .and_then(|all| all.load(&invocation));
    if let Some(snapshot) = kept {
        return Running::Started(snapshot.arguments);
    }
    match from_journal(&invocation) {
        Ok(arguments) if arguments.is_empty() => {
            Running::Unknown("the journal has no `Running …` line of this run of K3s".to_owned())
        }
        Ok(arguments) => Running::Started(arguments),
        Err(reason) => Running::Unknown(reason),
    }
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
    Ok(heard.arguments().clone())
}
