//! A unit as systemd has it loaded. The next start takes that: what was changed in a file since waits for
//! `systemctl daemon-reload`.

use std::collections::BTreeMap;

use super::exec_start::Command;
use super::manager::{self, Manager};
use super::named_files::{self, EnvironmentFile};
use super::variables::Variables;
use super::{Loaded, Loading, Unit, environment_file};
use crate::host::HostError;
use crate::host::systemd::{LoadState, UnitStatus};
use crate::k3s::Remark;
use crate::k3s::files::{Files, Input};

/// The unit as systemd has it loaded, where that is not what its files say; else the unit of the files, whose words have
/// their lines.
pub(super) fn take_over(
    on_disk: Loaded,
    name: &str,
    status: &UnitStatus,
    files: &Files<'_>,
) -> Result<Loaded, HostError> {
    // What is not loaded is read from the files when it is started.
    let text = status.exec_start.first().map(String::as_str);
    if status.load != LoadState::Loaded || (text.is_none() && status.exact_words.is_none()) {
        return Ok(on_disk);
    }
    let need_daemon_reload = status.need_daemon_reload;
    let own: BTreeMap<String, String> = status
        .environment
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    match on_disk {
        Loaded::Unit(mut unit)
            if is_command(&unit, status, text) && unit.own_environment == own =>
        {
            unit.loading = Loading::AsOnDisk { need_daemon_reload };
            Ok(Loaded::Unit(unit))
        }
        on_disk => {
            let Some(mut unit) = of_status(name, status, text, own, files)? else {
                return Ok(on_disk);
            };
            unit.remarks
                .extend(remark(name, &on_disk, need_daemon_reload));
            if let Loaded::Unit(newer) = &on_disk {
                unit.inputs.extend(newer.inputs.iter().cloned());
            }
            unit.loading = Loading::Otherwise {
                need_daemon_reload,
                on_disk: Box::new(on_disk),
            };
            Ok(Loaded::Unit(Box::new(unit)))
        }
    }
}

/// Whether systemd has loaded the command that the files give.
fn is_command(unit: &Unit, status: &UnitStatus, text: Option<&str>) -> bool {
    match &status.exact_words {
        Some(words) => *words == unit.command,
        None => text.is_some_and(|text| unit.command.join(" ") == text),
    }
}

fn of_status(
    name: &str,
    status: &UnitStatus,
    text: Option<&str>,
    own: BTreeMap<String, String>,
    files: &Files<'_>,
) -> Result<Option<Unit>, HostError> {
    let divided = || Some(text?.split(' ').map(str::to_owned).collect());
    let words: Option<Vec<String>> = status.exact_words.clone().or_else(divided);
    let command = words.and_then(|words| Command::loaded(&words, name));
    let (Some(command), Some(fragment)) = (command, &status.fragment) else {
        return Ok(None);
    };
    let Manager {
        mut environment,
        mut inputs,
        mut unread,
    } = manager::read(files)?;
    for (variable, value) in &own {
        environment.set(variable, value, fragment.display().to_string());
    }
    // systemd reads these at each start, whatever it has loaded.
    let lines = status.environment_files.iter().map(|path| EnvironmentFile {
        path: path.clone(),
        optional: true,
    });
    for EnvironmentFile { path, .. } in named_files::named(files, lines.collect())? {
        let content = match files.read(&path) {
            Ok(content) => content,
            Err(error) if error.is_directory() => None,
            Err(error) => {
                unread.get_or_insert(error);
                continue;
            }
        };
        inputs.push(Input::new(&path, content.as_deref()));
        let content = String::from_utf8_lossy(content.as_deref().unwrap_or_default()).into_owned();
        for (variable, value) in environment_file::parse(&content) {
            environment.set(variable, value, path.display().to_string());
        }
    }
    let variables = Variables {
        unit: name,
        environment: &environment,
        by_systemd: None,
    };
    let Ok(exec_start) = command.expanded(&variables) else {
        return Ok(None);
    };
    Ok(Some(Unit {
        name: name.to_owned(),
        fragment: fragment.clone(),
        drop_ins: status.drop_ins.clone(),
        binary: command.binary.clone(),
        command: command.texts(),
        exec_start,
        undecided: None,
        unknown_at: Vec::new(),
        as_written: None,
        own_environment: own,
        environment,
        unread,
        loading: Loading::NotAsked,
        inputs,
        remarks: Vec::new(),
    }))
}

/// What an operator should know of the difference.
fn remark(name: &str, on_disk: &Loaded, need_daemon_reload: bool) -> Option<Remark> {
    let what = match on_disk {
        _ if !need_daemon_reload => {
            "is not what k3warden reads in its files; it is judged as systemd has it"
        }
        Loaded::Unit(_) => "was changed on disk and systemd has not read it since",
        Loaded::Missing => "is gone from the disk and systemd still has it",
        Loaded::Masked(_) | Loaded::Alias(_) | Loaded::Unusable { .. } => {
            "cannot be used as it is on disk, and systemd still has what it read before"
        }
    };
    let mend = if need_daemon_reload {
        ": the next start takes what is loaded, until `systemctl daemon-reload`"
    } else {
        "; `systemctl cat` shows what that is"
    };
    Some(Remark {
        text: format!("{name} {what}{mend}"),
        from: None,
    })
}

#[cfg(test)]
mod tests;
