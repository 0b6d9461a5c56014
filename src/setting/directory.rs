//! Directories with no more than some bits.

use std::path::{Path, PathBuf};

use crate::catalogue::DirectorySetting;
use crate::host::{Attributes, FileMode, HostError, Kind, State, Thing, Touches};

use super::{Change, Effect, Finding, Outcome, Remedy, Stage, Subject, attributes};

/// K3s makes its data dir and what is above it with these bits (K3s pkg/server/server.go).
const ABOVE_DATA_DIR: FileMode = FileMode::new(0o755);
/// K3s makes `server` and `agent` with these bits.
const BELOW_DATA_DIR: FileMode = FileMode::new(0o700);

pub(super) fn judge(setting: &DirectorySetting, subject: &Subject<'_>) -> Vec<Finding> {
    let Some(path) = subject.places.expand(&setting.path) else {
        return Vec::new();
    };
    let finding = match subject.host.root.find(&path) {
        Err(error) => Finding::unreadable(
            path.display().to_string(),
            attributes::wanted(setting.mode),
            &error,
        ),
        Ok(Some(found)) => attributes::judge(
            &subject.host.root,
            &path,
            &found,
            Kind::Directory,
            setting.mode,
        ),
        Ok(None) => absent(setting, &path, subject),
    };
    vec![finding]
}

fn absent(setting: &DirectorySetting, path: &Path, subject: &Subject<'_>) -> Finding {
    let what = path.display().to_string();
    let outcome = if setting.create {
        match creation(subject, path, setting.mode) {
            Ok(changes) => Outcome::Diverges(changes.into_iter().map(Remedy::Change).collect()),
            Err(error) => {
                return Finding::unreadable(what, attributes::wanted(setting.mode), &error);
            }
        }
    } else {
        Outcome::NotApplicable("it does not exist on this node".to_owned())
    };
    Finding {
        seen_at: what.clone(),
        what,
        wanted: attributes::wanted(setting.mode),
        observed: "absent".to_owned(),
        outcome,
    }
    .unless_hindered(&subject.host.root, path, Touches::Name)
}

/// The directories to create so that a path is a directory, outermost first.
pub(super) fn creation(
    subject: &Subject<'_>,
    path: &Path,
    mode: FileMode,
) -> Result<Vec<Change>, HostError> {
    let stage = Stage::Directory;
    let mut changes = missing_parents(subject, path, stage)?;
    changes.push(created(subject, path.to_path_buf(), mode, stage));
    Ok(changes)
}

/// The directories to create so that a path has a parent, outermost first, in the stage of what comes into them.
///
/// # Errors
/// When a directory on the way cannot be looked at.
pub fn missing_parents(
    subject: &Subject<'_>,
    path: &Path,
    stage: Stage,
) -> Result<Vec<Change>, HostError> {
    let mut missing = Vec::new();
    for directory in path.ancestors().skip(1) {
        if subject.host.root.look_through(directory)?.is_some() {
            break;
        }
        let inside =
            directory != subject.places.data_dir && directory.starts_with(&subject.places.data_dir);
        let mode = if inside {
            BELOW_DATA_DIR
        } else {
            ABOVE_DATA_DIR
        };
        missing.push(created(subject, directory.to_path_buf(), mode, stage));
    }
    missing.reverse();
    Ok(missing)
}

fn created(subject: &Subject<'_>, path: PathBuf, mode: FileMode, stage: Stage) -> Change {
    let (uid, gid) = subject.host.root.superuser();
    Change {
        thing: Thing::Path(path),
        before: State::Absent,
        after: State::Directory(Attributes { mode, uid, gid }),
        stage,
        effect: Effect::None,
    }
}
