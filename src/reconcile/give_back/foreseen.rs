//! What giving back would do, before it is done. Each thing is decided as [`Revert`](crate::reconcile::Revert) does when
//! its turn comes: over the host as the plan and what went before leave it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::host::{Extent, HostError, Kind, State, Thing};
use crate::reconcile::ledger::{Ledger, Touch};
use crate::reconcile::lock::Lock;
use crate::reconcile::service::rollback::Who;
use crate::reconcile::service::stay;
use crate::reconcile::{Pass, Plan, RevertError};

use super::concerns;

/// What becomes of a thing that is given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// The thing.
    pub thing: Thing,
    /// The controls that had changed it.
    pub controls: Vec<String>,
    /// What is done, or why not.
    pub becomes: Becomes,
}

/// What becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Becomes {
    /// It is put back, or to what others need of it.
    Restored {
        /// What it is then, with the plan carried out.
        before: State,
        /// What it will be.
        after: State,
    },
    /// It stays, and why.
    Stays(String),
}

impl Foreseen {
    /// Whether something is changed.
    #[must_use]
    pub const fn is_change(&self) -> bool {
        matches!(self.becomes, Becomes::Restored { .. })
    }
}

/// What giving back what these controls changed would do after a plan, in the order in which it is done. What is as it was
/// before us is left out.
///
/// # Errors
/// When the ledger or a thing cannot be read, or another process holds the lock for too long.
pub fn foresee(
    pass: &Pass<'_>,
    plan: &Plan,
    ledger: &mut Ledger,
    controls: &[String],
    who: Who,
) -> Result<Vec<Foreseen>, RevertError> {
    let lock = Lock::acquire(&pass.host.root, who.patience, who.name)?;
    let touched = ledger.touched(&lock)?;
    let mut foresight = Foresight {
        pass,
        plan,
        controls,
        known: touched.iter().map(|touch| &touch.thing).collect(),
        left: touched.iter().map(|touch| &touch.thing).collect(),
    };
    let named = |touch: &&Touch| {
        let mut changed_by = touch.controls.iter().chain(&touch.given_up);
        concerns(pass, &touch.thing) && changed_by.any(|control| controls.contains(control))
    };
    let mut all = Vec::new();
    for touch in touched.iter().filter(named) {
        let becomes = foresight.of(touch, ledger, &lock)?;
        if !matches!(becomes, Some(Becomes::Stays(_))) {
            foresight.left.remove(&touch.thing);
        }
        all.extend(becomes.map(|becomes| Foreseen {
            thing: touch.thing.clone(),
            controls: touch.controls.clone(),
            becomes,
        }));
    }
    Ok(all)
}

struct Foresight<'p, 'a> {
    pass: &'p Pass<'a>,
    plan: &'p Plan,
    controls: &'p [String],
    /// What we have changed.
    known: BTreeSet<&'p Thing>,
    /// The same without what is given back by then.
    left: BTreeSet<&'p Thing>,
}

fn stays(reason: impl Into<String>) -> Option<Becomes> {
    Some(Becomes::Stays(reason.into()))
}

impl Foresight<'_, '_> {
    fn of(
        &self,
        touch: &Touch,
        ledger: &mut Ledger,
        lock: &Lock,
    ) -> Result<Option<Becomes>, RevertError> {
        let (pass, thing) = (self.pass, &touch.thing);
        if !touch.proven {
            return Ok(stays(
                "what it was before stands in the damaged part of the ledger",
            ));
        }
        if matches!(thing, Thing::Sysctl(_)) && pass.host.live.is_none() {
            let why = "it is a value of the running kernel: revert on the machine itself";
            return Ok(stays(why));
        }
        let staying = self.staying(touch);
        let running = |path: &Path| stay::reads(pass, path);
        let changes = &self.plan.changes;
        if let Some(reason) = stay::must_stay_after(pass, changes, thing, &staying, &running) {
            return Ok(stays(reason));
        }
        let before = ledger.before(thing, lock)?;
        if !staying.is_empty() {
            return match pass.shared_state(thing, &before, &staying) {
                Some(target) => Ok(self.put_back(touch, target)?),
                None => Ok(stays(format!("needed by {}", staying.join(", ")))),
            };
        }
        let before = pass.left_of(thing, &before).unwrap_or(before);
        let goes = before == State::Absent || self.opens(&before);
        if goes && self.holds_ours(thing) {
            return Ok(stays("something of k3warden's is in it"));
        }
        if before == State::Absent && self.holds_others(thing)? {
            return Ok(stays("it is not empty any more"));
        }
        Ok(self.put_back(touch, before)?)
    }

    /// The controls that need a thing and are not given back.
    fn staying<'t>(&self, touch: &'t Touch) -> Vec<&'t str> {
        let stay = |control: &&String| !self.controls.contains(control);
        let staying = touch.controls.iter().filter(stay);
        staying.map(String::as_str).collect()
    }

    fn put_back(&self, touch: &Touch, after: State) -> Result<Option<Becomes>, HostError> {
        let extent = match after {
            State::Attributes(_) => Extent::AttributesOnly,
            _ => Extent::Whole,
        };
        let planned = self.planned(&touch.thing);
        let before = match planned {
            Some(planned) => planned.clone(),
            None => self.pass.host.capture(&touch.thing, extent)?,
        };
        let last = &touch.last_written;
        let is_ours =
            planned.is_some() || last.matches(&before) || last.is_halfway(&after, &before);
        Ok(if before == after {
            None
        } else if before == State::Absent && extent == Extent::AttributesOnly {
            stays("it is not there any more")
        } else if is_ours {
            Some(Becomes::Restored { before, after })
        } else {
            stays("it was changed by somebody else since; --force takes it back")
        })
    }

    /// What the plan makes of a thing.
    fn planned(&self, thing: &Thing) -> Option<&State> {
        let mut changes = self.plan.changes.iter().map(|planned| &planned.change);
        let change = changes.find(|change| change.thing == *thing)?;
        Some(&change.after)
    }

    /// Whether others could write into a directory once it is put back.
    fn opens(&self, before: &State) -> bool {
        matches!(before, State::Attributes(attributes) | State::Directory(attributes)
            if !self.pass.host.root.only_root_writes(attributes))
    }

    fn holds_ours(&self, directory: &Thing) -> bool {
        let Thing::Path(directory) = directory else {
            return false;
        };
        let inside = |path: &PathBuf| path != directory && path.starts_with(directory);
        let mut left = self.left.iter();
        left.any(|thing| matches!(thing, Thing::Path(path) if inside(path)))
    }

    /// Whether there is something in a directory that we did not put there.
    fn holds_others(&self, directory: &Thing) -> Result<bool, HostError> {
        let Thing::Path(directory) = directory else {
            return Ok(false);
        };
        let root = &self.pass.host.root;
        if root.kind_of_name(directory)? != Some(Kind::Directory) {
            return Ok(false);
        }
        let names = root.names(directory)?.unwrap_or_default();
        let is_ours = |path: PathBuf| self.known.contains(&Thing::Path(path));
        Ok(names.iter().any(|name| !is_ours(directory.join(name))))
    }
}
