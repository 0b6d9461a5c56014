//! An operator's own slips in K3s's configuration, each with its place and its remedy. K3s passes over some of them without
//! a word, and ends on others long after it has told systemd that it is ready.

use std::collections::BTreeMap;
use std::path::Path;

use crate::catalogue::nearest;
use crate::host::Root;
use crate::k3s::component::{Component, known_flags};
use crate::k3s::{
    Effective, Ending, FILE_LIMIT_BYTES, OptionKind, Options, Place, Remark, Role, SkippedKey, Slip,
};
use crate::reconcile::Pass;
use crate::reconcile::service::preflight;

/// What K3s would end on, pass over, or read otherwise than it is written.
pub(super) fn of(root: &Root, effective: &Effective) -> Vec<String> {
    let configuration = &effective.configuration;
    let ends = effective.endings().map(|ending| end(effective, ending));
    let skips = configuration.skipped.iter();
    let remarks = configuration.remarks.iter();
    ends.chain(skips.map(|key| passed_over(effective, key)))
        .chain(remarks.map(Remark::to_string))
        .chain(effective.start.swallowed.iter().cloned())
        .chain(effective.start.warnings.iter().cloned())
        .chain(octals(root, effective))
        .collect()
}

/// What would end K3s at its next start. Where the door is not `switched_off` only what is there without ours too: the door puts
/// the rest right before.
#[must_use]
pub fn next_endings(pass: &Pass<'_>, switched_off: bool) -> Vec<String> {
    let Ok(effective) = pass.effective() else {
        return Vec::new();
    };
    let endings: Vec<Ending> = match switched_off {
        true => effective.endings().cloned().collect(),
        false => preflight::endings_of_operator(pass),
    };
    let said = endings.iter().map(|ending| end(effective, ending));
    said.collect()
}

fn end(effective: &Effective, ending: &Ending) -> String {
    let when = ending.component.map_or("", when);
    let mend = mend(effective, ending).map_or_else(String::new, |mend| format!("; {mend}"));
    format!("K3s would end at its next start{when}: {ending}{mend}")
}

/// What to do about an end, in a few words.
pub(super) fn mend(effective: &Effective, ending: &Ending) -> Option<String> {
    let slip = ending.slip.as_ref();
    slip.and_then(|slip| of_slip(effective, slip))
        .or_else(|| ending.mend().map(str::to_owned))
}

/// The components that start after a server has told systemd that it is ready (K3s pkg/daemons/control/server.go).
const fn when(component: Component) -> &'static str {
    match component {
        Component::Scheduler | Component::ControllerManager | Component::Kubelet => {
            ", after systemd was told that it is ready"
        }
        _ => "",
    }
}

fn of_slip(effective: &Effective, slip: &Slip) -> Option<String> {
    match slip {
        Slip::CgroupV1 => Some(
            "boot with systemd.unified_cgroup_hierarchy=1, or give kubelet-arg fail-cgroupv1=false as long as that lasts"
                .to_owned(),
        ),
        Slip::UnknownFlag(flag) => Some(other_flag(effective, flag)),
        Slip::UnknownOption(option) => meant(effective, option),
    }
}

/// What to do about a flag that the component does not have.
fn other_flag(effective: &Effective, flag: &str) -> String {
    if flag.contains('_') {
        return format!("write --{}", flag.replace('_', "-"));
    }
    let flags = known_flags(effective.version);
    match nearest(flag, flags.iter().copied()) {
        Some(near) if near == flag => format!("--{flag} belongs to another component"),
        Some(near) => format!("take it out; did you mean --{near}?"),
        None => "take it out".to_owned(),
    }
}

/// What somebody meant who wrote an option that this K3s does not have.
fn meant(effective: &Effective, option: &str) -> Option<String> {
    let role = effective.configuration.role;
    let names = |role: Role| Options::of(role, effective.version);
    if role == Role::Agent && names(Role::Server).find(option).is_some() {
        return Some("it is an option of servers; take it out".to_owned());
    }
    let known = names(role);
    let near = nearest(option, known.iter().flat_map(|known| known.names()))?;
    Some(format!("did you mean `{near}`?"))
}

/// What to do about a key that a server skips.
pub(super) fn mend_of_key(effective: &Effective, skipped: &SkippedKey) -> String {
    let key = skipped.flag.trim_start_matches('-');
    meant(effective, key).unwrap_or_else(|| "take it out".to_owned())
}

fn passed_over(effective: &Effective, skipped: &SkippedKey) -> String {
    let key = skipped.flag.trim_start_matches('-');
    let mend = mend_of_key(effective, skipped);
    format!(
        "{}: `{key}` is no option of K3s {}, which passes over it; {mend}",
        skipped.place, effective.version
    )
}

/// Numbers that K3s's YAML parser takes for octal: `0644` without quotes is 420.
fn octals(root: &Root, effective: &Effective) -> Vec<String> {
    let mut texts: BTreeMap<&Path, Vec<String>> = BTreeMap::new();
    let mut slips = Vec::new();
    let options = Options::of(effective.configuration.role, effective.version);
    for (name, option) in &effective.configuration.merge.options {
        for value in &option.values {
            let Place::File { path, line } = &value.place else {
                continue;
            };
            let lines = texts.entry(path).or_insert_with(|| lines(root, path));
            let row = line.checked_sub(1).and_then(|row| lines.get(row));
            if let Some(written) = row.and_then(|row| octal(row, &value.value)) {
                // A number goes by the same rule when it comes as text.
                let is_number = options
                    .find(name)
                    .is_some_and(|known| known.kind == OptionKind::Integer);
                let mend = match is_number {
                    true => format!(
                        "it without the zero before it: {}",
                        written.trim_start_matches(['0', 'o'])
                    ),
                    false => format!("'{written}'"),
                };
                slips.push(format!(
                    "{}: without quotes `{name}: {written}` is the number {} to K3s; write {mend}",
                    value.place, value.value
                ));
            }
        }
    }
    slips
}

fn lines(root: &Root, path: &Path) -> Vec<String> {
    let content = root.read(path, FILE_LIMIT_BYTES).ok().flatten();
    let text = String::from_utf8_lossy(&content.unwrap_or_default()).into_owned();
    text.lines().map(str::to_owned).collect()
}

/// The number of a line, if it is written as octal and came out as this decimal.
fn octal<'r>(row: &'r str, value: &str) -> Option<&'r str> {
    let bare = row.split(" #").next().unwrap_or(row);
    let written = bare
        .rsplit([' ', '\t', ':', '[', ',', ']'])
        .find(|word| !word.is_empty())?;
    let digits = written
        .strip_prefix("0o")
        .or_else(|| written.strip_prefix('0'))?;
    let number = u64::from_str_radix(&digits.replace('_', ""), 8).ok()?;
    (written.len() > 1 && number.to_string() == value).then_some(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_octal_that_came_out_as_another_number_is_a_slip() {
        for (row, value, expected) in [
            ("write-kubeconfig-mode: 0644", "420", Some("0644")),
            ("write-kubeconfig-mode: 0o600 # why", "384", Some("0o600")),
            ("- 06443", "3363", Some("06443")),
            ("write-kubeconfig-mode: '0644'", "0644", None),
            ("write-kubeconfig-mode: \"0644\"", "0644", None),
            ("write-kubeconfig-mode: 644", "644", None),
            ("https-listen-port: 0", "0", None),
        ] {
            assert_eq!(octal(row, value), expected, "{row}");
        }
    }
}
