//! Names that stand elsewhere: flags of components, options of K3s, editions of the benchmark. A misspelt one would be
//! looked for in vain on every node.

use super::Fault;
use crate::catalogue::{
    ArgumentSetting, Control, Editions, Setting, VersionRange, did_you_mean, shown,
};
use crate::k3s::component::{Component, flags_of};
use crate::k3s::{NEWEST_CATALOGUED_MINOR, option_names};

/// Editions by which numbers or modes are given.
pub(super) fn of_editions<'a>(
    mut names: impl Iterator<Item = &'a str>,
    editions: &Editions,
) -> Option<Fault> {
    let name = names.find(|name| editions.named(name).is_none())?;
    let known = || editions.all().iter().map(|edition| edition.name.as_str());
    // One digit more or less is no typo between numbers: all of them say more than the nearest.
    let hint = format!("known are {}", known().collect::<Vec<_>>().join(", "));
    let message = format!("there is no edition `{}` of the benchmark", shown(name));
    Some(Fault::of_word(name, message, Some(hint)))
}

/// A K3s option that a setting is about.
pub(super) fn of_option(name: &str, setting: &Setting, control: &Control) -> Option<Fault> {
    of_option_in(name, control.k3s.and(setting.k3s).unwrap_or_default())
}

/// A K3s option in some versions.
pub(super) fn of_option_in(name: &str, range: VersionRange) -> Option<Fault> {
    let is_known = option_names().any(|known| known == name);
    let what = format!(
        "no K3s up to 1.{NEWEST_CATALOGUED_MINOR} has an option `{}`",
        shown(name)
    );
    (!is_known && !is_of_the_future(range)).then(|| unknown(name, what, option_names()))
}

/// The flags of a component that a setting is about.
pub(super) fn of_flags(
    argument: &ArgumentSetting,
    setting: &Setting,
    control: &Control,
) -> Option<Fault> {
    let range = control.k3s.and(setting.k3s).unwrap_or_default();
    let unless = argument.unless.iter().map(|unless| &unless.flag);
    let mut flags = std::iter::once(&argument.flag).chain(unless);
    flags.find_map(|flag| of_flag(argument.component, flag, range))
}

fn of_flag(component: Component, flag: &str, range: VersionRange) -> Option<Fault> {
    // The kubelet alone takes `_` for `-`.
    let name = match component {
        Component::Kubelet => flag.replace('_', "-"),
        _ => flag.to_owned(),
    };
    let mut flags = flags_of(component).peekable();
    let is_judged = flags.peek().is_some();
    let is_known = !is_judged || flags.any(|known| known == name);
    (!is_known && !is_of_the_future(range)).then(|| {
        let what = format!(
            "no {component} up to 1.{NEWEST_CATALOGUED_MINOR} has a flag `{}`",
            shown(flag)
        );
        unknown(flag, what, flags_of(component))
    })
}

/// What releases newer than the tables have is not known here.
fn is_of_the_future(range: VersionRange) -> bool {
    range.begins_after_minor(NEWEST_CATALOGUED_MINOR)
}

fn unknown(name: &str, what: String, known: impl Iterator<Item = &'static str>) -> Fault {
    let hint = did_you_mean(name, known).unwrap_or_else(|| {
        format!(
            "a newer K3s has it? say so with k3s = \">=1.{}\"",
            NEWEST_CATALOGUED_MINOR + 1
        )
    });
    Fault::of_word(name, what, Some(hint))
}
