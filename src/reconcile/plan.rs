//! The ordered changes that remove the divergences.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::catalogue::ControlId;
use crate::host::{Attributes, State, Thing};
use crate::setting::{Change, Persisted, Remedy, Stage, Want};

use super::restart::own_part::{OurFile, OurPart};
use super::service::way_back::way_back;
use super::service::{line_out, part, restore};
use super::{Judgement, Pass, configuration, sandbox};

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

/// Who will not have a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedBy {
    /// We: K3s would not start with it, or would not do what is meant.
    Preflight,
    /// The machine: something cannot be looked at.
    Host,
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
    /// What is in a directory that others write cannot be judged before that directory is safe. So where the plan makes
    /// directories safe, everything is judged once more as if they were, until nothing new comes to light: what is
    /// planned is all that is to be done.
    #[must_use]
    pub fn of(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Self {
        let mut plan = Self::of_what_is_seen(pass, judgements);
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
            plan = Self::of_what_is_seen(&ahead, &ahead.judge());
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

    fn of_what_is_seen(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Self {
        let mut draft = Draft::of(pass, judgements);
        draft.configure(pass, judgements);
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
            draft.configure(pass, &pass.judge());
        }
        draft.hold(pass, Extent::Some);
        draft.finish()
    }
}

/// How much a plan is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Everything,
    Some,
}

/// A plan while it is being put together: one change for a thing, whoever wants it.
#[derive(Default)]
struct Draft {
    changes: BTreeMap<(Stage, usize, Thing), PlannedChange>,
    sysctls: Vec<(ControlId, Want)>,
    refused: Vec<Refused>,
}

impl Draft {
    fn of(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Self {
        let mut draft = Self::default();
        for judgement in judgements
            .iter()
            .filter(|judgement| judgement.is_enforced())
        {
            for remedy in judgement.remedies() {
                draft.take(&judgement.control.id, remedy);
            }
        }
        draft.persist_sysctls(pass);
        draft
    }

    fn take(&mut self, control: &ControlId, remedy: &Remedy) {
        match remedy {
            Remedy::Change(change) => self.add(std::slice::from_ref(control), change.clone()),
            Remedy::PersistSysctl(want) => self.sysctls.push((control.clone(), want.clone())),
            // All lines of our drop-in are worked out together, see `configuration`.
            Remedy::Configure | Remedy::Restart | Remedy::ByOperator => {}
        }
    }

    fn add(&mut self, controls: &[ControlId], change: Change) {
        let depth = match &change.thing {
            Thing::Path(path) => depth(path),
            Thing::Sysctl(_) => 0,
        };
        let united = self.changes.iter().find_map(|(key, planned)| {
            let united = planned.change.united_with(&change)?;
            Some((key.clone(), united))
        });
        let (change, wanted_by) = match united {
            None => (change, Vec::new()),
            Some((key, united)) => {
                let known = self.changes.remove(&key);
                (
                    united,
                    known.map(|known| known.controls).unwrap_or_default(),
                )
            }
        };
        let key = (change.stage, depth, change.thing.clone());
        let planned = self.changes.entry(key).or_insert(PlannedChange {
            controls: wanted_by,
            change,
        });
        planned.want(controls);
    }

    fn persist_sysctls(&mut self, pass: &Pass<'_>) {
        let sysctls = std::mem::take(&mut self.sysctls);
        let wants: Vec<Want> = sysctls.iter().map(|(_, want)| want.clone()).collect();
        match pass.persist_sysctls(&wants) {
            Ok(persisted) => {
                for Persisted { change, keys } in persisted {
                    let concerned = sysctls.iter().filter(|(_, want)| keys.contains(&want.key));
                    let controls: Vec<ControlId> = concerned.map(|(id, _)| id.clone()).collect();
                    self.add(&controls, change);
                }
            }
            Err(error) => self.refused.push(Refused {
                by: RefusedBy::Host,
                controls: sysctls.into_iter().map(|(control, _)| control).collect(),
                reason: error.to_string(),
            }),
        }
    }

    /// Our drop-in for K3s's configuration, judged with everything else of this plan in place.
    fn configure(&mut self, pass: &Pass<'_>, judgements: &[Judgement<'_>]) {
        let planned: Vec<Change> = self
            .changes
            .values()
            .map(|planned| planned.change.clone())
            .collect();
        let outcome = configuration::plan(pass, judgements, &planned);
        for (controls, change) in outcome.changes {
            self.add(&controls, change);
        }
        self.refused.extend(outcome.refused);
    }

