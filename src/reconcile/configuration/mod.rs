//! Planning our drop-in for K3s's configuration, and refusing what K3s would not start with.

mod conditions;
mod draft;
mod own_files;
pub mod unit_override;

use std::collections::BTreeMap;

use crate::catalogue::ControlId;
use crate::k3s::{K3sVersion, NEWEST_CATALOGUED_MINOR, drop_in_directory};
use crate::setting::Change;
use crate::setting::configuration::{Line, Wish};

use super::{Judgement, Pass, Refused};
use draft::Draft;
pub(super) use own_files::{CONFIGURATION, own_files};
use unit_override::UnitOverride;

/// `config.yaml.d` came with 1.21.0; below, what is missing is only said.
const FIRST_WITH_DROP_INS: K3sVersion = K3sVersion::new(21, 1);
/// What is to be written, and what is not and why.
#[derive(Debug, Default)]
pub(super) struct ConfigurationPlan {
    pub changes: Vec<(Vec<ControlId>, Change)>,
    pub refused: Vec<Refused>,
}

/// Works out our drop-in with the rest of a plan in place.
pub(super) fn plan(
    pass: &Pass<'_>,
    judgements: &[Judgement<'_>],
    planned: &[Change],
) -> ConfigurationPlan {
    let Ok(present) = pass.effective() else {
        return ConfigurationPlan::default();
    };
    let wishes = wishes(pass, judgements);
    let controls: Vec<ControlId> = wishes.iter().map(|(control, _)| control.clone()).collect();
    let refuse = |reason: String| ConfigurationPlan {
        changes: Vec::new(),
        refused: if wishes.is_empty() {
            Vec::new()
        } else {
            vec![Refused {
                controls: controls.clone(),
                reason,
            }]
        },
    };
    if present.version < FIRST_WITH_DROP_INS || present.version.minor > NEWEST_CATALOGUED_MINOR {
        return refuse(not_written(present.version, &wishes));
    }
    let config_file = &pass.node.places.config_file;
    if !config_file.is_absolute() {
        return refuse(format!(
            "K3s reads its configuration from {}, where we cannot write",
            config_file.display()
        ));
    }
    let own = own_files(pass.host, &drop_in_directory(config_file), CONFIGURATION);
    match (own, UnitOverride::of(pass)) {
        (Err(error), _) => refuse(error.to_string()),
        (_, Err(reason)) => refuse(reason),
        (Ok((path, present)), Ok(unit)) => Draft {
            pass,
            planned,
            path,
            present,
            unit,
            wishes,
            outranked: Vec::new(),
            refused: Vec::new(),
        }
        .settle(judgements),
    }
}

fn not_written(version: K3sVersion, wishes: &[(ControlId, Wish)]) -> String {
    if version.minor > NEWEST_CATALOGUED_MINOR {
        return format!(
            "K3s {version} is newer than this catalogue, so nothing new is written for it"
        );
    }
    format!(
        "K3s {version} reads no drop-ins; to be added to config.yaml by hand, each key once and with what is there: {}",
        by_hand(wishes).join("; ")
    )
}

/// The lines as one would write them by hand: a key that comes twice would lose its first list.
fn by_hand(wishes: &[(ControlId, Wish)]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut lists: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (_, wish) in wishes {
        match &wish.line {
            Line::Option { .. } => lines.push(wish.line.to_string()),
            Line::Argument {
                component,
                flag,
                value,
            } => {
                let items = lists.entry(component.option()).or_default();
                items.push(format!(
                    "'{}'",
                    format!("{flag}={value}").replace('\'', "''")
                ));
            }
        }
    }
    let lists = lists
        .into_iter()
        .map(|(option, items)| format!("{option}: [{}]", items.join(", ")));
    lines.into_iter().chain(lists).collect()
}

/// What enforced controls want, and what stays of controls that were turned off.
fn wishes(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Vec<(ControlId, Wish)> {
    judgements
        .iter()
        .filter(|judgement| judgement.is_enforced() && judgement.concerns_node())
        .flat_map(|judgement| {
            let id = &judgement.control.id;
            pass.wishes(judgement.control)
                .into_iter()
                .map(move |wish| (id.clone(), wish))
        })
        .collect()
}
