//! Reading what `systemctl show` prints.

use std::path::PathBuf;
use std::time::Duration;

use super::{ActiveState, LoadState, UnitStatus};

/// The properties that we ask for.
pub(super) const PROPERTIES: &str = "LoadState,ActiveState,SubState,MainPID,NRestarts,InvocationID,Result,Restart,\
ExecMainStartTimestampMonotonic,ActiveEnterTimestampMonotonic,ActiveExitTimestampMonotonic,NeedDaemonReload,FragmentPath,DropInPaths,ExecStart,Environment,EnvironmentFiles";

/// Reads `key=value` lines; `None` if the state is not among them.
pub(super) fn parse(text: &str) -> Option<UnitStatus> {
    let mut status = UnitStatus {
        load: LoadState::Other,
        active: ActiveState::Other,
        sub: String::new(),
        main_pid: None,
        restarts: 0,
        invocation: None,
        result: String::new(),
        restart: String::new(),
        main_started: None,
        ready_since: None,
        ready_until: None,
        need_daemon_reload: false,
        fragment: None,
        drop_ins: Vec::new(),
        exec_start: Vec::new(),
        exact_words: None,
        environment: Vec::new(),
        environment_files: Vec::new(),
    };
    let mut complete = (false, false);
    for line in text.lines() {
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        complete.0 |= key == "LoadState";
        complete.1 |= key == "ActiveState";
        take(&mut status, key, value);
    }
    (complete == (true, true)).then_some(status)
}

fn take(status: &mut UnitStatus, key: &str, value: &str) {
    match key {
        "LoadState" => status.load = load_state(value),
        "ActiveState" => status.active = active_state(value),
        "SubState" => value.clone_into(&mut status.sub),
        "MainPID" => status.main_pid = value.parse().ok().filter(|pid| *pid != 0),
        "NRestarts" => status.restarts = value.parse().unwrap_or(0),
        "InvocationID" => status.invocation = value.parse().ok(),
        "Result" => value.clone_into(&mut status.result),
        "Restart" => value.clone_into(&mut status.restart),
        "ExecMainStartTimestampMonotonic" => {
            status.main_started = since_boot(value);
        }
        "ActiveEnterTimestampMonotonic" => status.ready_since = since_boot(value),
        "ActiveExitTimestampMonotonic" => status.ready_until = since_boot(value),
        "NeedDaemonReload" => status.need_daemon_reload = value == "yes",
        "FragmentPath" => {
            status.fragment = Some(PathBuf::from(value)).filter(|_| !value.is_empty())
        }
        "DropInPaths" => {
            status.drop_ins = quoted(value).into_iter().map(PathBuf::from).collect();
        }
        "ExecStart" => status.exec_start.extend(command_line(value)),
        "Environment" => status.environment = quoted(value),
        "EnvironmentFiles" => status.environment_files.extend(environment_file(value)),
        _ => {}
    }
}

/// Microseconds; 0 stands for never.
fn since_boot(micros: &str) -> Option<Duration> {
    let micros = micros.parse().ok().filter(|micros| *micros != 0);
    micros.map(Duration::from_micros)
}

fn load_state(word: &str) -> LoadState {
    match word {
        "loaded" => LoadState::Loaded,
        "not-found" => LoadState::NotFound,
        "masked" => LoadState::Masked,
        _ => LoadState::Other,
    }
}

fn active_state(word: &str) -> ActiveState {
    match word {
        "active" => ActiveState::Active,
        "activating" => ActiveState::Activating,
        "deactivating" => ActiveState::Deactivating,
        "inactive" => ActiveState::Inactive,
        "failed" => ActiveState::Failed,
        _ => ActiveState::Other,
    }
}

/// Texts joined by blanks. systemd puts one with a blank or another sign of the shell in double quotes (seen with 252),
/// where a backslash keeps the next character.
fn quoted(value: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut text = String::new();
    let mut is_quoted = false;
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => is_quoted = !is_quoted,
            '\\' if is_quoted => text.extend(characters.next()),
            ' ' if !is_quoted => found.push(std::mem::take(&mut text)),
            other => text.push(other),
        }
    }
    found.push(text);
    found.retain(|text| !text.is_empty());
    found
}

