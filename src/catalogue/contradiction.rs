//! Two controls that set one thing to different values: each would be made true by undoing the other, at every pass.
//!
//! Permissions do not contradict each other: each names bits that may not be there.

use super::fault::Fault;
use super::load::place;
use super::{Control, Requirement, Setting, SettingBody, is_loopback};
use crate::host::SysctlKey;

/// The first setting that contradicts one of a control before, with its line.
pub(super) fn of(before: &[Control], control: &Control) -> Option<(usize, Fault)> {
    for other in before.iter().filter(|other| may_meet(control, other)) {
        for setting in &control.settings {
            let contradicts = |theirs: &&Setting| {
                meet(control, setting, other, theirs) && contradict(&setting.body, &theirs.body)
            };
            if let Some(theirs) = other.settings.iter().find(contradicts) {
                let fault = Fault {
                    word: word(&setting.body),
                    message: format!(
                        "control `{}` contradicts `{}`, {}: \"{setting}\" here, \"{theirs}\" there",
                        control.id,
                        other.id,
                        place(other, theirs.line)
                    ),
                    hint: Some(
                        "ask for the same, or for other versions or another role".to_owned(),
                    ),
                };
                return Some((setting.line, fault));
            }
        }
    }
    None
}

/// Whether one node may have both.
fn may_meet(one: &Control, other: &Control) -> bool {
    fn alike<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
        one.is_none() || other.is_none() || one == other
    }
    alike(one.role, other.role) && alike(one.datastore, other.datastore)
}

fn meet(control: &Control, setting: &Setting, other: &Control, theirs: &Setting) -> bool {
    let ranges = [setting.k3s, other.k3s, theirs.k3s];
    let common = ranges
        .into_iter()
        .try_fold(control.k3s, |common, range| common.and(range));
    common.is_some()
}

fn contradict(one: &SettingBody, other: &SettingBody) -> bool {
    match (one, other) {
        (SettingBody::Sysctl(one), SettingBody::Sysctl(other)) => {
            let key = |text: &str| SysctlKey::parse(text).ok();
            key(&one.key) == key(&other.key) && one.value != other.value
        }
        (SettingBody::File(one), SettingBody::File(other)) => {
            one.path == other.path && one.section == other.section && one.content != other.content
        }
        (SettingBody::File(file), SettingBody::Directory(directory))
        | (SettingBody::Directory(directory), SettingBody::File(file)) => {
            file.path == directory.path
        }
        (SettingBody::Manifest(one), SettingBody::Manifest(other)) => {
            one.name == other.name && one.content != other.content
        }
        (SettingBody::Option(one), SettingBody::Option(other)) => {
            one.name == other.name
                && exclude((&one.require, &one.set), (&other.require, &other.set))
        }
        (SettingBody::Argument(one), SettingBody::Argument(other)) => {
            (one.component, &one.flag) == (other.component, &other.flag)
                && exclude((&one.require, &one.set), (&other.require, &other.set))
        }
        _ => false,
    }
}

type Asked<'s> = (&'s Requirement, &'s Option<String>);

/// Whether what each writes is what the other does not allow. A value that both allow ends the quarrel.
fn exclude((require, set): Asked<'_>, (other_require, other_set): Asked<'_>) -> bool {
    let (Some(set), Some(other_set)) = (set, other_set) else {
        return false;
    };
    !allows(require, other_set) && !allows(other_require, set)
}

/// Whether a value that is written fulfils a requirement; what a parameter or the rest of a list decides is given the
/// benefit of the doubt.
fn allows(require: &Requirement, value: &str) -> bool {
    if value.contains('{') {
        return true;
    }
    let number = value.parse::<i64>().ok();
    match require {
        Requirement::Equals(wanted) => value == wanted,
        Requirement::NotEquals(unwanted) => value != unwanted,
        Requirement::OneOf(values) => values.iter().any(|wanted| wanted == value),
        Requirement::Absent(absent) => !absent,
        Requirement::AtLeast(_) | Requirement::AtMost(_) | Requirement::MoreThan(_) => {
            number.is_none_or(|number| require.bound_missed(number).is_none())
        }
        Requirement::Includes(_)
        | Requirement::Excludes(_)
        | Requirement::SubsetOf(_)
        | Requirement::Present(_)
        | Requirement::NonzeroDuration(_)
        | Requirement::GateNotOff(_) => true,
        Requirement::Loopback(_) => is_loopback(value),
    }
}

/// What to point at.
fn word(setting: &SettingBody) -> Option<String> {
    Some(match setting {
        SettingBody::Sysctl(sysctl) => sysctl.value.clone(),
        SettingBody::Directory(directory) => directory.path.clone(),
        SettingBody::File(file) => file.content.clone(),
        SettingBody::Permissions(permissions) => permissions.path.clone(),
        SettingBody::Option(option) => option.set.clone()?,
        SettingBody::Argument(argument) => argument.set.clone()?,
        SettingBody::Manifest(manifest) => manifest.content.clone(),
    })
    .map(|word| format!("\"{word}\""))
}
