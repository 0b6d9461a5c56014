//! A drop-in for K3s's unit, where a word of its command outranks K3s's configuration and the policy has
//! `unit_override = true`: the whole command again, each word of the operator's as it is written, ours in their places.
//!
//! It stands for the command that the unit had when it was written. install.sh writes that anew, so it is worked out in
//! each pass, and a control that rests on an old one diverges.

mod exchange;
mod stale;
mod text;

use std::path::{Path, PathBuf};

use crate::catalogue::ControlId;
use crate::host::{Attributes, HostError, State, Thing};
use crate::k3s::{Files, Loaded, Unit, load_unit};
use crate::reconcile::Pass;
use crate::reconcile::ledger::Hash;
use crate::setting::configuration::Line;
use crate::setting::{Change, Effect, Stage};

use super::draft::MODE;
use super::own_files::{OwnFiles, UNIT, own_files};

pub(super) use exchange::Overriding;
pub use stale::stale;
pub(in crate::reconcile) use stale::{node_beneath, repeats_encryption};
pub(in crate::reconcile) use text::{controls_of, gives};
use text::{made_for, words_of};

/// For the operator who has not turned it on.
pub(super) const HOW_TO_OVERRIDE: &str =
    "or have k3warden do it: unit_override = true in /etc/k3warden/config.toml";
const DIRECTORY: &str = "/etc/systemd/system";

/// The unit without our drop-in, and the drop-in.
#[derive(Debug)]
pub(super) struct UnitOverride {
    /// The unit as its files say without ours.
    pub(super) base: Unit,
    path: PathBuf,
    present: OwnFiles,
    /// Why nothing of ours can be there: the place is masked, say.
    hindered: Option<String>,
}

impl UnitOverride {
    /// Looks at the unit where we have a drop-in there or may write one.
    pub(super) fn of(pass: &Pass<'_>) -> Result<Option<Self>, String> {
        let Some(unit) = &pass.node.unit else {
            return Ok(None);
        };
        let directory = directory_of(unit);
        let (present, hindered) = match own_files(pass.host, &directory, UNIT) {
            Ok((_, present)) => (present, None),
            Err(error @ HostError::Refused { .. }) => (OwnFiles::new(), Some(error.to_string())),
            Err(error) => return Err(error.to_string()),
        };
        if present.is_empty() && !pass.policy.unit_override.value {
            return Ok(None);
        }
        let mut files = Files::new(&pass.host.root);
        for path in present.keys() {
            files = files.without(path);
        }
        let base = match load_unit(&files, &unit.name).map_err(|error| error.to_string())? {
            Loaded::Unit(unit) => *unit,
            _ => return Err(format!("{} cannot be used as it is on disk", unit.name)),
        };
        let names = base
            .drop_ins
            .iter()
            .filter_map(|path| path.file_name()?.to_str());
        let path = directory.join(UNIT.last(names));
        Ok(Some(Self {
            base,
            path,
            present,
            hindered,
        }))
    }

    /// Our words in the command that lies there; `None` where there is none, or it was made for another command than the
    /// unit has now, whose words it would bring back.
    pub(super) fn words(&self) -> Option<Vec<(ControlId, Line)>> {
        let now = Hash::of(self.base.as_written.as_ref()?.line().as_bytes()).to_string();
        let (content, _) = self.present.get(&self.path)?;
        (made_for(content).as_deref() == Some(now.as_str()) && self.present.len() == 1)
            .then(|| words_of(content))
    }

    /// Whether a drop-in of ours lies there.
    pub(super) fn is_there(&self) -> bool {
        !self.present.is_empty()
    }

    /// Whether what lies there has no business to: it brings back another command than the unit has now, or the policy wants none.
    pub(super) fn is_to_go(&self, pass: &Pass<'_>) -> bool {
        self.is_there() && (!pass.policy.unit_override.value || self.words().is_none())
    }

    /// The changes after which this command, or none of ours, is there.
    pub(super) fn changes(
        self,
        pass: &Pass<'_>,
        command: Option<Overriding>,
    ) -> Vec<(Vec<ControlId>, Change)> {
        let mut changes = Vec::new();
        if let Some(overriding) = &command {
            let controls = overriding.controls.clone();
            let written = self.written(pass, overriding.content.clone().into_bytes());
            changes.extend(written.into_iter().map(|change| (controls.clone(), change)));
        }
        for (path, (content, attributes)) in self.present {
            if path != self.path || command.is_none() {
                let controls = controls_of(&content).into_iter().collect();
                let before = State::File {
                    content,
                    attributes,
                };
                changes.push((controls, change(path, before, State::Absent)));
            }
        }
        changes
    }

    fn written(&self, pass: &Pass<'_>, content: Vec<u8>) -> Vec<Change> {
        let (uid, gid) = pass.host.root.superuser();
        // The command can hold a token.
        let attributes = Attributes {
            mode: MODE,
            uid,
            gid,
        };
        let after = State::File {
            content,
            attributes,
        };
        let before = match self.present.get(&self.path) {
            None => State::Absent,
            Some((content, attributes)) => State::File {
                content: content.clone(),
                attributes: attributes.clone(),
            },
        };
        if before == after {
            return Vec::new();
        }
        let mut changes = pass.missing_directories(&self.path).unwrap_or_default();
        changes.push(change(self.path.clone(), before, after));
        changes
    }
}

/// Whether a path is that of a drop-in of ours for a unit.
#[must_use]
pub fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    path.starts_with(DIRECTORY) && name.is_some_and(|name| UNIT.is_ours(name))
}

/// Our drop-ins for the node's unit, whatever they stand for. What an operator put into our place to mask it is none of them.
///
/// # Errors
/// When one cannot be looked at.
pub(in crate::reconcile) fn present(pass: &Pass<'_>) -> Result<OwnFiles, HostError> {
    let Some(unit) = &pass.node.unit else {
        return Ok(OwnFiles::new());
    };
    match own_files(pass.host, &directory_of(unit), UNIT) {
        Ok((_, present)) => Ok(present),
        Err(HostError::Refused { .. }) => Ok(OwnFiles::new()),
        Err(error) => Err(error),
    }
}

fn directory_of(unit: &Unit) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{}.d", unit.name))
}

fn change(path: PathBuf, before: State, after: State) -> Change {
    Change {
        thing: Thing::Path(path),
        before,
        after,
        stage: Stage::UnitDropIn,
        effect: Effect::DaemonReloadAndK3sRestart,
    }
}
