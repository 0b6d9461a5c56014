//! Planning our drop-in for K3s's configuration, and refusing what K3s would not start with.

mod audit_room;
mod conditions;
mod draft;
mod own_files;

use std::collections::BTreeMap;

use crate::catalogue::ControlId;
use crate::k3s::{Effective, K3sVersion, drop_in_directory};
use crate::setting::Change;
use crate::setting::configuration::{Line, Wish};

use super::{Judgement, Pass, Refused};
use draft::Draft;
pub(super) use own_files::own_files;

/// `config.yaml.d` came with 1.21.0 and `key+`, without which an operator's lists would be lost, with 1.21.1; below, what
/// is missing is only said.
const FIRST_WITH_DROP_INS: K3sVersion = K3sVersion::new(21, 1);
/// The newest release that the catalogue was made for; for a newer one nothing new is written.
const NEWEST_MINOR: u16 = 37;

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
    let old = present.version < FIRST_WITH_DROP_INS;
    let mut wishes = wishes;
    // There what holds by itself needs no line of the operator either.
    wishes.retain(|(_, wish)| !(old && wish.holds(present)));
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
    if old || present.version.minor > NEWEST_MINOR {
        return refuse(not_written(present, &wishes));
    }
    let config_file = &pass.node.places.config_file;
    if !config_file.is_absolute() {
        return refuse(format!(
            "K3s reads its configuration from {}, where we cannot write",
            config_file.display()
        ));
    }
    match own_files(pass.host, &drop_in_directory(config_file)) {
        Err(error) => refuse(error.to_string()),
        Ok((path, present)) => Draft {
            pass,
            planned,
            path,
            present,
            wishes,
            refused: Vec::new(),
        }
        .settle(judgements),
    }
}

fn not_written(present: &Effective, wishes: &[(ControlId, Wish)]) -> String {
    let version = present.version;
    if version.minor > NEWEST_MINOR {
        return format!(
            "K3s {version} is newer than this catalogue, so nothing new is written for it"
        );
    }
    let mut lines: Vec<Line> = Vec::new();
    for (_, wish) in wishes {
        let line = wish.line_over(present);
        let same = |other: &&mut Line| wish.extends_a_list() && other.what() == line.what();
        match lines.iter_mut().find(same) {
            Some(other) => *other = other.clone().with_elements_of(&line),
            None => lines.push(line),
        }
    }
    format!(
        "K3s {version} reads no drop-ins; to be added to config.yaml by hand: {}",
        by_hand(lines.into_iter())
    )
}

/// Lines as they would stand in one file: one key for all arguments of a component.
fn by_hand(lines: impl Iterator<Item = Line>) -> String {
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
        .flat_map(|judgement| {
            let id = &judgement.control.id;
            pass.wishes(judgement.control)
                .into_iter()
                .map(move |wish| (id.clone(), wish))
        })
        .collect()
}
