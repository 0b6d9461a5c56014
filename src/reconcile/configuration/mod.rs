//! Planning our drop-in for K3s's configuration, and refusing what K3s would not start with.

mod audit_room;
mod by_hand;
mod conditions;
mod draft;
mod draft_changes;
mod kernel_values;
mod left_out;
mod lists;
mod outranked;
mod own_files;
mod staying;
mod trial;
mod undeployed;
pub mod unit_override;

use crate::catalogue::{Control, ControlId};
use crate::k3s::{
    Effective, K3sVersion, NEWEST_CATALOGUED_MINOR, drop_in_directory, remote_address,
};
use crate::setting::configuration::{LeaveOut, Wish};
use crate::setting::{Change, Stage};

use super::{Judgement, Pass, Refused, RefusedBy, Start};
use by_hand::by_hand;
use draft::{Draft, Extent};
pub use kernel_values::{Endangered, endangered_by_operator};
use own_files::OwnFiles;
pub use own_files::is_our_configuration;
pub(super) use own_files::{CONFIGURATION, own_files};
use unit_override::UnitOverride;

/// `config.yaml.d` came with this release.
const FIRST_WITH_DROP_INS: K3sVersion = K3sVersion::new(21, 0);
/// And `key+`, without which an operator's lists would be lost, with this; below, what is missing is only said.
const FIRST_WITH_APPENDING: K3sVersion = K3sVersion::new(21, 1);

/// What is to be written, and what is not and why.
#[derive(Debug, Default)]
pub(super) struct ConfigurationPlan {
    pub changes: Vec<(Vec<ControlId>, Change)>,
    pub refused: Vec<Refused>,
}