/// `{ path=/usr/local/bin/k3s ; argv[]=/usr/local/bin/k3s server ; ignore_errors=no ; start_time=[...] ; ... }`
fn command_line(value: &str) -> Option<String> {
    let (_, rest) = value.split_once("argv[]=")?;
    let (words, _) = rest.rsplit_once(" ; ignore_errors=")?;
    Some(words.to_owned())
}

/// `/etc/systemd/system/k3s.service.env (ignore_errors=yes)`
fn environment_file(value: &str) -> Option<PathBuf> {
    let (path, _) = value.rsplit_once(" (ignore_errors=")?;
    Some(PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const RUNNING: &str = "\
Type=notify
MainPID=812
NRestarts=2
ExecMainStartTimestampMonotonic=15250000
ExecStart={ path=/usr/local/bin/k3s ; argv[]=/usr/local/bin/k3s server --node-label a=b ; ignore_errors=no ; start_time=[Mon 2026-11-23 10:00:00 UTC] ; stop_time=[n/a] ; pid=812 ; code=(null) ; status=0/0 }
Environment=A=1 \"B=it's \\$5\" C=two
EnvironmentFiles=/etc/default/k3s (ignore_errors=yes)
EnvironmentFiles=/etc/systemd/system/k3s.service.env (ignore_errors=yes)
LoadState=loaded
ActiveState=active
SubState=running
FragmentPath=/etc/systemd/system/k3s.service
DropInPaths=\"/usr/lib/systemd/system/k3s.service.d/10 do\\\"or.conf\" /etc/systemd/system/k3s.service.d/x.conf
NeedDaemonReload=yes
InvocationID=0123456789abcdef0123456789abcdef
Result=success
Restart=always
";

    #[test]
    fn a_running_unit_is_read() {
        let status = parse(RUNNING).unwrap();
        assert_eq!(status.load, LoadState::Loaded);
        assert_eq!(status.active, ActiveState::Active);
        assert_eq!(status.sub, "running");
        assert_eq!(status.main_pid, Some(812));
        assert_eq!(status.restarts, 2);
        assert_eq!(status.restart, "always");
        assert_eq!(status.main_started, Some(Duration::from_millis(15_250)));
        assert!(status.need_daemon_reload);
        assert_eq!(
            status.fragment.as_deref(),
            Some(Path::new("/etc/systemd/system/k3s.service"))
        );
        let drop_ins: Vec<_> = status
            .drop_ins
            .iter()
            .map(|path| path.to_str().unwrap())
            .collect();
        assert_eq!(
            drop_ins,
            [
                "/usr/lib/systemd/system/k3s.service.d/10 do\"or.conf",
                "/etc/systemd/system/k3s.service.d/x.conf"
            ]
        );
        assert_eq!(
            status.exec_start,
            ["/usr/local/bin/k3s server --node-label a=b"]
        );
        assert_eq!(status.environment, ["A=1", "B=it's $5", "C=two"]);
        assert_eq!(status.environment_files.len(), 2);
        assert!(status.invocation.is_some());
    }

    #[test]
    fn an_absent_unit_and_a_stopped_one_have_no_process() {
        let text = "MainPID=0\nNRestarts=0\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nInvocationID=\n\
                    FragmentPath=\nDropInPaths=\nExecMainStartTimestampMonotonic=0\n";
        let status = parse(text).unwrap();
        assert_eq!(status.load, LoadState::NotFound);
        assert_eq!(status.main_pid, None);
        assert_eq!(status.invocation, None);
        assert_eq!(status.main_started, None);
        assert_eq!(status.fragment, None);
        assert!(status.drop_ins.is_empty());
    }

    #[test]
    fn an_answer_without_the_states_is_no_answer() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("ActiveState=active\n"), None);
        assert_eq!(parse("no such thing"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_answer_makes_the_parser_panic(text in "\\PC*", value in "\\PC*") {
            let _ = parse(&text);
            for key in PROPERTIES.split(',') {
                let _ = parse(&format!("LoadState=loaded\nActiveState=active\n{key}={value}"));
            }
        }
    }
}
