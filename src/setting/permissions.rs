//! Owner and bits of what K3s writes.

use std::path::{Path, PathBuf};

use crate::catalogue::{EntryKind, PermissionsSetting};
use crate::host::{FileMode, Found, HostError, Kind};
use crate::k3s::Place;

use super::{Finding, Outcome, Remedy, Subject, attributes, option};

pub(super) fn judge(setting: &PermissionsSetting, subject: &Subject<'_>) -> Vec<Finding> {
    let Some(path) = subject.places.expand(&setting.path) else {
        return vec![not_applicable(&setting.path, "this node has no such place")];
    };
    let limit = limit(setting, subject);
    match matches(setting, &path, subject) {
        Err(error) => {
            vec![Finding::unreadable(
                path.display().to_string(),
                attributes::wanted(limit),
                &error,
            )]
        }
        Ok(paths) => judge_all(setting, &path, paths, limit, subject),
    }
}

/// Judges one path of those that the setting is about, without looking at the others; nothing if it is about another.
pub(super) fn judge_path(
    setting: &PermissionsSetting,
    named: &Path,
    subject: &Subject<'_>,
) -> Vec<Finding> {
    let Some(path) = subject.places.expand(&setting.path) else {
        return Vec::new();
    };
    let is_one_of_them = if has_pattern(&setting.path) {
        let name = named
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let pattern = path.file_name().unwrap_or_default().to_string_lossy();
        path.parent() == named.parent()
            && matches_pattern(&pattern, &name)
            && !setting.except.contains(&name)
    } else {
        path == named
    };
    if !is_one_of_them {
        return Vec::new();
    }
    judge_one(setting, named, limit(setting, subject), subject)
        .into_iter()
        .collect()
}

fn limit(setting: &PermissionsSetting, subject: &Subject<'_>) -> FileMode {
    subject
        .edition
        .and_then(|edition| setting.mode_by_edition.get(edition))
        .copied()
        .unwrap_or(setting.mode)
}

fn judge_all(
    setting: &PermissionsSetting,
    pattern: &Path,
    paths: Vec<PathBuf>,
    limit: FileMode,
    subject: &Subject<'_>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut held = Vec::new();
    for path in paths {
        match judge_one(setting, &path, limit, subject) {
            Some(finding) if finding.outcome == Outcome::Holds => held.push(finding),
            Some(finding) => findings.push(finding),
            None => {}
        }
    }
    match held.len() {
        0 if findings.is_empty() => {
            let what = pattern.display().to_string();
            findings.push(not_applicable(&what, "it does not exist on this node"));
        }
        0 => {}
        // One line for many files that hold.
        1 => findings.append(&mut held),
        count => findings.push(Finding {
            what: pattern.display().to_string(),
            wanted: attributes::wanted(limit),
            observed: format!("{count} hold"),
            seen_at: pattern.display().to_string(),
            outcome: Outcome::Holds,
        }),
    }
    findings
}

fn judge_one(
    setting: &PermissionsSetting,
    path: &Path,
    limit: FileMode,
    subject: &Subject<'_>,
) -> Option<Finding> {
    let root = &subject.host.root;
    let expected = match setting.kind {
        EntryKind::File => Kind::File,
        EntryKind::Directory => Kind::Directory,
    };
    let look = |path: &Path| -> Result<Option<Finding>, HostError> {
        let Some(found) = root.find(path)? else {
            return Ok(None);
        };
        let kind = found.entry.kind;
        let is_pattern = has_pattern(&setting.path);
        // A pattern is about one kind: `server/tls/*` names directories too.
        if is_pattern && kind == Kind::Directory && expected == Kind::File {
            return Ok(None);
        }
        if kind == Kind::Link && setting.follow {
            return Ok(Some(judge_target(path, &found, expected, limit, subject)?));
        }
        Ok(Some(attributes::judge(root, path, &found, expected, limit)))
    };
    match look(path) {
        Ok(finding) => finding.map(|finding| left_to_k3s(setting, finding, limit, subject)),
        Err(error) => Some(Finding::unreadable(
            path.display().to_string(),
            attributes::wanted(limit),
            &error,
        )),
    }
}

