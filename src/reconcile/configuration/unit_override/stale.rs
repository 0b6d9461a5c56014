//! A command of ours that was made for another than the unit has now: words that came since are lost with it, and words that went
//! are brought back.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::catalogue::ControlId;
use crate::host::HostError;
use crate::k3s::{Effective, Files, Role, drop_in_directory};
use crate::node::{Node, facts, started_by};
use crate::reconcile::configuration::own_files::{CONFIGURATION, own_files};
use crate::reconcile::restart::own_part::EncryptionKey;
use crate::reconcile::service::part;
use crate::reconcile::{Pass, Refused, RefusedBy};
use crate::setting::configuration::ENCRYPTION;
use crate::setting::{Finding, Outcome, Remedy};

use super::text::{controls_of, mentions_encryption};
use super::{UnitOverride, present};

impl UnitOverride {
    /// Why K3s, which starts now, would not without anything of ours. What cannot be told is the operator's to decide, who
    /// wrote that command.
    fn ends_beneath(&self, pass: &Pass<'_>) -> Option<String> {
        let node = self.node(pass);
        let files = match without_ours(pass, &node) {
            Ok(files) => files,
            Err(error) => return Some(error.to_string()),
        };
        let beneath = node.effective_of(&files, node.invocation(), &facts(pass.host));
        match (pass.effective(), beneath) {
            (Ok(with), Ok(beneath)) if with.endings().next().is_none() => {
                beneath.endings().next().map(ToString::to_string)
            }
            _ => None,
        }
    }

    fn node(&self, pass: &Pass<'_>) -> Node {
        started_by(pass.node, &pass.host.root, pass.policy, self.base.clone())
    }
}

/// The files of a node without our lines for its configuration.
fn without_ours<'p>(pass: &Pass<'p>, node: &Node) -> Result<Files<'p>, HostError> {
    let directory = drop_in_directory(&node.places.config_file);
    let mut files = Files::new(&pass.host.root);
    if directory.is_absolute() {
        let (_, ours) = own_files(pass.host, pass.written, &directory, CONFIGURATION)?;
        for path in ours.keys() {
            files = files.without(path);
        }
    }
    Ok(files)
}

/// The node as the unit's own command makes it, where one of ours brings back another, and can go.
pub(in crate::reconcile) fn node_beneath(pass: &Pass<'_>) -> Option<Node> {
    let unit = pass.unit_override().ok()??;
    (unit.is_stale(pass) && unit.ends_beneath(pass).is_none() && !loses_encryption(pass))
        .then(|| unit.node(pass))
}

/// Whether K3s would turn the encryption of Secrets off, or encrypt in another way, without our command for its unit: ours never gives a
/// word of its own about that, but an old one repeats words that the unit may have lost.
pub(in crate::reconcile) fn loses_encryption(pass: &Pass<'_>) -> bool {
    if part::encryption_key(pass) == EncryptionKey::Absent {
        return false;
    }
    let Ok(ours) = present(pass) else { return true };
    if !ours
        .values()
        .any(|(content, _)| mentions_encryption(content))
    {
        return false;
    }
    let Ok(Some(unit)) = pass.unit_override() else {
        return true;
    };
    let node = unit.node(pass);
    if node
        .role
        .as_ref()
        .is_some_and(|role| role.value == Role::Agent)
    {
        return false;
    }
    let said = |effective: &Effective| {
        ENCRYPTION.map(|option| {
            let option = effective.configuration.merge.options.get(option);
            option.and_then(|option| Some(option.values.last()?.value.clone()))
        })
    };
    match (pass.effective(), node.effective(pass.host)) {
        (Ok(with), Ok(beneath)) => said(with) != said(&beneath),
        _ => true,
    }
}

/// Why a command of ours that should go, or be made anew, is left as it is, and the controls that rest on it.
pub(in crate::reconcile::configuration) fn must_stay(pass: &Pass<'_>) -> Option<Refused> {
    let unit = pass.unit_override().ok()??;
    if !unit.is_there() {
        return None;
    }
    let (ours, its) = (unit.path.display(), &unit.base.name);
    let is_to_go = unit.is_stale(pass) || !pass.policy.unit_override.value;
    let reason = if loses_encryption(pass) {
        format!(
            "{ours} stays: it has a secrets-encryption that {its} lost, and without it K3s could not read its Secrets; put it back \
             into the unit, or into config.yaml"
        )
    } else {
        let ending = is_to_go.then(|| unit.ends_beneath(pass)).flatten()?;
        format!("{ours} stays: without it K3s would not start: {ending}")
    };
    Some(Refused {
        by: RefusedBy::Preflight,
        controls: unit.controls(),
        reason,
    })
}

/// A command of ours that brings back another than the unit has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    path: PathBuf,
    controls: BTreeSet<ControlId>,
    /// What it should have been made for.
    wanted: String,
}

impl Stale {
    /// Looks at our drop-in for the unit.
    #[must_use]
    pub fn look(pass: &Pass<'_>) -> Option<Self> {
        let wanted = match pass.unit_override() {
            Ok(Some(unit)) if unit.is_stale(pass) => {
                format!("made for the command of {}", unit.base.binary.place)
            }
            Ok(_) => return None,
            Err(reason) => format!("made for the unit's own command, but {reason}"),
        };
        let ours = present(pass).ok()?;
        let (path, _) = ours.first_key_value()?;
        let controls = ours.values().flat_map(|(content, _)| controls_of(content));
        Some(Self {
            path: path.clone(),
            controls: controls.collect(),
            wanted,
        })
    }

    /// Whether one of these controls rests on it.
    #[must_use]
    pub fn concerns<'c>(&self, mut controls: impl Iterator<Item = &'c ControlId>) -> bool {
        controls.any(|control| self.controls.contains(control))
    }
}

impl std::fmt::Display for Stale {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} was made for another command than the unit has now, and K3s is started with that",
            self.path.display()
        )
    }
}

/// A control that rests on a drop-in made for another command than the unit has now: whether it holds is luck.
#[must_use]
pub fn stale(pass: &Pass<'_>, control: &ControlId) -> Option<Finding> {
    let stale = pass.stale_command()?;
    stale.concerns(std::iter::once(control)).then(|| Finding {
        what: stale.path.display().to_string(),
        wanted: stale.wanted.clone(),
        observed: "made for another command, with which K3s is started".to_owned(),
        seen_at: stale.path.display().to_string(),
        outcome: Outcome::Diverges(vec![Remedy::Configure]),
    })
}
