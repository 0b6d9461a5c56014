//! Links that K3s makes in the place of its own files, judged at what they lead to.

use std::path::{Path, PathBuf};

use crate::catalogue::{PermissionsSetting, Value};
use crate::host::{FileMode, Found, HostError, Kind};

use super::permissions::not_applicable;
use super::{Finding, Outcome, Subject, attributes, option};

/// Judges what a link of K3s's own points at. A link that others than root may have made is none of K3s's, and so is one
/// that leads elsewhere than K3s links to, whoever made it: what is behind it is none of ours.
pub(super) fn judge(
    setting: &PermissionsSetting,
    (link, found): (&Path, &Found),
    expected: Kind,
    limit: FileMode,
    subject: &Subject<'_>,
) -> Result<Finding, HostError> {
    let root = &subject.host.root;
    let untouched = || Ok(attributes::judge(root, link, found, expected, limit));
    let is_roots = found.entry.attributes.uid == root.superuser().0;
    if !is_roots || found.exchangeable_in.is_some() {
        return untouched();
    }
    let target = root.read_link(link)?.unwrap_or_default();
    let target = link.parent().unwrap_or(Path::new("/")).join(target);
    let Some(behind) = root.find(&target)? else {
        return Ok(not_applicable(
            &link.display().to_string(),
            &format!("it is a link to {}, which does not exist", target.display()),
        ));
    };
    let own = match linked_to(setting, subject) {
        Ok(own) => own,
        Err(reason) => {
            let reason = format!(
                "it is a link to {}, and whether K3s made it is not known: {reason}",
                target.display()
            );
            return Ok(unknown(link, limit, reason));
        }
    };
    // By what it is and not by its name: K3s keeps a link that leads to a data dir under a name of before.
    match own.map(|own| Ok((root.find(&own)?, own))).transpose()? {
        Some((Some(found), own)) if found.entry.identity == behind.entry.identity => {
            Ok(attributes::judge(root, &own, &found, expected, limit))
        }
        _ => untouched(),
    }
}

/// What K3s itself makes the path a link to (`printTokens` and `writeKubeConfig` in K3s's pkg/server/server.go); `None`
/// where it makes none. A relative path is looked for where K3s happens to be started, which nobody here knows.
fn linked_to(
    setting: &PermissionsSetting,
    subject: &Subject<'_>,
) -> Result<Option<PathBuf>, String> {
    if let Some(path) = &setting.follow {
        return Ok(subject.places.expand(path));
    }
    let Some(option) = &setting.follow_option else {
        return Ok(None);
    };
    let path = match option::in_force((subject.effective)()?, option) {
        Some((Value::Scalar(path), _)) => PathBuf::from(path),
        _ => return Ok(None),
    };
    Ok(Some(path).filter(|path| path.is_absolute()))
}

fn unknown(path: &Path, limit: FileMode, reason: String) -> Finding {
    Finding {
        what: path.display().to_string(),
        wanted: attributes::wanted(limit),
        observed: "unknown".to_owned(),
        seen_at: path.display().to_string(),
        outcome: Outcome::Unknown(reason),
    }
}
