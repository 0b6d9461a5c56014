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
use crate::k3s::{Files, Loaded, Unit, is_k3s_name, load_unit};
use crate::reconcile::Pass;
use crate::setting::configuration::Line;
use crate::setting::{Change, Effect, Stage};

use super::draft::MODE;
use super::own_files::{OwnFiles, UNIT, own_files};

pub(super) use exchange::Overriding;
pub(super) use stale::must_stay;
pub use stale::{Stale, stale};
pub(in crate::reconcile) use stale::{loses_encryption, node_beneath};
pub(in crate::reconcile) use text::{controls_of, gives};
use text::{made_for, words_of};

/// For the operator who has not turned it on.
pub(super) const HOW_TO_OVERRIDE: &str =
    "or have k3warden do it: unit_override = true in /etc/k3warden/config.toml";
const DIRECTORY: &str = "/etc/systemd/system";

/// The unit without our drop-in, and the drop-in.
#[derive(Debug, Clone)]
pub(in crate::reconcile) struct UnitOverride {
    /// The unit as its files say without ours.
    pub(super) base: Unit,
    path: PathBuf,
    present: OwnFiles,
    /// Why nothing of ours can be there: the place is masked, say.
    hindered: Option<String>,
}

impl UnitOverride {
    /// Looks at the unit where we have a drop-in there or may write one; [`Pass::unit_override`] does so once.
    pub(in crate::reconcile) fn of(pass: &Pass<'_>) -> Result<Option<Self>, String> {
        let Some(unit) = &pass.node.unit else {
            return Ok(None);
        };
        let directory = directory_of(&unit.name);
        let (present, hindered) = match own_files(pass.host, pass.written, &directory, UNIT) {
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
    pub(super) fn words(&self, pass: &Pass<'_>) -> Option<Vec<(ControlId, Line)>> {
        let (content, _) = self.present.get(&self.path)?;
        let words = words_of(content);
        let lines: Vec<&Line> = words.iter().map(|(_, line)| line).collect();
        let now = self.digest(pass, &lines)?.to_string();
        (made_for(content).as_deref() == Some(now.as_str()) && self.present.len() == 1)
            .then_some(words)
    }

    /// The controls that what lies there was written for.
    pub(super) fn controls(&self) -> Vec<ControlId> {
        let contents = self.present.values().map(|(content, _)| content);
        contents.flat_map(|content| controls_of(content)).collect()
    }

    /// Whether a drop-in of ours lies there.
    pub(super) fn is_there(&self) -> bool {
        !self.present.is_empty()
    }

    /// Whether what lies there brings back another command than the unit has now.
    pub(super) fn is_stale(&self, pass: &Pass<'_>) -> bool {
        self.is_there() && self.words(pass).is_none()
    }

    /// The changes after which this command, or none of ours, is there.
    pub(super) fn changes(
        &self,
        pass: &Pass<'_>,
        command: Option<&Overriding>,
    ) -> Result<Vec<(Vec<ControlId>, Change)>, HostError> {
        let mut changes = Vec::new();
        if let Some(overriding) = command {
            let written = self.written(pass, overriding.content.clone().into_bytes())?;
            let of_controls = |change| (overriding.controls.clone(), change);
            changes.extend(written.into_iter().map(of_controls));
        }
        let others = self.present.iter();
        let others = others.filter(|(path, _)| **path != self.path || command.is_none());
        changes.extend(others.map(removal));
        Ok(changes)
    }

    fn written(&self, pass: &Pass<'_>, content: Vec<u8>) -> Result<Vec<Change>, HostError> {
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
            return Ok(Vec::new());
        }
        let mut changes = pass.missing_directories(&self.path)?;
        changes.push(change(self.path.clone(), before, after));
        Ok(changes)
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
    match own_files(pass.host, pass.written, &directory_of(&unit.name), UNIT) {
        Ok((_, found)) => Ok(found),
        Err(HostError::Refused { .. }) => Ok(OwnFiles::new()),
        Err(error) => Err(error),
    }
}

/// The removal of our drop-ins for units that this node is not judged by: when one of them is started again, or comes back, they would
/// bring back a command from long ago.
pub(super) fn of_other_units(pass: &Pass<'_>) -> Vec<(Vec<ControlId>, Change)> {
    let Some(unit) = &pass.node.unit else {
        return Vec::new();
    };
    let names = pass.host.root.names(Path::new(DIRECTORY)).ok().flatten();
    let names = names.unwrap_or_default().into_iter();
    let others = names.filter_map(|name| {
        let other = name.to_str()?.strip_suffix(".d")?;
        (is_k3s_name(other) && other != unit.name).then(|| directory_of(other))
    });
    let mut changes = Vec::new();
    for directory in others {
        let (_, ours) = own_files(pass.host, pass.written, &directory, UNIT).unwrap_or_default();
        // What an old command says of encryption may be said nowhere else.
        let harmless = ours
            .iter()
            .filter(|(_, (content, _))| !text::mentions_encryption(content));
        changes.extend(harmless.map(removal));
    }
    changes
}

fn directory_of(unit: &str) -> PathBuf {
    Path::new(DIRECTORY).join(format!("{unit}.d"))
}

fn removal(
    (path, (content, attributes)): (&PathBuf, &(Vec<u8>, Attributes)),
) -> (Vec<ControlId>, Change) {
    let before = State::File {
        content: content.clone(),
        attributes: attributes.clone(),
    };
    let controls = controls_of(content).into_iter().collect();
    (controls, change(path.clone(), before, State::Absent))
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
