//! Owner and bits: "600 or more restrictive, owned by root:root".

use std::path::Path;

use crate::host::{Attributes, FileMode, Found, Kind, Root, State, Thing, Touches};

use super::{Change, Effect, Finding, Outcome, Remedy, Stage};

/// Words for what is wanted, as in the benchmark.
pub(super) fn wanted(limit: FileMode) -> String {
    format!("{limit} or stricter, root:root")
}

/// Words for what is there.
pub(super) fn observed(attributes: &Attributes) -> String {
    let name = |id: u32| {
        if id == 0 {
            "root".to_owned()
        } else {
            id.to_string()
        }
    };
    format!(
        "{} {}:{}",
        attributes.mode,
        name(attributes.uid),
        name(attributes.gid)
    )
}

/// What the attributes should become; the same again where they hold. A stricter mode of the operator's stands.
pub(super) fn tightened(root: &Root, current: &Attributes, limit: FileMode) -> Attributes {
    let (uid, gid) = root.superuser();
    Attributes {
        mode: current.mode.intersection(limit),
        uid,
        gid,
    }
}

/// Judges owner and bits of what stands at a path.
pub(super) fn judge(
    root: &Root,
    path: &Path,
    found: &Found,
    expected: Kind,
    limit: FileMode,
) -> Finding {
    let what = path.display().to_string();
    match root.hazard_or_exchange(found, path, expected) {
        Err(error) => return Finding::unreadable(what, wanted(limit), &error),
        Ok(Some(refusal)) => {
            return Finding {
                seen_at: what.clone(),
                what,
                wanted: wanted(limit),
                observed: "unknown".to_owned(),
                outcome: Outcome::Untouched(refusal.to_string()),
            };
        }
        Ok(None) => {}
    }
    let current = &found.entry.attributes;
    let after = tightened(root, current, limit);
    let outcome = if after == *current {
        Outcome::Holds
    } else {
        Outcome::Diverges(vec![Remedy::Change(Change {
            thing: Thing::Path(path.to_path_buf()),
            before: State::Attributes(current.clone()),
            after: State::Attributes(after),
            stage: match expected {
                Kind::Directory => Stage::Directory,
                _ => Stage::Permissions,
            },
            effect: Effect::None,
        })])
    };
    Finding {
        seen_at: what.clone(),
        what,
        wanted: wanted(limit),
        observed: observed(current),
        outcome,
    }
    .unless_hindered(root, path, Touches::Attributes)
}
