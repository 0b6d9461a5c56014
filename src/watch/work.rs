//! One answer to what was seen: judge what is named, plan, apply. The same steps as `apply`, for less.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::catalogue::ControlId;
use crate::host::{Host, SysctlKey, Thing};
use crate::reconcile::ledger::{ChangeId, Ledger};
use crate::reconcile::{
    ApplyError, Judgement, Outcome, Pass, Plan, Refused, Verdict, apply_within,
};
use crate::report::{describe, left_in_cluster};
use crate::setting::{self, Effect, Named, Remedy, Stage};

use super::contention::{Advice, Contention};
use super::ground::{Ground, LOCK_PATIENCE, WHO};
use super::index::Concern;
use super::suspension::Halt;

/// The thing that an event names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A path.
    Path(PathBuf),
    /// A kernel parameter.
    Key(SysctlKey),
    /// It is not known which.
    Anything,
}

/// Something to look at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hit {
    /// What it concerns.
    pub concern: Concern,
    /// What of it.
    pub target: Target,
}

/// What may be done about what is found.
#[allow(missing_debug_implementations)]
pub struct Hands<'a> {
    /// The record of changes.
    pub ledger: &'a mut Ledger,
    /// What is left alone for now.
    pub contention: &'a Contention,
    /// Nothing is changed: paused or switched off.
    pub tied: bool,
    /// Whoever may be writing a file is waited for.
    pub patient: bool,
    /// The time.
    pub now: Instant,
    /// Whether somebody wants us to end, or to change nothing, since `tied` was known.
    pub halt: Halt<'a>,
}

/// A change that was made or failed.
#[derive(Debug)]
pub struct Done {
    /// The controls that wanted it.
    pub controls: Vec<ControlId>,
    /// What was changed.
    pub thing: Thing,
    /// What it was, in words that give nothing away.
    pub observed: String,
    /// What it should be.
    pub wanted: String,
    /// When in a pass such changes are made.
    pub stage: Stage,
    /// What is needed before it is in force.
    pub effect: Effect,
    /// Its name in the ledger.
    pub change_id: Option<ChangeId>,
    /// Where it was seen that it is not right: the file and line that say otherwise, `/proc`.
    pub source: String,
    /// The commands that take away what it put into the cluster, where it was a manifest of ours and is gone.
    pub left_in_cluster: Vec<String>,
    /// Why it failed.
    pub result: Result<(), String>,
    /// It failed because somebody else changed the thing just then.
    pub overtaken: bool,
}

/// What an answer came to.
#[derive(Debug, Default)]
pub struct Work {
    /// Changes that were made or failed.
    pub done: Vec<Done>,
    /// What should change and will not.
    pub refused: Vec<Refused>,
    /// What should change and was not tried now.
    pub left: Vec<Thing>,
    /// What of it waits for somebody who may be writing a file, and how much longer.
    pub waits: Option<Duration>,
    /// Controls, by their place in the catalogue, of which something did not hold when it was looked at.
    pub unsettled: BTreeSet<usize>,
    /// Whether everything was looked at.
    pub of_everything: bool,
    /// Whether every finding that does not hold led to a change that was tried.
    pub whole: bool,
    /// Kernel parameters that hold.
    pub holding: Vec<SysctlKey>,
}

/// Looks at what is named and brings it back.
#[must_use]
pub fn answer(ground: &Ground, hits: &BTreeSet<Hit>, hands: Hands<'_>) -> Work {
    // What is found on the way to a thing is good for its repair too: it follows within the same millisecond.
    let host = ground.host.for_one_look();
    let pass = Pass {
        host: &host,
        ..ground.pass()
    };
    let mut work = Work::default();
    let mut judgements: Vec<Judgement<'_>> = Vec::new();
    for hit in hits {
        let Concern::Setting { control, setting } = hit.concern else {
            continue;
        };
        let Some(place) = ground.catalogue.controls().get(control) else {
            continue;
        };
        let Some(setting) = place.settings.get(setting) else {
            continue;
        };
        let named = match &hit.target {
            Target::Path(path) => Named::Path(path),
            Target::Key(key) => Named::Key(key),
            Target::Anything => Named::Anything,
        };
        let Some(judgement) = pass.judge_named(place, setting, named) else {
            continue;
        };
        match (judgement.verdict, &hit.target) {
            (Verdict::Compliant, Target::Key(key)) => work.holding.push(key.clone()),
            (Verdict::Compliant, _) => {}
            _ => {
                work.unsettled.insert(control);
            }
        }
        judgements.push(judgement);
    }
    let plan = Plan::of_some(&pass, &judgements);
    let planned = plan.changes.len();
    work.carry_out(&host, plan, &judgements, hands);
    let mendable = |judgement: &Judgement<'_>| {
        judgement.verdict == Verdict::Compliant
            || (judgement.is_enforced() && judgement.verdict == Verdict::Divergent)
    };
    work.whole = work.done.len() == planned && judgements.iter().all(mendable);
    work
}