/// What K3s sets anew at each start, as an option tells it, is not fought over: the option is to be mended.
fn left_to_k3s(
    setting: &PermissionsSetting,
    finding: Finding,
    limit: FileMode,
    subject: &Subject<'_>,
) -> Finding {
    if !matches!(finding.outcome, Outcome::Diverges(_)) {
        return finding;
    }
    let asked = |option: &Option<String>, asks: &dyn Fn(&str, &Place) -> bool| {
        let option = option.as_deref()?;
        let effective = (subject.effective)().ok()?;
        let (value, place) = option::in_force(effective, option)?;
        let text = value.elements().join(",");
        asks(&text, &place).then(|| format!("{option} ({place})"))
    };
    let wider = |text: &str, place: &Place| {
        let mode = u32::from_str_radix(text, 8).map(FileMode::new);
        let outranks = matches!(place, Place::ExecStart { .. } | Place::ExecStartLine { .. });
        outranks && mode.is_ok_and(|mode| mode.bits() & !limit.bits() != 0)
    };
    let any = |text: &str, _: &Place| !text.is_empty();
    let asked = asked(&setting.mode_option, &wider).or_else(|| asked(&setting.group_option, &any));
    match asked {
        Some(by) => Finding {
            observed: format!("{}, as {by} has K3s set it at each start", finding.observed),
            outcome: Outcome::Diverges(vec![Remedy::ByOperator]),
            ..finding
        },
        None => finding,
    }
}

/// Judges what a link of K3s's own points at: `node-token` is a link to `token`, `k3s.yaml` to wherever
/// `write-kubeconfig` says. A link that others than root may have made is none of K3s's, and its target none of ours.
fn judge_target(
    link: &Path,
    found: &Found,
    expected: Kind,
    limit: FileMode,
    subject: &Subject<'_>,
) -> Result<Finding, HostError> {
    let root = &subject.host.root;
    let is_roots = found.entry.attributes.uid == root.superuser().0;
    if !is_roots || found.exchangeable_in.is_some() {
        return Ok(attributes::judge(root, link, found, expected, limit));
    }
    let target = root.read_link(link)?.unwrap_or_default();
    let target = link.parent().unwrap_or(Path::new("/")).join(target);
    match root.find(&target)? {
        Some(found) => Ok(attributes::judge(root, &target, &found, expected, limit)),
        None => Ok(not_applicable(
            &link.display().to_string(),
            &format!("it is a link to {}, which does not exist", target.display()),
        )),
    }
}

fn matches(
    setting: &PermissionsSetting,
    path: &Path,
    subject: &Subject<'_>,
) -> Result<Vec<PathBuf>, HostError> {
    let (Some(directory), Some(pattern)) =
        (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return Ok(Vec::new());
    };
    if !has_pattern(&setting.path) {
        return Ok(vec![path.to_path_buf()]);
    }
    // Found as what is in it will be found: through links that root made, and none below the data dir.
    subject.host.root.look(path)?;
    let names = subject.host.root.names(directory)?.unwrap_or_default();
    Ok(names
        .into_iter()
        .filter(|name| {
            let name = name.to_string_lossy();
            matches_pattern(pattern, &name) && !setting.except.iter().any(|except| *except == name)
        })
        .map(|name| directory.join(name))
        .collect())
}

fn has_pattern(path: &str) -> bool {
    path.contains('*')
}

/// Whether a name fits a shell pattern with `*` only.
#[must_use]
pub fn matches_pattern(pattern: &str, name: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(first) = pieces.next() else {
        return false;
    };
    let Some(mut rest) = name.strip_prefix(first) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        let Some((_, after)) = rest.split_once(piece) else {
            return false;
        };
        rest = after;
    }
    rest.is_empty()
}

fn not_applicable(what: &str, reason: &str) -> Finding {
    Finding {
        what: what.to_owned(),
        wanted: String::new(),
        observed: "absent".to_owned(),
        seen_at: what.to_owned(),
        outcome: Outcome::NotApplicable(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::matches_pattern;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, name, expected) in [
            ("*.crt", "client-ca.crt", true),
            ("*.crt", "client-ca.key", false),
            ("*", "anything", true),
            ("service*.key", "service.current.key", true),
            ("service*.key", "service.key", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXc", false),
            ("token", "token", true),
            ("token", "token2", false),
        ] {
            assert_eq!(matches_pattern(pattern, name), expected, "{pattern} {name}");
        }
    }
}
