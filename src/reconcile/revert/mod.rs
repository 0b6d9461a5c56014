//! Putting back what was there before us, last change first.
//!
//! The reverse order of the changes keeps K3s startable at every step: its configuration goes before the files that
//! it names, and `protect-kernel-defaults` before the kernel values.
//!
//! What becomes of a thing is decided in one place (`decide`), as a value that changes nothing. It is carried out when the
//! thing has its turn, and shown where it is only asked for (`foresee`): by then over a host that is taken to be as the
//! turns before leave it.

mod carry_out;
mod decide;
mod decision;
mod foresee;
mod record;
mod remnant;

use std::path::Path;

use crate::host::{State, Thing};
use crate::k3s::drop_in_directory;
use crate::setting::objects_of;

pub use decision::{Afterwards, Decision, Put, PutBack, Reason, RevertError, UNPROVEN};
pub use foresee::Foreseen;

use super::Pass;
use super::ledger::{Ledger, LedgerError, Touch};
use super::lock::{Lock, LockError};
use super::service::rollback::Who;
use super::service::stay::Running;
use record::Record;

/// What became of one thing.
#[derive(Debug)]
pub struct Reverted {
    /// The thing.
    pub thing: Thing,
    /// The controls that had changed it.
    pub controls: Vec<String>,
    /// What was done.
    pub result: Result<PutBack, RevertError>,
    /// Why that could not be recorded: the thing counts as ours as before.
    pub unrecorded: Option<LedgerError>,
    /// The commands that take away what it put into the cluster, where it was a manifest of ours and is gone.
    pub left_in_cluster: Vec<String>,
}

/// What to put back.
#[allow(missing_debug_implementations)]
pub struct Revert<'a> {
    /// The node, and what is wanted there.
    pub pass: &'a Pass<'a>,
    /// Only what these controls changed; empty means everything.
    pub controls: &'a [String],
    /// Only things of this kind.
    pub of_these: &'a dyn Fn(&Thing) -> bool,
    /// Put back also what somebody else has changed since, of what is named.
    pub force: bool,
    /// The caller asks again with the next pass: what must stay for now stays claimed. Otherwise it is remembered as something
    /// to be tried with each later revert.
    pub asks_again: bool,
    /// Whether the running K3s was started with a file.
    pub running: &'a dyn Fn(&Path) -> Running,
    /// Who we are, for others that wait for the lock, and how long we wait for theirs.
    pub who: Who,
}

impl Revert<'_> {
    /// Puts everything back, last change first. One failure does not stop the others.
    ///
    /// # Errors
    /// When the ledger cannot be read at all.
    pub fn run(
        &self,
        ledger: &mut Ledger,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Reverted>, RevertError> {
        let touched = ledger.touched(&self.lock()?)?;
        let mut reverted = Vec::new();
        // A process that does not end in time for one change is not waited for at each of the others.
        let mut given_up: Option<LockError> = None;
        for touch in self.turns(touched) {
            let mut left_in_cluster = Vec::new();
            let answer = match &given_up {
                _ if stop() => Err(RevertError::Interrupted(touch.thing.clone())),
                Some(error) => Err(error.clone().into()),
                None => {
                    left_in_cluster = objects_of(&self.pass.host.root, &touch.thing);
                    self.turn(ledger, &touch)
                }
            };
            let (result, unrecorded) = match answer {
                Ok((done, unrecorded)) => (Ok(done), unrecorded),
                Err(error) => (Err(error), None),
            };
            if let Err(RevertError::Lock(error @ LockError::Held { .. })) = &result {
                given_up = Some(error.clone());
            }
            if !matches!(result, Ok(PutBack::Restored(State::Absent))) {
                left_in_cluster.clear();
            }
            if self.is_told(&touch, result.as_ref()) {
                reverted.push(Reverted {
                    left_in_cluster,
                    thing: touch.thing,
                    controls: touch.controls,
                    result,
                    unrecorded,
                });
            }
        }
        Ok(reverted)
    }

    /// One thing under the lock: decided, put back, then recorded as far as it can be.
    fn turn(
        &self,
        ledger: &mut Ledger,
        touch: &Touch,
    ) -> Result<(PutBack, Option<LedgerError>), RevertError> {
        let lock = self.lock()?;
        // What went before may have freed this, so nothing that was seen then counts.
        let pass = self.pass.over(self.pass.host);
        let decision = self.decide(&pass, &mut Record::as_it_is(ledger, &lock)?, touch)?;
        self.carry_out(ledger, touch, decision, &lock)
    }

    fn lock(&self) -> Result<Lock, LockError> {
        let Who { name, patience } = self.who;
        Lock::acquire(&self.pass.host.root, patience, name)
    }

    /// What has its turn, in the order of the turns: of what was touched, the last first.
    fn turns(&self, mut touched: Vec<Touch>) -> Vec<Touch> {
        touched.retain(|touch| {
            (self.of_these)(&touch.thing) && (self.names(touch) || is_tried_again(touch))
        });
        // K3s's configuration goes before the files that it names, and an attempt that failed may have left a file to be
        // touched after it.
        let directory = drop_in_directory(&self.pass.node.places.config_file);
        let configures =
            |thing: &Thing| matches!(thing, Thing::Path(path) if path.starts_with(&directory));
        touched.sort_by_key(|touch| !configures(&touch.thing));
        touched
    }

    /// Whether there is something to tell of a turn: what could not go earlier was told of then.
    fn is_told(&self, touch: &Touch, end: Result<&PutBack, &RevertError>) -> bool {
        self.names(touch) || end.is_ok_and(PutBack::is_restored) || end.is_err()
    }

    /// Whether a control that is named changed it, also one that has given it up because it could not go.
    fn names(&self, touch: &Touch) -> bool {
        let mut changed_by = touch.controls.iter().chain(&touch.given_up);
        self.controls.is_empty() || changed_by.any(|control| self.controls.contains(control))
    }

    fn forces(&self, touch: &Touch) -> bool {
        self.force && self.names(touch)
    }

    /// The controls that need a thing and are not reverted.
    fn staying<'t>(&self, touch: &'t Touch) -> Vec<&'t str> {
        if self.controls.is_empty() {
            return Vec::new();
        }
        let stay = |control: &&String| !self.controls.contains(control);
        let stays = touch.controls.iter().filter(stay);
        stays.map(String::as_str).collect()
    }
}

/// Whether it was to go with an earlier revert and could not.
fn is_tried_again(touch: &Touch) -> bool {
    touch.controls.is_empty() || !touch.given_up.is_empty()
}
