//! Making a plan true: one change at a time, each recorded before it is made and judged again after.

use std::time::Duration;

use crate::host::{Extent, Host, HostError, Step, Thing};
use crate::setting::{Change, Effect};

use super::ledger::{self, ChangeId, Ending, Ledger, LedgerError, Recorded};
use super::lock::{Lock, LockError};
use super::{Plan, PlannedChange, replaced, values_before};

/// How long a change waits for another process's change.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// What became of a planned change.
#[derive(Debug)]
pub struct Outcome {
    /// The change.
    pub planned: PlannedChange,
    /// Its name in the ledger; `None` if it could not be recorded.
    pub change_id: Option<ChangeId>,
    /// Made, or why not.
    pub result: Result<(), ApplyError>,
}

/// Whether systemd has to read its units again before what was made is in force.
#[must_use]
pub fn needs_daemon_reload(outcomes: &[Outcome]) -> bool {
    outcomes.iter().any(|outcome| {
        outcome.result.is_ok() && outcome.planned.change.effect == Effect::DaemonReloadAndK3sRestart
    })
}

/// Why a change was not made. The thing is then as it was.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The host refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It could not be recorded, and what cannot be undone is not done.
    #[error("{thing} is not changed, because it could not be recorded first: {source}")]
    Ledger {
        /// The thing.
        thing: Thing,
        /// What the ledger said.
        source: LedgerError,
    },
    /// Somebody else changes things.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// It is not any more what was judged.
    #[error("{0} changed while it was about to be changed; the next pass looks again")]
    Overtaken(Thing),
    /// The operator or systemd wants us to end.
    #[error("{0} is not changed: interrupted")]
    Interrupted(Thing),
}

/// Makes the changes of a plan in their order. One that fails does not stop the others.
///
/// `stop` is asked before each change: a signal ends the run after the change in hand.
pub fn apply(
    host: &Host,
    ledger: &mut Ledger,
    plan: Plan,
    who: &str,
    stop: &dyn Fn() -> bool,
) -> Vec<Outcome> {
    apply_within(host, ledger, plan, who, stop, LOCK_PATIENCE)
}

/// The same for those who cannot wait long for another process's change.
pub fn apply_within(
    host: &Host,
    ledger: &mut Ledger,
    plan: Plan,
    who: &str,
    stop: &dyn Fn() -> bool,
    patience: Duration,
) -> Vec<Outcome> {
    if plan.is_empty() {
        return Vec::new();
    }
    let recorded = record(host, ledger, &plan, who, patience);
    let (answers, lock) = match recorded {
        Ok(recorded) => recorded,
        Err(error) => return none_made(plan, &error),
    };
    // The first change goes on under the lock of the record; between two changes others have their turn.
    let mut turn = Turn {
        lock: Some(lock),
        used: false,
        given_up: None,
    };
    let mut look = host.within_look();
    let touches_value = plan.changes.iter().zip(&answers).any(|(planned, answer)| {
        let is_value = matches!(planned.change.thing, Thing::Sysctl(_));
        is_value && matches!(answer, Ok(Recorded::FirstTouch(_)))
    });
    let outcomes = plan
        .changes
        .into_iter()
        .zip(answers)
        .map(|(planned, answer)| {
            let thing = planned.change.thing.clone();
            let change_id = answer.as_ref().ok().and_then(Recorded::id);
            let result = match answer {
                _ if stop() => Err(ApplyError::Interrupted(thing)),
                Err(source) => Err(ApplyError::Ledger { thing, source }),
                Ok(recorded) => turn
                    .next(host, patience, who)
                    .map_err(ApplyError::from)
                    .and_then(|lock| make(&look, ledger, &planned.change, &recorded, lock)),
            };
            if planned.change.is_of_directory() {
                look = host.for_one_look();
            }
            Outcome {
                planned,
                change_id,
                result,
            }
        })
        .collect();
    if touches_value && let Some(lock) = &turn.lock {
        // What was there is wanted as long as the value of ours is, and systemd-sysctl may set that again after a crash. A failure here
        // leaves what a crash takes anyway.
        let _ = ledger.sync(lock);
    }
    outcomes
}

/// The lock from change to change.
struct Turn {
    /// `None` when somebody else took it and did not end in time.
    lock: Option<Lock>,
    used: bool,
    /// A process that does not end in time for one change is not waited for at each of the others.
    given_up: Option<LockError>,
}

