//! Giving back what controls changed that the operator has turned off since, or the file for a name that he took out of a
//! list, where the policy says so (`on_disable = "revert"`): the same way back as `k3warden revert CONTROL`.
//!
//! Lines of our drop-in for K3s's configuration and sections of a shared file are worked out as a whole in each plan, and
//! have gone with it already.

use std::collections::HashSet;
use std::path::Path;

use crate::host::Thing;
use crate::policy::{Mode, OnDisable, Stance};

use super::ledger::{Ledger, Touch};
use super::lock::Lock;
use super::service::rollback::Who;
use super::service::{line_out, stay};
use super::{Foreseen, Pass, Plan, Revert, RevertError, Reverted, sandbox, unit_override};

/// What is to be given back.
#[derive(Debug, Default)]
pub struct TurnedOff {
    /// The controls that left something which nobody asks for any more.
    controls: Vec<String>,
    /// What is still asked for of all that was ever changed.
    wanted: HashSet<Thing>,
}

impl TurnedOff {
    /// Whether there is nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.controls.is_empty()
    }
}

/// What controls have changed that are turned off, and still is as they left it; nothing where the policy keeps what they did, or
/// wants nothing changed at all.
///
/// # Errors
/// When the ledger cannot be read, or another process holds the lock for too long.
pub fn turned_off(
    pass: &Pass<'_>,
    ledger: &mut Ledger,
    who: Who,
) -> Result<TurnedOff, RevertError> {
    let mut found = TurnedOff::default();
    let gives_back = pass.policy.on_disable.value == OnDisable::Revert;
    if !gives_back || pass.policy.mode.value == Mode::Observe {
        return Ok(found);
    }
    let touched = {
        let lock = Lock::acquire(&pass.host.root, who.patience, who.name)?;
        ledger.touched(&lock)?
    };
    for Touch {
        thing, controls, ..
    } in touched
    {
        let by = |id: &String| is_turned_off(pass, id) || pass.is_taken_out(id, &thing);
        // What nobody needs any more only waits until it can go.
        let is_claimed = !controls.is_empty();
        let given_up: Vec<String> = controls.into_iter().filter(by).collect();
        match given_up.is_empty() {
            true if is_claimed => drop(found.wanted.insert(thing)),
            true => {}
            false if concerns(pass, &thing) => found.controls.extend(given_up),
            false => {}
        }
    }
    found.controls.sort_unstable();
    found.controls.dedup();
    Ok(found)
}

/// Gives it back, last change first. One failure does not stop the others.
///
/// # Errors
/// When the ledger cannot be read at all.
pub fn give_back(
    pass: &Pass<'_>,
    ledger: &mut Ledger,
    what: &TurnedOff,
    who: Who,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<Reverted>, RevertError> {
    of_turned_off(pass, what, who, |revert| revert.run(ledger, stop))
}

/// What giving it back would do after a plan, in the order in which it is done. What is as it was
/// before us is left out.
///
/// # Errors
/// When the ledger cannot be read, or another process holds the lock for too long.
pub fn foresee(
    pass: &Pass<'_>,
    plan: &Plan,
    ledger: &mut Ledger,
    what: &TurnedOff,
    who: Who,
) -> Result<Vec<Foreseen>, RevertError> {
    of_turned_off(pass, what, who, |revert| revert.foresee(plan, ledger))
}

fn of_turned_off<T>(
    pass: &Pass<'_>,
    what: &TurnedOff,
    who: Who,
    put_back: impl FnOnce(&Revert<'_>) -> Result<Vec<T>, RevertError>,
) -> Result<Vec<T>, RevertError> {
    // To a revert no controls are all of them.
    if what.is_empty() {
        return Ok(Vec::new());
    }
    put_back(&Revert {
        pass,
        controls: &what.controls,
        of_these: &|thing| concerns(pass, thing) && !what.wanted.contains(thing),
        force: false,
        asks_again: true,
        running: &|path: &Path| stay::reads(pass, path),
        who,
    })
}

/// Only what the operator's own words turn off: a control that waits for him, or has no place here, is another matter.
fn is_turned_off(pass: &Pass<'_>, id: &str) -> bool {
    let Some(control) = pass.catalogue.control(id) else {
        return false;
    };
    let (decision, _) = pass.decide(control);
    match decision.stance {
        Stance::Enforce => false,
        Stance::Off | Stance::Observe => decision.place.is_some(),
        Stance::Excepted(_) => true,
    }
}

fn concerns(pass: &Pass<'_>, thing: &Thing) -> bool {
    let of_a_plan = match thing {
        Thing::Path(path) => {
            line_out::is_ours(path, &pass.node.places.config_file) || unit_override::is_ours(path)
        }
        Thing::Sysctl(_) => false,
    };
    !of_a_plan && !sandbox::is_drop_in(thing)
}