/// Works out our drop-ins, of the configuration and of the unit, with the rest of a plan in place.
pub(super) fn plan(
    pass: &Pass<'_>,
    judgements: &[Judgement<'_>],
    planned: &[Change],
    start: Start,
) -> ConfigurationPlan {
    if start == Start::This {
        return lines(pass, judgements, planned, Ok(None));
    }
    if let Some(stays) = unit_override::must_stay(pass) {
        let mut plan = lines(pass, judgements, planned, Ok(None));
        plan.refused.push(stays);
        return plan;
    }
    let unit = pass.unit_override().map(Option::<&UnitOverride>::cloned);
    let mut plan = lines(pass, judgements, planned, unit.map_err(str::to_owned));
    let is_of_unit = |(_, change): &(Vec<ControlId>, Change)| change.stage == Stage::UnitDropIn;
    if !plan.changes.iter().any(is_of_unit)
        && let Ok(Some(unit)) = pass.unit_override()
        && (unit.is_stale(pass) || !pass.policy.unit_override.value)
    {
        // Whatever hinders all lines: it has no business to be there.
        match draft_changes::of_unit(pass, unit, None) {
            Ok(changes) => plan.changes.extend(changes),
            Err(reason) => plan.refused.push(Refused {
                by: RefusedBy::Preflight,
                controls: unit.controls(),
                reason,
            }),
        }
    }
    plan.changes.extend(unit_override::of_other_units(pass));
    plan
}

/// Works out our lines, and our command where `unit` is the one to work on.
fn lines(
    pass: &Pass<'_>,
    judgements: &[Judgement<'_>],
    planned: &[Change],
    unit: Result<Option<UnitOverride>, String>,
) -> ConfigurationPlan {
    let Ok(present) = pass.effective() else {
        return ConfigurationPlan::default();
    };
    let wishes = wishes(pass, judgements);
    if let Some((said, extent)) = not_written(pass, planned, present, &wishes) {
        let mut plan = match extent {
            None => said,
            Some(extent) => {
                let unit = unit.ok().flatten();
                what_may_stay(pass, judgements, planned, wishes, (said, extent), unit)
            }
        };
        lists::say_what_is_left(&mut plan.refused, leave_outs(pass, judgements), present);
        return plan;
    }
    let config_file = &pass.node.places.config_file;
    let own = own_files(
        pass.host,
        pass.written,
        &drop_in_directory(config_file),
        CONFIGURATION,
    );
    match (own, unit) {
        (Err(error), _) => refuse(&wishes, error.to_string()),
        (_, Err(reason)) => refuse(&wishes, reason),
        (Ok(own), Ok(unit)) => {
            Draft::new(pass, planned, own, unit, wishes, Extent::New).settle(judgements)
        }
    }
}

/// Where nothing new is written: what is said instead, and what may stay of what we wrote earlier, if it is ours to change at all.
fn not_written(
    pass: &Pass<'_>,
    planned: &[Change],
    present: &Effective,
    wishes: &[(ControlId, Wish)],
) -> Option<(ConfigurationPlan, Option<Extent>)> {
    let (version, config_file) = (present.version, &pass.node.places.config_file);
    let by_hand = |why: &str| by_hand(pass, planned, present, wishes, why);
    if version.minor > NEWEST_CATALOGUED_MINOR {
        let why = "is newer than this catalogue, so nothing new is written for it";
        let said = refuse(wishes, format!("K3s {version} {why}"));
        return Some((said, Some(Extent::Earlier)));
    }
    if version < FIRST_WITH_DROP_INS {
        let why = "reads no drop-ins; to be added to config.yaml by hand";
        return Some((by_hand(&format!("K3s {version} {why}")), None));
    }
    if version < FIRST_WITH_APPENDING {
        let why = "knows no `key+`, without which a drop-in takes the place of your lists; to be put into config.yaml by hand, into the \
                   list that is there";
        let said = by_hand(&format!("K3s {version} {why}"));
        return Some((said, Some(Extent::EarlierOptions)));
    }
    if let Some(address) = remote_address(config_file) {
        let why = format!(
            "K3s's configuration is said to be at {address}, where k3warden writes nothing; to be added there"
        );
        return Some((by_hand(&why), None));
    }
    (!config_file.is_absolute()).then(|| {
        let file = config_file.display();
        let why = format!("K3s reads its configuration from {file}, where we cannot write");
        (refuse(wishes, why), None)
    })
}

/// Where nothing new is written, what lies there of ours stays but for what may not: the line of a control that is not for
/// this release, one that protects kernel values which are not right any more, and what this release does not read.
fn what_may_stay(
    pass: &Pass<'_>,
    judgements: &[Judgement<'_>],
    planned: &[Change],
    wishes: Vec<(ControlId, Wish)>,
    (mut plan, extent): (ConfigurationPlan, Extent),
    unit: Option<UnitOverride>,
) -> ConfigurationPlan {
    let config_file = &pass.node.places.config_file;
    if remote_address(config_file).is_some() || !config_file.is_absolute() {
        return plan;
    }
    let own = own_files(
        pass.host,
        pass.written,
        &drop_in_directory(config_file),
        CONFIGURATION,
    );
    let has_ours = |present: &OwnFiles| {
        !present.is_empty() || unit.as_ref().is_some_and(UnitOverride::is_there)
    };
    let Some(own) = own.ok().filter(|(_, present)| has_ours(present)) else {
        return plan;
    };
    let left = Draft::new(pass, planned, own, unit, wishes, extent).settle(judgements);
    plan.changes = left.changes;
    plan.refused.extend(left.refused);
    plan
}

fn refuse(wishes: &[(ControlId, Wish)], reason: String) -> ConfigurationPlan {
    let mut controls: Vec<ControlId> = wishes.iter().map(|(control, _)| control.clone()).collect();
    controls.dedup();
    let refused = (!controls.is_empty()).then_some(Refused {
        by: RefusedBy::Preflight,
        controls,
        reason,
    });
    ConfigurationPlan {
        changes: Vec::new(),
        refused: refused.into_iter().collect(),
    }
}

/// What enforced controls want.
fn wishes(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Vec<(ControlId, Wish)> {
    wanted(pass, judgements, |control| pass.wishes(control))
}

/// What enforced controls want left out of the operator's lists.
fn leave_outs(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Vec<(ControlId, LeaveOut)> {
    wanted(pass, judgements, |control| pass.leave_outs(control))
}

fn wanted<T>(
    pass: &Pass<'_>,
    judgements: &[Judgement<'_>],
    of: impl Fn(&Control) -> Vec<T>,
) -> Vec<(ControlId, T)> {
    judgements
        .iter()
        .filter(|judgement| judgement.is_enforced() && judgement.concerns_node())
        // What is only there to be taken away wants no line.
        .filter(|judgement| pass.has_no_place(judgement.control).is_none())
        .flat_map(|judgement| {
            let id = &judgement.control.id;
            let wanted = of(judgement.control).into_iter();
            wanted.map(move |wanted| (id.clone(), wanted))
        })
        .collect()
}
