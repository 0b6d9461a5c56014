//! Planning our drop-in for K3s's configuration, and refusing what K3s would not start with.

mod audit_room;
mod conditions;
mod draft;
mod draft_changes;
mod outranked;
mod own_files;
mod trial;
pub mod unit_override;

use std::collections::BTreeMap;

use crate::catalogue::ControlId;
use crate::k3s::{
    Effective, K3sVersion, NEWEST_CATALOGUED_MINOR, drop_in_directory, remote_address,
};
use crate::setting::configuration::{Line, Wish};
use crate::setting::{Change, Stage};

use super::{Judgement, Pass, Refused, RefusedBy};
use conditions::Conditions;
use draft::{Draft, Extent};
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
) -> ConfigurationPlan {
    let mut plan = lines(pass, judgements, planned);
    let is_of_unit = |(_, change): &(Vec<ControlId>, Change)| change.stage == Stage::UnitDropIn;
    if !plan.changes.iter().any(is_of_unit) {
        plan.changes.extend(without_stale_command(pass));
    }
    plan
}

/// Whatever hinders all lines: a command of ours that has no business to be there goes, unless K3s starts only with it.
fn without_stale_command(pass: &Pass<'_>) -> Vec<(Vec<ControlId>, Change)> {
    match UnitOverride::of(pass) {
        Ok(Some(unit)) if unit.is_to_go(pass) && unit.starts_beneath(pass) => {
            unit.changes(pass, None)
        }
        _ => Vec::new(),
    }
}

fn lines(pass: &Pass<'_>, judgements: &[Judgement<'_>], planned: &[Change]) -> ConfigurationPlan {
    let Ok(present) = pass.effective() else {
        return ConfigurationPlan::default();
    };
    let wishes = wishes(pass, judgements);
    let config_file = &pass.node.places.config_file;
    let version = present.version;
    if version.minor > NEWEST_CATALOGUED_MINOR {
        let why = "is newer than this catalogue, so nothing new is written for it";
        let said = refuse(&wishes, format!("K3s {version} {why}"));
        return what_may_stay(pass, judgements, planned, wishes, (said, Extent::Earlier));
    }
    let by_hand = |why: String| by_hand(pass, planned, present, &wishes, &why);
    if version < FIRST_WITH_APPENDING {
        if version < FIRST_WITH_DROP_INS {
            let why = "reads no drop-ins; to be added to config.yaml by hand";
            return by_hand(format!("K3s {version} {why}"));
        }
        let said = by_hand(format!(
            "K3s {version} knows no `key+`, without which a drop-in takes the place of your lists; to be put into \
             config.yaml by hand, into the list that is there"
        ));
        return what_may_stay(
            pass,
            judgements,
            planned,
            wishes,
            (said, Extent::EarlierOptions),
        );
    }
    if let Some(address) = remote_address(config_file) {
        return by_hand(format!(
            "K3s's configuration is said to be at {address}, where k3warden writes nothing; to be added there"
        ));
    }
    if !config_file.is_absolute() {
        let file = config_file.display();
        let why = "where we cannot write";
        return refuse(
            &wishes,
            format!("K3s reads its configuration from {file}, {why}"),
        );
    }
    let own = own_files(pass.host, &drop_in_directory(config_file), CONFIGURATION);
    match (own, UnitOverride::of(pass)) {
        (Err(error), _) => refuse(&wishes, error.to_string()),
        (_, Err(reason)) => refuse(&wishes, reason),
        (Ok((path, present)), Ok(unit)) => Draft {
            pass,
            planned,
            path,
            present,
            unit,
            wishes,
            outranked: Vec::new(),
            refused: Vec::new(),
            extent: Extent::New,
        }
        .settle(judgements),
    }
}

