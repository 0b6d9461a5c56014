//! Planning our drop-in for K3s's configuration, and refusing what K3s would not start with.

mod conditions;
mod draft;
mod own_files;
pub mod unit_override;

use crate::catalogue::ControlId;
use crate::k3s::{K3sVersion, drop_in_directory};
use crate::setting::Change;
use crate::setting::configuration::Wish;

use super::{Judgement, Pass, Refused};
use draft::Draft;
pub(super) use own_files::{CONFIGURATION, own_files};
use unit_override::UnitOverride;

/// `config.yaml.d` came with 1.21.0; below, what is missing is only said.
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
    if present.version < FIRST_WITH_DROP_INS || present.version.minor > NEWEST_MINOR {
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
    if version.minor > NEWEST_MINOR {
        return format!(
            "K3s {version} is newer than this catalogue, so nothing new is written for it"
        );
    }
    let lines: Vec<String> = wishes
        .iter()
        .map(|(_, wish)| wish.line.to_string())
        .collect();
    format!(
        "K3s {version} reads no drop-ins; to be added to config.yaml by hand: {}",
        lines.join("; ")
    )
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
