//! Owner and bits of what K3s writes.

use std::path::{Path, PathBuf};

use crate::catalogue::{EntryKind, PermissionsSetting};
use crate::host::{FileMode, HostError, Kind};
use crate::k3s::Place;

use super::pattern::{self, Fit, Way, matches_pattern};
use super::{Finding, Outcome, Remedy, Subject, attributes, option, own_link};

pub(super) fn judge(setting: &PermissionsSetting, subject: &Subject<'_>) -> Vec<Finding> {
    let Some(path) = subject.places.expand(&setting.path) else {
        return vec![not_applicable(&setting.path, "this node has no such place")];
    };
    let limit = limit(setting, subject);
    let unreadable = |path: &Path, error: &HostError| {
        Finding::unreadable(path.display().to_string(), attributes::wanted(limit), error)
    };
    if !pattern::is_pattern(&setting.path) {
        return judge_all(setting, &path, vec![path.clone()], Vec::new(), subject);
    }
    let way = match Way::to(&subject.host.root, &path) {
        Ok(way) => way,
        Err(error) => return vec![unreadable(&path, &error)],
    };
    let name = path.file_name().unwrap_or_default();
    let (mut paths, mut unread) = (Vec::new(), Vec::new());
    for directory in way.ends {
        match names(setting, &directory.join(name), subject) {
            Ok(found) => paths.extend(found),
            Err(error) => unread.push(unreadable(&directory.join(name), &error)),
        }
    }
    judge_all(setting, &path, paths, unread, subject)
}

/// Judges one path of those that the setting is about, without looking at the others; nothing if it is about another. Of
/// a directory on the way to them all is judged: what was in it when it came is named by no event.
pub(super) fn judge_path(
    setting: &PermissionsSetting,
    named: &Path,
    subject: &Subject<'_>,
) -> Vec<Finding> {
    let Some(path) = subject.places.expand(&setting.path) else {
        return Vec::new();
    };
    match pattern::fit(&path, named) {
        Some(Fit::Whole) if !is_excepted(setting, named) => {
            let finding = judge_one(setting, named, limit(setting, subject), subject);
            finding.into_iter().collect()
        }
        Some(Fit::Way) => {
            let mut findings = judge(setting, subject);
            findings.retain(|finding| !matches!(finding.outcome, Outcome::NotApplicable(_)));
            findings
        }
        _ => Vec::new(),
    }
}

fn is_excepted(setting: &PermissionsSetting, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    pattern::is_pattern(&setting.path) && setting.except.iter().any(|except| *except == name)
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
    mut findings: Vec<Finding>,
    subject: &Subject<'_>,
) -> Vec<Finding> {
    let limit = limit(setting, subject);
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
        let is_pattern = pattern::is_pattern(&setting.path);
        // A pattern is about one kind: `server/tls/*` names directories too.
        if is_pattern && kind == Kind::Directory && expected == Kind::File {
            return Ok(None);
        }
        if kind == Kind::Link && setting.follows() {
            let link = (path, &found);
            return Ok(Some(own_link::judge(
                setting, link, expected, limit, subject,
            )?));
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

/// What a pattern in one directory stands for.
fn names(
    setting: &PermissionsSetting,
    pattern: &Path,
    subject: &Subject<'_>,
) -> Result<Vec<PathBuf>, HostError> {
    let (Some(directory), Some(wanted)) = (
        pattern.parent(),
        pattern.file_name().and_then(|n| n.to_str()),
    ) else {
        return Ok(Vec::new());
    };
    // Found as what is in it will be found: through links that root made, and none below the data dir.
    subject.host.root.look(pattern)?;
    let names = subject.host.root.names(directory)?.unwrap_or_default();
    Ok(names
        .into_iter()
        .filter(|name| matches_pattern(wanted, &name.to_string_lossy()))
        .map(|name| directory.join(name))
        .filter(|path| !is_excepted(setting, path))
        .collect())
}

pub(super) fn not_applicable(what: &str, reason: &str) -> Finding {
    Finding {
        what: what.to_owned(),
        wanted: String::new(),
        observed: "absent".to_owned(),
        seen_at: what.to_owned(),
        outcome: Outcome::NotApplicable(reason.to_owned()),
    }
}
