//! Giving back what controls changed that the operator has turned off since, where the policy says so
//! (`on_disable = "revert"`): the same way back as `k3warden revert CONTROL`.
//!
//! Lines of our drop-in for K3s's configuration and sections of a shared file are worked out as a whole with each plan,
//! and have gone with that.

mod foreseen;

pub use foreseen::{Becomes, Foreseen, foresee};

use crate::host::Thing;
use crate::k3s::drop_in_directory;
use crate::policy::{Mode, OnDisable, Stance};

use super::ledger::{Ledger, Touch};
use super::lock::Lock;
use super::service::rollback::Who;
use super::service::{line_out, stay};
use super::{Pass, Revert, RevertError, Reverted, sandbox, unit_override};

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
    let directory = drop_in_directory(&pass.node.places.config_file);
    let running = |path: &std::path::Path| stay::reads(pass, path);
    let revert = Revert {
        controls,
        of_these: &|thing| concerns(pass, thing),
        force: false,
        asks_again: true,
        must_stay: &|thing, staying| stay::must_stay(pass, thing, staying, &running),
        goes_first: &|thing| matches!(thing, Thing::Path(path) if path.starts_with(&directory)),
        remains: &|thing| stay::remains(pass, thing),
        left_of: &|thing, before| pass.left_of(thing, before),
        shared: &|thing, before, stay| pass.shared_state(thing, before, stay),
        who: who.name,
        patience: who.patience,
    };
    revert.run(pass.host, ledger, stop)
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