    /// Our own units must be able to write wherever the rest of a plan does.
    fn open_sandbox(&mut self, pass: &Pass<'_>) {
        match sandbox::plan(pass) {
            Ok(changes) => {
                for change in changes {
                    self.add(&[], change);
                }
            }
            Err(error) => self.refused.push(Refused {
                by: RefusedBy::Host,
                controls: Vec::new(),
                reason: error.to_string(),
            }),
        }
    }

    /// Keeps a part that K3s did not live with from being written again; what last worked stands in its place.
    fn hold(&mut self, pass: &Pass<'_>, extent: Extent) {
        let Some(held) = pass.held else { return };
        let Ok(present) = part::present(pass) else {
            return;
        };
        let result = self.resulting(pass, &present);
        // Under the same rules a part that is a little different is the same try once more: a line that goes because the
        // failed start has left data behind, or a few of the changes alone.
        let is_tried = result.digest() == held.quarantine.part;
        if result.digest() == present.digest() && !is_tried {
            return;
        }
        let concerned = |change: &Change| match &change.thing {
            Thing::Path(path) => {
                let path: &str = &path.to_string_lossy();
                present.files.get(path) != result.files.get(path)
            }
            Thing::Sysctl(_) => false,
        };
        let mut controls: Vec<ControlId> = Vec::new();
        self.changes.retain(|_, planned| {
            let concerned = concerned(&planned.change);
            if concerned {
                controls.extend(planned.controls.iter().cloned());
            }
            !concerned
        });
        controls.sort_unstable();
        controls.dedup();
        let reason = format!(
            "K3s did not live with it ({}); it is written again when policy, catalogue or K3s change, or after \
             `k3warden retry`",
            held.quarantine.reason
        );
        self.refused.push(Refused {
            by: RefusedBy::Preflight,
            controls,
            reason,
        });
        if extent == Extent::Everything && present.digest() != held.quarantine.part {
            self.restore(pass, held.last_good.as_ref());
        }
    }

    /// What drifted of the part that last worked is brought back.
    fn restore(&mut self, pass: &Pass<'_>, last_good: Option<&OurPart>) {
        let key = part::encryption_key(pass.host, pass.node);
        let back = way_back(pass, last_good, key);
        match back.and_then(|back| restore::changes(pass.host, &back)) {
            Ok(changes) => {
                for planned in changes {
                    self.add(&planned.controls, planned.change);
                }
            }
            Err(error) => self.refused.push(Refused {
                by: RefusedBy::Host,
                controls: Vec::new(),
                reason: error.to_string(),
            }),
        }
    }

    /// Our part as this plan leaves it.
    fn resulting(&self, pass: &Pass<'_>, present: &OurPart) -> OurPart {
        let files = part::files(pass);
        let mut part = present.clone();
        for planned in self.changes.values() {
            let Thing::Path(path) = &planned.change.thing else {
                continue;
            };
            let configuration = line_out::is_ours(path, &pass.node.places.config_file)
                || configuration::unit_override::is_ours(path);
            if !configuration && !files.contains(path) {
                continue;
            }
            let name = path.to_string_lossy().into_owned();
            match &planned.change.after {
                State::File {
                    content,
                    attributes,
                } => {
                    let content = String::from_utf8_lossy(content).into_owned();
                    let mode = attributes.mode.bits();
                    part.files.insert(name, OurFile { content, mode });
                }
                State::Absent => {
                    part.files.remove(&name);
                }
                _ => {}
            }
        }
        part
    }

    fn finish(self) -> Plan {
        Plan {
            changes: self.changes.into_values().collect(),
            refused: self.refused,
            unseen: Vec::new(),
        }
    }
}

/// Parents come before what is in them.
fn depth(path: &Path) -> usize {
    path.components().count()
}
