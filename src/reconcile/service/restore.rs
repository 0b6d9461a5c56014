//! Putting our part back as changes like all others: recorded first, undone by revert.

use std::path::{Path, PathBuf};

use crate::catalogue::ControlId;
use crate::host::{Attributes, Extent, FileMode, Host, HostError, State, Thing};
use crate::reconcile::PlannedChange;
use crate::reconcile::configuration::unit_override;
use crate::reconcile::restart::own_part::PutBack;
use crate::setting::configuration::parse;
use crate::setting::{Change, Effect, Stage};

/// Whose name a change bears when no control can be found for it.
const NOBODY: &str = "k3warden";

/// The changes of a put-back in an order in which K3s can start between any two: files that the configuration names
/// come before it, and go after it.
///
/// # Errors
/// When a file cannot be looked at.
pub fn changes(host: &Host, back: &PutBack) -> Result<Vec<PlannedChange>, HostError> {
    let is_configuration = |path: &&String| path.ends_with("z-k3warden.yaml");
    let (configuration, named): (Vec<&String>, Vec<&String>) =
        back.write.iter().partition(is_configuration);
    let (old_configuration, no_longer_named): (Vec<&String>, Vec<&String>) =
        back.remove.iter().partition(is_configuration);
    let order = [named, configuration, old_configuration, no_longer_named];
    let paths = order.into_iter().flatten();
    paths.map(|path| change(host, back, path)).collect()
}

fn change(host: &Host, back: &PutBack, path: &str) -> Result<PlannedChange, HostError> {
    let thing = Thing::Path(PathBuf::from(path));
    let before = host.capture(&thing, Extent::Whole)?;
    let (uid, gid) = host.root.superuser();
    let after = match (back.part.files.get(path), &before) {
        (None, _) => State::Absent,
        (Some(file), State::File { attributes, .. }) => State::File {
            content: file.content.clone().into_bytes(),
            attributes: attributes.clone(),
        },
        (Some(file), _) => State::File {
            content: file.content.clone().into_bytes(),
            attributes: Attributes {
                mode: FileMode::new(file.mode),
                uid,
                gid,
            },
        },
    };
    // A command that once worked stands for a unit that may have been written anew; the operator's own is the way back.
    let (after, stage, effect) = match unit_override::is_ours(Path::new(path)) {
        true => (
            State::Absent,
            Stage::UnitDropIn,
            Effect::DaemonReloadAndK3sRestart,
        ),
        false => (after, Stage::Configuration, Effect::K3sRestart),
    };
    let controls = controls(&before, &after);
    Ok(PlannedChange {
        controls,
        change: Change {
            thing,
            before,
            after,
            stage,
            effect,
        },
    })
}

/// Our drop-in names the control of each line.
fn controls(before: &State, after: &State) -> Vec<ControlId> {
    let mut controls: Vec<ControlId> = Vec::new();
    for state in [before, after] {
        if let State::File { content, .. } = state {
            controls.extend(parse(&String::from_utf8_lossy(content)).into_values());
            controls.extend(unit_override::controls_of(content));
        }
    }
    controls.sort_unstable();
    controls.dedup();
    if controls.is_empty() {
        controls.extend(ControlId::parse(NOBODY));
    }
    controls
}
