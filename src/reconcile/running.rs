//! What the running K3s was started with, as it said itself: kept by us at its start, else from its journal.

use std::ops::ControlFlow;
use std::time::Duration;

use crate::host::Host;
use crate::host::systemd::{
    self, InvocationId, JournalFrom, JournalQuery, ServiceManager, Systemd, UnitName,
};
use crate::k3s::is_secret;
use crate::node::Node;
use crate::setting::Running;

use super::restart::heard::{Arguments, Heard};
use super::restart::snapshot::Snapshots;

/// K3s logs its arguments within its first seconds.
const JOURNAL_LIMIT_BYTES: usize = 4 << 20;
const JOURNAL_TIME: Duration = Duration::from_secs(3);

/// What can be known without asking anybody.
enum Known {
    Surely(Running),
    /// Only the journal of this run tells.
    InJournalOf(InvocationId),
}

/// What is known without a wait: for those who must not be held up by a slow journal. A run of which nothing was kept is
/// unknown here, until somebody has read its journal and kept what it said.
#[must_use]
pub fn kept(host: &Host, node: &Node) -> Running {
    match known(host, node) {
        Known::Surely(running) => running,
        Known::InJournalOf(_) => {
            Running::Unknown("its journal has not told its arguments yet".to_owned())
        }
    }
}

/// Finds out what the running K3s was started with. Waits for the journal, at most three seconds, where nothing was kept.
pub(super) fn look(host: &Host, node: &Node) -> Running {
    let invocation = match known(host, node) {
        Known::Surely(running) => return running,
        Known::InJournalOf(invocation) => invocation,
    };
    match from_journal(&invocation) {
        Ok(arguments) if arguments.is_empty() => {
            Running::Unknown("the journal has no `Running …` line of this run of K3s".to_owned())
        }
        Ok(arguments) => Running::Started(arguments),
        Err(reason) => Running::Unknown(reason),
    }
}

/// Nothing is asked where the machine does not run.
fn known(host: &Host, node: &Node) -> Known {
    let Some(unit) = node
        .unit
        .as_ref()
        .filter(|_| node.surroundings.is_machine())
    else {
        return Known::Surely(Running::Stopped);
    };
    let unit: UnitName = match unit.name.parse() {
        Ok(unit) => unit,
        Err(error) => return Known::Surely(Running::Unknown(format!("{error}"))),
    };
    let invocation = match systemd::invocation(&host.root, &unit) {
        Ok(Some(invocation)) => invocation,
        Ok(None) => return Known::Surely(Running::Stopped),
        Err(error) => return Known::Surely(Running::Unknown(error.to_string())),
    };
    let kept = Snapshots::of(&host.root)
        .ok()
        .and_then(|all| all.load(&invocation));
    match kept {
        Some(snapshot) => Known::Surely(Running::Started(snapshot.arguments)),
        None => Known::InJournalOf(invocation),
    }
}

fn from_journal(invocation: &InvocationId) -> Result<Arguments, String> {
    let systemd = Systemd::of_machine().map_err(|error| error.to_string())?;
    let mut heard = Heard::new(None, |_, flag| is_secret(flag));
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
