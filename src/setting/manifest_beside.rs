//! What keeps K3s from deploying a manifest that lies there: its name in `disable`, a `.skip` beside it, or another file of
//! the same name up to the first dot (K3s pkg/deploy/controller.go).

use std::path::{Path, PathBuf};

use super::Subject;
use crate::host::{HostError, Root};
use crate::k3s::{addon, is_deployed};

/// K3s walks all of the tree; deeper than this nobody nests manifests.
const DEEPEST: usize = 8;

/// Why K3s would not deploy a file, or not for long.
pub(super) enum Hindrance {
    /// `disable` names it: K3s deletes the file and the objects of its Addon, every 15 s. With the place.
    Disabled(String),
    /// A `.skip` of the operator's beside it.
    Skipped(PathBuf),
    /// Another file that K3s takes for the same.
    Twin(PathBuf),
}

impl Hindrance {
    /// What is found, without the place.
    pub(super) const fn observed(&self) -> &'static str {
        match self {
            Self::Disabled(_) => "disabled by its name, so that K3s deletes it and its objects",
            Self::Skipped(_) => "K3s skips it, because of this file",
            Self::Twin(_) => {
                "another file of this name, which K3s takes for the same: each takes the other's objects away"
            }
        }
    }

    /// Where that is.
    pub(super) fn seen_at(&self) -> String {
        match self {
            Self::Disabled(place) => place.clone(),
            Self::Skipped(path) | Self::Twin(path) => path.display().to_string(),
        }
    }

    /// The same in one sentence, with the mend.
    pub(super) fn told_of(&self, manifest: &Path) -> String {
        let (manifest, place) = (manifest.display(), self.seen_at());
        match self {
            Self::Disabled(_) => {
                format!(
                    "`disable` names {manifest}, so that K3s deletes it; take that name out of {place}"
                )
            }
            Self::Skipped(_) => {
                format!("K3s skips {manifest}, because of {place}; remove that file")
            }
            Self::Twin(_) => format!(
                "K3s takes {manifest} and {place} for the same, and each takes the other's objects away; give that file another name"
            ),
        }
    }
}

/// Looks for what hinders a manifest.
pub(super) fn hindrance(
    subject: &Subject<'_>,
    manifest: &Path,
) -> Result<Option<Hindrance>, HostError> {
    let (Some(directory), Some(name)) = (manifest.parent(), file_name(manifest)) else {
        return Ok(None);
    };
    let stem = addon(name);
    if subject.disabled.iter().any(|disabled| disabled == stem) {
        return Ok(Some(Hindrance::Disabled(place_of(subject, stem))));
    }
    let mut beside = Vec::new();
    walk(&subject.host.root, directory, DEEPEST, &mut beside)?;
    let skip = format!("{name}.skip");
    let hindrance = beside.into_iter().find_map(|path| {
        let other = file_name(&path)?;
        if other == skip {
            Some(Hindrance::Skipped(path))
        } else if path != manifest && is_deployed(other) && addon(other) == stem {
            Some(Hindrance::Twin(path))
        } else {
            None
        }
    });
    Ok(hindrance)
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn walk(
    root: &Root,
    directory: &Path,
    depth: usize,
    found: &mut Vec<PathBuf>,
) -> Result<(), HostError> {
    let Some(depth) = depth.checked_sub(1) else {
        return Ok(());
    };
    for listed in root.listing(directory)?.unwrap_or_default() {
        let path = directory.join(listed.name);
        if listed.is_directory {
            walk(root, &path, depth, found)?;
        }
        found.push(path);
    }
    Ok(())
}

/// Where `disable` names it; K3s splits each value at its commas.
fn place_of(subject: &Subject<'_>, stem: &str) -> String {
    let named = |value: &str| value.split(',').any(|name| name.trim() == stem);
    let effective = (subject.effective)().ok();
    let option =
        effective.and_then(|effective| effective.configuration.merge.options.get("disable"));
    let values = option.into_iter().flat_map(|option| &option.values);
    let mut places = values
        .filter(|value| named(&value.value))
        .map(|value| value.place.to_string());
    places.next_back().unwrap_or_else(|| "disable".to_owned())
}