/// Looks at everything and brings it back. The judgements are those after the last change.
#[must_use]
pub fn answer_all<'g>(ground: &'g Ground, hands: Hands<'_>) -> (Work, Vec<Judgement<'g>>) {
    let mut all = Work {
        of_everything: true,
        ..Work::default()
    };
    let judgements = {
        let pass = ground.pass();
        let judgements = pass.judge();
        let plan = Plan::of(&pass, &judgements);
        all.carry_out(&ground.host, plan, &judgements, hands);
        judgements
    };
    if all.done.iter().all(|done| done.result.is_err()) {
        return (all, judgements);
    }
    // A pass is about one moment: after changes a new one looks. What it does not need of the first goes before, since the memory
    // of both at once would be kept for good.
    drop(judgements);
    (all, ground.pass().judge())
}

impl Work {
    /// Whether everything that did not hold was brought back, and it was only owners, bits and live values.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        let plain = |done: &Done| {
            done.result.is_ok() && matches!(done.stage, Stage::LiveSysctl | Stage::Permissions)
        };
        self.whole && self.refused.is_empty() && self.done.iter().all(plain)
    }

    fn carry_out(
        &mut self,
        host: &Host,
        mut plan: Plan,
        judgements: &[Judgement<'_>],
        hands: Hands<'_>,
    ) {
        self.refused.append(&mut plan.refused);
        let things = |plan: &Plan| -> Vec<Thing> {
            let changes = plan.changes.iter();
            changes
                .map(|planned| planned.change.thing.clone())
                .collect()
        };
        self.left = things(&plan);
        if hands.tied {
            return;
        }
        if hands.patient {
            self.waits = plan.leave_to_writers(&host.root);
        }
        leave_contended(&mut plan, hands.contention, hands.now);
        if plan.is_empty() || hands.halt.is_wanted() {
            return;
        }
        let tried = things(&plan);
        self.left.retain(|thing| !tried.contains(thing));
        let outcomes = apply_within(
            host,
            hands.ledger,
            plan,
            WHO,
            &|| hands.halt.is_wanted(),
            LOCK_PATIENCE,
        );
        let tried = |outcome: &Outcome| !matches!(outcome.result, Err(ApplyError::Interrupted(_)));
        self.done
            .extend(outcomes.into_iter().filter(tried).map(|outcome| {
                let change = outcome.planned.change;
                Done {
                    source: source(judgements, &outcome.planned.controls, &change.thing),
                    controls: outcome.planned.controls,
                    observed: describe(&change.before),
                    wanted: describe(&change.after),
                    left_in_cluster: left_in_cluster(&change),
                    thing: change.thing,
                    stage: change.stage,
                    effect: change.effect,
                    change_id: outcome.change_id,
                    overtaken: matches!(outcome.result, Err(ApplyError::Overtaken(_))),
                    result: outcome.result.map_err(|error| error.to_string()),
                }
            }));
    }
}

/// Takes out of a plan what is left alone for now, and what is in a directory that is not made safe: that would only be
/// refused.
fn leave_contended(plan: &mut Plan, contention: &Contention, now: Instant) {
    let mut open_directories = Vec::new();
    plan.changes.retain(|planned| {
        let change = &planned.change;
        let repair = contention.advice(&change.thing, now) == Advice::Repair;
        if let (false, Stage::Directory, Thing::Path(path)) = (repair, change.stage, &change.thing)
        {
            open_directories.push(path.clone());
        }
        repair
    });
    plan.changes.retain(|planned| {
        let Thing::Path(path) = &planned.change.thing else {
            return true;
        };
        let inside = |directory: &PathBuf| path != directory && path.starts_with(directory);
        !open_directories.iter().any(inside)
    });
}

/// Where it was seen that a thing is not right. What is changed may not be where the fault lies: a later file of sysctl.d
/// is answered by one of ours.
fn source(judgements: &[Judgement<'_>], controls: &[ControlId], thing: &Thing) -> String {
    let is_about = |remedy: &Remedy| match remedy {
        Remedy::Change(change) => change.thing == *thing,
        _ => true,
    };
    let mut findings = judgements
        .iter()
        .filter(|judgement| controls.contains(&judgement.control.id))
        .flat_map(|judgement| &judgement.findings);
    let found = findings.find(|finding| match &finding.outcome {
        setting::Outcome::Diverges(remedies) => remedies.iter().any(is_about),
        _ => false,
    });
    found
        .map(|finding| finding.seen_at.clone())
        .unwrap_or_default()
}
