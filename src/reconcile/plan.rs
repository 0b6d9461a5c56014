//! The ordered changes that remove the divergences.

mod draft;
mod held;
mod needs;

use std::collections::BTreeMap;
use std::path::PathBuf;

use draft::Draft;
use held::Extent;

use crate::catalogue::ControlId;
use crate::host::{Attributes, State, Thing};
use crate::policy::Mode;
use crate::setting::{Change, Remedy, Stage};

use super::{Judgement, Pass, unit_override};

/// One change and the controls that want it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedChange {
    /// The controls, in the order of the catalogue.
    pub controls: Vec<ControlId>,
    /// The change.
    pub change: Change,
}

impl PlannedChange {
    fn want(&mut self, controls: &[ControlId]) {
        for control in controls {
            if !self.controls.contains(control) {
                self.controls.push(control.clone());
            }
        }
    }
}

/// Something that should change and will not, with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The controls that stay divergent.
    pub controls: Vec<ControlId>,
    /// Why, in one sentence.
    pub reason: String,
    /// Who will not have it.
    pub by: RefusedBy,
}

/// Which start of K3s a plan is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// The one in progress: systemd has its command, and what is changed of the unit comes too late for it.
    This,
    /// The next one.
    Next,
}

/// Who will not have a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    /// We: K3s would not start with it, or would not do what is meant.
    Preflight,
    /// The machine: something cannot be looked at.
    Host,
    /// K3s: it did not live with it, and the quarantine of that stands.
    Quarantine,
}

/// What a pass would do: changes in their order, and what it refuses to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Changes, first to last.
    pub changes: Vec<PlannedChange>,
    /// What is left as it is.
    pub refused: Vec<Refused>,
    /// Enforced controls of which something cannot be judged, with the rest of this plan in place too: what they need
    /// is not among the changes.
    pub unseen: Vec<ControlId>,
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Plans the enforced divergences of an assessment of everything.
    ///
    /// A command of ours that brings back another than the unit has now goes with this plan, and the node is then what the unit's
    /// own command makes of it: with other places, perhaps. That is what is planned for.
    #[must_use]
    pub fn of(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Self {
        if pass.policy.mode.value == Mode::Observe {
            return Self::default();
        }
        match unit_override::node_beneath(pass) {
            None => Self::of_start(pass, judgements, Start::Next),
            Some(node) => {
                let beneath = pass.of_node(&node);
                Self::of_start(&beneath, &beneath.judge(), Start::Next)
            }
        }
    }

    /// The same for a start that has its command already.
    #[must_use]
    pub fn of_this_start(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Self {
        Self::of_start(pass, judgements, Start::This)
    }

    /// What is in a directory that others write cannot be judged before that directory is safe. So where the plan makes
    /// directories safe, everything is judged once more as if they were, until nothing new comes to light: what is
    /// planned is all that is to be done.
    fn of_start(pass: &Pass<'_>, judgements: &[Judgement<'_>], start: Start) -> Self {
        let mut plan = Self::of_what_is_seen(pass, judgements, start);
        let mut safe = BTreeMap::new();
        loop {
            let made_safe = plan.made_safe(pass);
            // Grows with each turn, and there are only so many directories.
            if made_safe
                .keys()
                .all(|directory| safe.contains_key(directory))
            {
                return plan;
            }
            safe.extend(made_safe);
            let host = pass.host.as_if(&safe);
            let ahead = pass.over(&host);
            plan = Self::of_what_is_seen(&ahead, &ahead.judge(), start);
        }
    }

    /// The directories that others write until this plan takes that from them, with owner and bits as it leaves them.
    pub(super) fn made_safe(&self, pass: &Pass<'_>) -> BTreeMap<PathBuf, Attributes> {
        let root = &pass.host.root;
        let change = |planned: &PlannedChange| match &planned.change {
            Change {
                thing: Thing::Path(path),
                before: State::Attributes(before),
                after: State::Attributes(after),
                stage: Stage::Directory,
                ..
            } if !root.certainly_only_root_writes(before) && root.only_root_writes(after) => {
                Some((path.clone(), after.clone()))
            }
            _ => None,
        };
        self.changes.iter().filter_map(change).collect()
    }

    fn of_what_is_seen(pass: &Pass<'_>, judgements: &[Judgement<'_>], start: Start) -> Self {
        let mut draft = Draft::of(pass, judgements);
        draft.configure(pass, judgements, start);
        draft.hold(pass, Extent::Everything);
        draft.open_sandbox(pass);
        let unseen =
            |judgement: &&Judgement<'_>| judgement.is_enforced() && judgement.has_unknown();
        let unseen = judgements.iter().filter(unseen);
        Self {
            unseen: unseen
                .map(|judgement| judgement.control.id.clone())
                .collect(),
            ..draft.finish()
        }
    }

    /// Plans the enforced divergences of some controls alone. All lines of our drop-in are worked out together, so where
    /// one of them is asked for the others are judged too.
    #[must_use]
    pub fn of_some(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Self {
        let mut draft = Draft::of(pass, judgements);
        let mut enforced = judgements.iter().filter(|judged| judged.is_enforced());
        let configures = |remedy: &Remedy| matches!(remedy, Remedy::Configure);
        if enforced.any(|judged| judged.remedies().any(configures)) {
            match unit_override::node_beneath(pass) {
                None => draft.configure(pass, &pass.judge(), Start::Next),
                Some(node) => {
                    let beneath = pass.of_node(&node);
                    draft.configure(&beneath, &beneath.judge(), Start::Next);
                }
            }
        }
        draft.hold(pass, Extent::Some);
        draft.finish()
    }
}
