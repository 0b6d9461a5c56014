//! An operator's own slips in K3s's configuration, each with its place and the mend. K3s itself passes over some without a
//! word, and ends on others when systemd has long been told that it is ready.

use std::collections::BTreeMap;
use std::path::Path;

use crate::catalogue::nearest;
use crate::host::Root;
use crate::k3s::component::known_flags;
use crate::k3s::{Effective, Ending, FILE_LIMIT_BYTES, Options, Place, Remark, Role};

/// What K3s would end on, pass over, or read otherwise than it is written.
pub(super) fn of(root: &Root, effective: &Effective) -> Vec<String> {
    let mut slips: Vec<String> = effective
        .endings()
        .map(|ending| end(effective, ending))
        .collect();
    let remarks = &effective.configuration.remarks;
    // K3s's own words, which the remark about the same key repeats with its place.
    let said_twice = |warning: &String| remarks.iter().any(|remark| remark.text == *warning);
    let own = effective.configuration.merge.warnings.iter();
    slips.extend(own.filter(|warning| !said_twice(warning)).cloned());
    slips.extend(remarks.iter().map(|remark| passed_over(effective, remark)));
    slips.extend(effective.start.swallowed.iter().cloned());
    slips.extend(effective.start.warnings.iter().cloned());
    slips.extend(octals(root, effective));
    slips
}

fn end(effective: &Effective, ending: &Ending) -> String {
    let from = match &ending.from {
        Some(from) => format!(" ({from})"),
        None => String::new(),
    };
    let when = when(&ending.reason);
    let mend = mend(effective, &ending.reason).map_or_else(String::new, |mend| format!("; {mend}"));
    format!(
        "K3s would end at its next start{when}: {}{from}{mend}",
        ending.reason
    )
}

/// The components that start after a server has told systemd that it is ready (K3s pkg/daemons/control/server.go).
fn when(reason: &str) -> &'static str {
    let late = [
        "scheduler exited",
        "controller-manager exited",
        "kubelet exited",
    ];
    if late.iter().any(|exited| reason.starts_with(exited)) {
        ", after systemd was told that it is ready"
    } else {
        ""
    }
}

fn mend(effective: &Effective, reason: &str) -> Option<String> {
    if reason.contains("cgroup v1") {
        return Some(
            "boot with systemd.unified_cgroup_hierarchy=1, or give kubelet-arg fail-cgroupv1=false as long as that lasts"
                .to_owned(),
        );
    }
    if let Some((_, flag)) = reason.split_once("unknown flag: --") {
        if flag.contains('_') {
            return Some(format!("write --{}", flag.replace('_', "-")));
        }
        let flags = known_flags(effective.version);
        return Some(match nearest(flag, flags.iter().copied()) {
            Some(near) if near == flag => format!("--{flag} belongs to another component"),
            Some(near) => format!("take it out; did you mean --{near}?"),
            None => "take it out".to_owned(),
        });
    }
    let (_, option) = reason.split_once("flag provided but not defined: -")?;
    meant(effective, option.trim_start_matches('-'))
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

fn passed_over(effective: &Effective, remark: &Remark) -> String {
    let key = remark
        .text
        .strip_prefix("Unknown flag --")
        .and_then(|rest| rest.split_once(" found in "));
    let Some((key, _)) = key else {
        return remark.to_string();
    };
    let mend = meant(effective, key).map_or_else(String::new, |mend| format!("; {mend}"));
    let from = match &remark.from {
        Some(from) => format!("{from}: "),
        None => String::new(),
    };
    format!(
        "{from}`{key}` is no option of K3s {}, which passes over it{mend}",
        effective.version
    )
}

/// Numbers that K3s's YAML parser takes for octal: `0644` without quotes is 420.
fn octals(root: &Root, effective: &Effective) -> Vec<String> {
    let mut texts: BTreeMap<&Path, Vec<String>> = BTreeMap::new();
    let mut slips = Vec::new();
    for (name, option) in &effective.configuration.merge.options {
        for value in &option.values {
            let Place::File { path, line } = &value.place else {
                continue;
            };
            let lines = texts.entry(path).or_insert_with(|| lines(root, path));
            let row = line.checked_sub(1).and_then(|row| lines.get(row));
            if let Some(written) = row.and_then(|row| octal(row, &value.value)) {
                slips.push(format!(
                    "{}: without quotes `{name}: {written}` is the number {} to K3s; write '{written}'",
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