impl Turn {
    fn next(&mut self, host: &Host, patience: Duration, who: &str) -> Result<&Lock, LockError> {
        if let Some(error) = &self.given_up {
            return Err(error.clone());
        }
        let lock = match self.lock.take() {
            Some(lock) if self.used => lock.between_changes(patience, who),
            Some(lock) => Ok(lock),
            None => Lock::acquire(&host.root, patience, who),
        };
        self.used = true;
        match lock {
            Ok(lock) => Ok(self.lock.insert(lock)),
            Err(error) => {
                if matches!(error, LockError::Held { .. }) {
                    self.given_up = Some(error.clone());
                }
                Err(error)
            }
        }
    }
}

/// The controls that a change is recorded for; never none, since what is not recorded is not done.
fn answering(planned: &PlannedChange) -> Vec<String> {
    match planned.controls.as_slice() {
        [] => vec!["none".to_owned()],
        controls => controls.iter().map(ToString::to_string).collect(),
    }
}

/// What is recorded ahead of a plan: a line for each control, so that one alone can be put back. The first line of a thing
/// carries the image.
pub(super) fn to_record(plan: &Plan) -> Vec<ledger::Change> {
    let lines = plan.changes.iter().flat_map(|planned| {
        let change = &planned.change;
        answering(planned)
            .into_iter()
            .map(|control| ledger::Change {
                control,
                thing: change.thing.clone(),
                before: change.before.clone(),
                after: change.after.clone(),
            })
    });
    lines.collect()
}

/// Writes ahead, with one sync for the whole plan. The lock is still held.
fn record(
    host: &Host,
    ledger: &mut Ledger,
    plan: &Plan,
    who: &str,
    patience: Duration,
) -> Result<(Vec<Result<Recorded, LedgerError>>, Lock), LockError> {
    let lock = Lock::acquire(&host.root, patience, who)?;
    for change in plan.changes.iter().map(|planned| &planned.change) {
        let foreign = |content| ledger.is_foreign(&change.thing, content, &lock);
        if replaced::content(change).is_some_and(foreign) {
            replaced::keep(host, change);
        }
    }
    values_before::note(host, ledger, plan, &lock);
    let mut answers = ledger.record_all(&to_record(plan), &lock).into_iter();
    let of_change = |planned: &PlannedChange| {
        let mut answers = answers.by_ref().take(answering(planned).len());
        let first = answers.next();
        answers.for_each(drop);
        first.unwrap_or_else(|| Err(LedgerError::NotTouched(planned.change.thing.clone())))
    };
    Ok((plan.changes.iter().map(of_change).collect(), lock))
}

fn none_made(plan: Plan, error: &LockError) -> Vec<Outcome> {
    plan.changes
        .into_iter()
        .map(|planned| Outcome {
            planned,
            change_id: None,
            result: Err(ApplyError::Lock(error.clone())),
        })
        .collect()
}

fn make(
    host: &Host,
    ledger: &mut Ledger,
    change: &Change,
    recorded: &Recorded,
    lock: &Lock,
) -> Result<(), ApplyError> {
    let result = put(host, change);
    let not_made = match &result {
        Ok(()) => false,
        // Somebody was quicker, and what he left is what was there before our first touch.
        Err(ApplyError::Overtaken(_)) => true,
        Err(_) => untouched(host, change),
    };
    if not_made && matches!(recorded, Recorded::FirstTouch(_)) {
        // A record of a change that was not made would only make revert look for it; failing to say so is harmless.
        let _ = ledger.end(&[(change.thing.clone(), Ending::NotMade)], lock);
    }
    result
}

/// Whether a change that failed left the thing alone: a file may have been replaced and only its directory not been
/// synced, and then revert must know of it.
fn untouched(host: &Host, change: &Change) -> bool {
    host.capture(&change.thing, Extent::of(&change.before, &change.after))
        .is_ok_and(|now| now == change.before)
}

fn put(host: &Host, change: &Change) -> Result<(), ApplyError> {
    match host.advance(&change.thing, &change.before, &change.after)? {
        Step::Made | Step::AlreadyThere => Ok(()),
        Step::Overtaken => Err(ApplyError::Overtaken(change.thing.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Root;

    #[test]
    fn a_process_that_holds_the_lock_is_waited_for_once_and_not_for_each_change() {
        let kept = tempfile::tempdir().unwrap();
        let root = Root::open(kept.path()).unwrap();
        let patience = Duration::from_millis(200);
        let _held = Lock::acquire(&root, patience, "somebody").unwrap();
        let host = Host { root, live: None };
        let mut turn = Turn {
            lock: None,
            used: true,
            given_up: None,
        };
        // By what each says of its wait: the time that has passed would also be that of other processes.
        let waited: std::collections::BTreeSet<Duration> = (0..20)
            .map(|_| match turn.next(&host, patience, "test") {
                Err(LockError::Held { waited, .. }) => waited,
                other => panic!("{:?}", other.map(|_| ())),
            })
            .collect();
        assert_eq!(waited.len(), 1, "{waited:?}");
    }
}
