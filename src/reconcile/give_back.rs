//! Giving back what controls changed that the operator has turned off since, where the policy says so
//! (`on_disable = "revert"`): the same way back as `k3warden revert CONTROL`.
//!
//! Lines of our drop-in for K3s's configuration and sections of a shared file are worked out as a whole in each plan, and
//! have gone with it already.

use std::path::Path;

use crate::host::Thing;
use crate::policy::{Mode, OnDisable, Stance};

use super::ledger::{Ledger, Touch};
use super::lock::Lock;
use super::service::rollback::Who;
use super::service::{line_out, stay};
use super::{Foreseen, Pass, Plan, Revert, RevertError, Reverted, sandbox, unit_override};

/// The controls that are turned off and have changed something that still is as they left it; none where the policy
/// keeps what they did, or wants nothing changed at all.
///
/// # Errors
/// When the ledger cannot be read, or another process holds the lock for too long.
pub fn turned_off(
    pass: &Pass<'_>,
    ledger: &mut Ledger,
    who: Who,
) -> Result<Vec<String>, RevertError> {
    let wanted = pass.policy.on_disable.value == OnDisable::Revert;
    if !wanted || pass.policy.mode.value == Mode::Observe {
        return Ok(Vec::new());
    }
    let touched = {
        let lock = Lock::acquire(&pass.host.root, who.patience, who.name)?;
        ledger.touched(&lock)?
    };
    let mut controls: Vec<String> = touched
        .into_iter()
        .filter(|touch| concerns(pass, &touch.thing))
        .flat_map(|touch: Touch| touch.controls)
        .filter(|id| is_turned_off(pass, id))
        .collect();
    controls.sort_unstable();
    controls.dedup();
    Ok(controls)
}

/// Gives back what these controls changed, last change first. One failure does not stop the others.
///
/// # Errors
/// When the ledger cannot be read at all.
pub fn give_back(
    pass: &Pass<'_>,
    ledger: &mut Ledger,
    controls: &[String],
    who: Who,
    stop: &dyn Fn() -> bool,
) -> Result<Vec<Reverted>, RevertError> {
    of_turned_off(pass, controls, who, |revert| revert.run(ledger, stop))
}

/// What giving back what these controls changed would do after a plan, in the order in which it is done. What is as it was
/// before us is left out.
///
/// # Errors
/// When the ledger cannot be read, or another process holds the lock for too long.
pub fn foresee(
    pass: &Pass<'_>,
    plan: &Plan,
    ledger: &mut Ledger,
    controls: &[String],
    who: Who,
) -> Result<Vec<Foreseen>, RevertError> {
    of_turned_off(pass, controls, who, |revert| revert.foresee(plan, ledger))
}

fn of_turned_off<T>(
    pass: &Pass<'_>,
    controls: &[String],
    who: Who,
    put_back: impl FnOnce(&Revert<'_>) -> Result<Vec<T>, RevertError>,
) -> Result<Vec<T>, RevertError> {
    // To a revert no controls are all of them.
    if controls.is_empty() {
        return Ok(Vec::new());
    }
    put_back(&Revert {
        pass,
        controls,
        of_these: &|thing| concerns(pass, thing),
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
