//! A unit of which nobody can say what K3s gets: it starts K3s through something else (a shell, `env`, a script of the operator's), or
//! its command has a variable that only the running systemd knows.

use std::path::Path;

use super::Unit;
use crate::k3s::Role;

/// Names that only K3s's own units have (install.sh).
const OF_K3S: [&str; 2] = ["k3s.service", "k3s-agent.service"];

/// The words beside a version in the names of K3s's releases.
const OF_RELEASES: [&str; 11] = [
    "linux", "amd64", "x86", "386", "arm", "arm64", "armhf", "aarch64", "s390x", "riscv64",
    "ppc64le",
];

/// Whether a command is K3s's own, by its binary. install.sh links other names to the same binary (`kubectl`), an operator can
/// have a version in its name, and K3s's own units may start whatever file they like.
pub(super) fn starts_itself(unit: &Unit) -> bool {
    OF_K3S.contains(&unit.name.as_str()) || is_k3s(&unit.binary.text)
}

/// Why nobody can say what K3s is started with, where a unit without a `k3s server` or `k3s agent` in its command is K3s's all
/// the same.
///
/// An operator's `k3s-backup.service` is none: it has K3s's name, but no word of it starts a server or agent.
pub(super) fn problem(unit: &Unit) -> Option<String> {
    if let (Some(variable), Some(_)) = (&unit.undecided, unit.role()) {
        let place = &unit.binary.place;
        return Some(format!(
            "what ${{{variable}}} stands for in the command of {place} only the running systemd knows: write the value there itself"
        ));
    }
    if unit.role().is_some() {
        return None;
    }
    let binary = &unit.binary;
    if unit.invocation().role().is_some() && behind_k3s(&binary.text).is_some() {
        return Some(format!(
            "{} starts {}, and its name does not say whether that is K3s: if it is, call it `k3s`, or `k3s-` with a version",
            binary.place, binary.text
        ));
    }
    if !(OF_K3S.contains(&unit.name.as_str()) || hands_on(unit)) {
        return None;
    }
    let why = match is_k3s(&binary.text) {
        true => "without `server` or `agent` as its first word: write it there",
        false => "which hides what K3s gets: start `k3s server` or `k3s agent` there itself",
    };
    Some(format!("{} starts {}, {why}", binary.place, binary.text))
}

/// Whether `k3s server` or `k3s agent` stands within the command, as words of their own or within those of a shell.
fn hands_on(unit: &Unit) -> bool {
    let words = unit.exec_start.iter().map(|word| word.text.as_str());
    let parts = words.flat_map(|word| word.split(|letter: char| !is_of_a_word(letter)));
    let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    parts.iter().enumerate().any(|(index, part)| {
        let behind = parts.get(index.saturating_add(1)..).unwrap_or_default();
        let mut behind = behind.iter().skip_while(|part| part.starts_with('-'));
        is_k3s(part)
            && behind
                .next()
                .and_then(|part| Role::from_word(part))
                .is_some()
    })
}

fn is_of_a_word(letter: char) -> bool {
    letter.is_alphanumeric() || "-_./=".contains(letter)
}

/// `k3s`, or with an architecture or a version behind it, as releases are named: `k3s-arm64`, `k3s-v1.30.1`. An operator's
/// `k3s-backup server` is a program of his own, which is not to be run for a version that it does not have.
fn is_k3s(path: &str) -> bool {
    behind_k3s(path).is_some_and(|behind| {
        let parts = behind.split(['-', '_', '+']).skip(1);
        parts.into_iter().all(is_of_a_release)
    })
}

/// What stands behind `k3s` in the name of a program.
fn behind_k3s(path: &str) -> Option<&str> {
    let name = Path::new(path).file_name()?.to_str()?;
    let behind = name.strip_prefix("k3s")?;
    (behind.is_empty() || behind.starts_with(['-', '_'])).then_some(behind)
}

/// An architecture, or a part of a version such as `v1.30.1`, `rc2`, `k3s1`.
fn is_of_a_release(part: &str) -> bool {
    let number = ["v", "rc", "k3s", "armv"]
        .iter()
        .find_map(|word| part.strip_prefix(word));
    let is_number = number
        .unwrap_or(part)
        .starts_with(|first: char| first.is_ascii_digit());
    is_number || OF_RELEASES.contains(&part)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::host::Root;
    use crate::k3s::{Files, K3sUnits, find_k3s_units};

    fn found(name: &str, command: &str) -> K3sUnits {
        let tree = tempfile::tempdir().unwrap();
        let place = tree.path().join("etc/systemd/system");
        fs::create_dir_all(&place).unwrap();
        fs::write(
            place.join(name),
            format!("[Service]\nExecStart={command}\n"),
        )
        .unwrap();
        find_k3s_units(&Files::new(&Root::open(tree.path()).unwrap())).unwrap()
    }

    #[test]
    fn what_starts_k3s_through_something_else_is_named_and_not_judged() {
        for (name, command) in [
            (
                "k3s.service",
                "/bin/sh -c \"exec /usr/local/bin/k3s server --debug\"",
            ),
            ("k3s.service", "/usr/bin/env A=b /usr/local/bin/k3s server"),
            ("k3s.service", "/opt/start"),
            ("k3s-agent.service", "/usr/bin/nice -n 5 k3s --debug agent"),
            (
                "k3s-edge.service",
                "/bin/bash -c 'sleep 5; k3s-1.30 server;'",
            ),
            ("k3s-edge.service", "/usr/bin/nice k3s agent"),
        ] {
            let found = found(name, command);
            assert_eq!(found.units, [], "{command}");
            let said = found.unusable.join(" ");
            let place = format!("{name} ExecStart (/etc/systemd/system/{name}:2) starts /");
            assert!(said.starts_with(&place), "{command}: {said}");
        }
    }

    #[test]
    fn a_unit_of_the_operators_own_is_none_of_k3s() {
        for command in [
            "/bin/tar cf /k3s.tar server",
            "/usr/local/bin/k3s etcd-snapshot save",
            "/bin/sh -c 'systemctl stop k3s; tar cf /k3s.tar /var/lib/rancher/k3s/server'",
            "/usr/bin/exporter server",
        ] {
            assert_eq!(
                found("k3s-backup.service", command),
                K3sUnits::default(),
                "{command}"
            );
        }
    }

    #[test]
    fn a_program_of_the_operators_own_is_not_k3s_for_its_name_alone_and_that_is_told() {
        for command in [
            "/usr/local/bin/k3s-backup server /mnt",
            "/usr/local/bin/k3s-killall.sh server",
            "/usr/local/bin/k3s_exporter --debug agent",
        ] {
            let found = found("k3s-backup.service", command);
            assert_eq!(found.units, [], "{command}");
            let said = found.unusable.join(" ");
            assert!(said.contains("does not say whether that is K3s"), "{said}");
        }
    }

    #[test]
    fn k3s_may_have_another_name() {
        for (name, command) in [
            ("k3s.service", "/opt/kubernetes server"),
            ("k3s-edge.service", "/opt/k3s-v1.30.1 server"),
            ("k3s-edge.service", "/opt/k3s-arm64 server"),
            ("k3s-edge.service", "/opt/k3s_1.31.4-rc2+k3s1-x86_64 agent"),
            ("k3s.service", "/opt/k3s-stable server"),
            ("k3s.service", "/usr/local/bin/k3s --debug server"),
        ] {
            assert_eq!(found(name, command).units.len(), 1, "{command}");
        }
    }
}
