//! Two controls that set one thing to different values: each would be made true by undoing the other, at every pass.
//!
//! Permissions do not contradict each other: each names bits that may not be there.

use super::fault::Fault;
use super::{Control, Placeholders, Requirement, Setting, SettingBody, Value, holds};
use crate::host::SysctlKey;
use crate::k3s::addon;

/// The first setting that contradicts one before, of another control or of its own, with its line.
pub(super) fn of(before: &[Control], control: &Control) -> Option<(usize, Fault)> {
    let others = before.iter().filter(|other| may_meet(control, other));
    let others: Vec<&Control> = others.collect();
    let mut settings = control.settings.iter().enumerate();
    settings.find_map(|(index, setting)| {
        let ours = Placed { control, setting };
        let of_others = others
            .iter()
            .find_map(|other| first(ours, other, &other.settings));
        let earlier = control.settings.get(..index).unwrap_or_default();
        let fault = of_others.or_else(|| first(ours, control, earlier))?;
        Some((setting.line, fault))
    })
}

/// A setting with the control that it is of.
#[derive(Clone, Copy)]
struct Placed<'c> {
    control: &'c Control,
    setting: &'c Setting,
}

fn first(ours: Placed<'_>, other: &Control, settings: &[Setting]) -> Option<Fault> {
    let theirs = settings.iter().map(|setting| Placed {
        control: other,
        setting,
    });
    let mut theirs = theirs.filter(|theirs| meet(ours, *theirs) && contradict(ours, *theirs));
    let Placed { setting, .. } = theirs.next()?;
    let (control, here) = (ours.control, ours.setting);
    let message = match control.id == other.id {
        true => format!(
            "control `{}` contradicts itself: \"{here}\" here, \"{setting}\" on line {}",
            control.id, setting.line
        ),
        false => format!(
            "control `{}` contradicts `{}`, {}: \"{here}\" here, \"{setting}\" there",
            control.id,
            other.id,
            other.place_of(setting.line)
        ),
    };
    let hint = "ask for the same, or for other versions or another role".to_owned();
    Some(Fault {
        word: word(&here.body),
        message,
        hint: Some(hint),
    })
}

/// Whether one node may have both.
fn may_meet(one: &Control, other: &Control) -> bool {
    fn alike<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
        one.is_none() || other.is_none() || one == other
    }
    alike(one.role, other.role) && alike(one.datastore, other.datastore)
}

fn meet(ours: Placed<'_>, theirs: Placed<'_>) -> bool {
    let ranges = [ours.setting.k3s, theirs.control.k3s, theirs.setting.k3s];
    let common = ranges
        .into_iter()
        .try_fold(ours.control.k3s, |common, range| common.and(range));
    common.is_some()
}

fn contradict(ours: Placed<'_>, theirs: Placed<'_>) -> bool {
    match (&ours.setting.body, &theirs.setting.body) {
        (SettingBody::Sysctl(one), SettingBody::Sysctl(other)) => {
            let key = |text: &str| SysctlKey::parse(text).ok();
            key(&one.key) == key(&other.key) && one.value != other.value
        }
        (SettingBody::File(one), SettingBody::File(other)) => {
            let is_section_of_whole = one.section.is_some() != other.section.is_some();
            let is_other_content = one.section == other.section && one.content != other.content;
            one.path == other.path && (is_section_of_whole || is_other_content)
        }
        (SettingBody::File(file), SettingBody::Directory(directory))
        | (SettingBody::Directory(directory), SettingBody::File(file)) => {
            file.path == directory.path
        }
        (SettingBody::Manifest(one), SettingBody::Manifest(other)) => {
            addon(&one.name) == addon(&other.name)
                && (&one.name, &one.content, &one.servicelb_namespace)
                    != (&other.name, &other.content, &other.servicelb_namespace)
        }
        (SettingBody::Option(one), SettingBody::Option(other)) => {
            let asked = [(&one.require, &one.set), (&other.require, &other.set)];
            one.name == other.name && exclude(asked, [ours.control, theirs.control])
        }
        (SettingBody::Argument(one), SettingBody::Argument(other)) => {
            let asked = [(&one.require, &one.set), (&other.require, &other.set)];
            (one.component, &one.flag) == (other.component, &other.flag)
                && exclude(asked, [ours.control, theirs.control])
        }
        _ => false,
    }
}

type Asked<'s> = (&'s Requirement, &'s Option<String>);

/// Whether none of the values that two controls write satisfies both. A list holds what both write.
fn exclude(asked: [Asked<'_>; 2], controls: [&Control; 2]) -> bool {
    let [(require, Some(set)), (other_require, Some(other_set))] = asked else {
        return false;
    };
    let [control, other] = controls;
    let (set, other_set) = (control.with_defaults(set), other.with_defaults(other_set));
    // Where a place is on a node the catalogue does not know.
    let is_open = |set: &str| Placeholders::of(set).next().is_some();
    if set == other_set || is_open(&set) || is_open(&other_set) {
        return false;
    }
    let requires = [require, other_require];
    let satisfies_both = |value: String| {
        let value = Value::Scalar(value);
        requires.iter().all(|require| holds(require, &value, false))
    };
    let is_extended = requires
        .iter()
        .any(|require| matches!(require, Requirement::Includes(_)));
    let united = is_extended.then(|| format!("{set},{other_set}"));
    ![Some(set), Some(other_set), united]
        .into_iter()
        .flatten()
        .any(satisfies_both)
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
}