/// Where nothing new is written, what lies there of ours stays but for what may not: the line of a control that is not for
/// this release, one that protects kernel values which are not right any more, and what this release does not read.
fn what_may_stay(
    pass: &Pass<'_>,
    judgements: &[Judgement<'_>],
    planned: &[Change],
    wishes: Vec<(ControlId, Wish)>,
    (mut plan, extent): (ConfigurationPlan, Extent),
) -> ConfigurationPlan {
    let config_file = &pass.node.places.config_file;
    if remote_address(config_file).is_some() || !config_file.is_absolute() {
        return plan;
    }
    let own = own_files(pass.host, &drop_in_directory(config_file), CONFIGURATION);
    let unit = UnitOverride::of(pass).ok().flatten();
    let has_ours = |present: &OwnFiles| {
        !present.is_empty() || unit.as_ref().is_some_and(UnitOverride::is_there)
    };
    let Some((path, present)) = own.ok().filter(|(_, present)| has_ours(present)) else {
        return plan;
    };
    let draft = Draft {
        pass,
        planned,
        path,
        present,
        unit,
        wishes,
        outranked: Vec::new(),
        refused: Vec::new(),
        extent,
    };
    let left = draft.settle(judgements);
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

/// Where we cannot write: the lines that are missing, for an operator to copy. Those that would do harm here are not
/// among them, and say why.
fn by_hand(
    pass: &Pass<'_>,
    planned: &[Change],
    present: &Effective,
    wishes: &[(ControlId, Wish)],
    why: &str,
) -> ConfigurationPlan {
    let conditions = Conditions {
        pass,
        planned,
        encrypts: false,
    };
    let mut lines: Vec<Line> = Vec::new();
    let mut controls = Vec::new();
    let mut refused = Vec::new();
    for (control, wish) in wishes.iter().filter(|(_, wish)| !wish.holds(present)) {
        match conditions.forbids(&wish.line) {
            Some(reason) => refused.push(Refused {
                by: RefusedBy::Preflight,
                controls: vec![control.clone()],
                reason,
            }),
            None => {
                let line = wish.line_over(present);
                let same = |other: &&mut Line| wish.extends_a_list() && other.what() == line.what();
                match lines.iter_mut().find(same) {
                    Some(other) => *other = other.clone().with_elements_of(&line),
                    None => lines.push(line),
                }
                controls.push(control.clone());
            }
        }
    }
    controls.dedup();
    if !lines.is_empty() {
        let reason = format!("{why}: {}", in_one_file(lines));
        refused.insert(
            0,
            Refused {
                by: RefusedBy::Preflight,
                controls,
                reason,
            },
        );
    }
    ConfigurationPlan {
        changes: Vec::new(),
        refused,
    }
}

/// Lines as they would stand in one file: one key for all arguments of a component.
fn in_one_file(lines: Vec<Line>) -> String {
    let mut options = Vec::new();
    let mut arguments: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in lines {
        match line {
            Line::Option { .. } => options.push(line.to_string()),
            Line::Argument {
                component,
                flag,
                value,
            } => {
                let item = format!("\"{flag}={value}\"");
                let items = arguments.entry(component.option()).or_default();
                if !items.contains(&item) {
                    items.push(item);
                }
            }
        }
    }
    let lists = arguments
        .iter()
        .map(|(option, items)| format!("{option}: [{}]", items.join(", ")));
    options
        .into_iter()
        .chain(lists)
        .collect::<Vec<_>>()
        .join("; ")
}

/// What enforced controls want, and what stays of controls that were turned off.
fn wishes(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Vec<(ControlId, Wish)> {
    judgements
        .iter()
        .filter(|judgement| judgement.is_enforced() && judgement.concerns_node())
        // What is only there to be taken away wants no line.
        .filter(|judgement| pass.has_no_place(judgement.control).is_none())
        .flat_map(|judgement| {
            let id = &judgement.control.id;
            pass.wishes(judgement.control)
                .into_iter()
                .map(move |wish| (id.clone(), wish))
        })
        .collect()
}
