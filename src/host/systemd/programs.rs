//! The real systemd, through its programs.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{
    JournalEnd, JournalQuery, LoadState, ServiceError, ServiceManager, UnitName, UnitStatus,
    journal, show, words,
};
use crate::host::process::{self, Limits, Output, ProcessError};

const SHOW_TIME: Duration = Duration::from_secs(5);
/// A second question, at K3s's door perhaps, which has ten seconds for everything.
const WORDS_TIME: Duration = Duration::from_secs(2);
/// Queueing a job is as quick as a question.
const RESTART_TIME: Duration = Duration::from_secs(5);
/// systemd runs all generators and reads every unit again, and answers only then.
const RELOAD_TIME: Duration = Duration::from_secs(15);
const OUTPUT_LIMIT_BYTES: usize = 256 << 10;

/// The real systemd, through its programs.
#[derive(Debug, Clone)]
pub struct Systemd {
    systemctl: PathBuf,
    journalctl: PathBuf,
    /// Comes with systemd, but needs a bus beside it.
    busctl: Option<PathBuf>,
}

impl Systemd {
    /// The programs of the machine, in `/usr/bin` or `/bin`.
    ///
    /// # Errors
    /// When one is missing.
    pub fn of_machine() -> Result<Self, ProcessError> {
        Ok(Self {
            systemctl: process::find("systemctl")?,
            journalctl: process::find("journalctl")?,
            busctl: process::find("busctl").ok(),
        })
    }

    /// Programs of these names in a directory, for tests.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            systemctl: directory.join("systemctl"),
            journalctl: directory.join("journalctl"),
            busctl: Some(directory.join("busctl")).filter(|path| path.exists()),
        }
    }

    /// The first command of a unit, word by word; `None` where the bus does not say it.
    fn exact_words(&self, unit: &UnitName) -> Option<Vec<String>> {
        let limits = Limits {
            time: WORDS_TIME,
            output_bytes: OUTPUT_LIMIT_BYTES,
        };
        let output = process::run(self.busctl.as_ref()?, &words::question(unit), limits).ok()?;
        words::parse(&output.stdout).filter(|_| output.status == Some(0))
    }

    fn systemctl(&self, arguments: &[&str], time: Duration) -> Result<Output, ServiceError> {
        let limits = Limits {
            time,
            output_bytes: OUTPUT_LIMIT_BYTES,
        };
        let output = process::run(&self.systemctl, arguments, limits)?;
        match output.status {
            Some(0) => Ok(output),
            _ => Err(ServiceError::failed("systemctl", &output)),
        }
    }
}

impl ServiceManager for Systemd {
    fn show(&self, unit: &UnitName) -> Result<UnitStatus, ServiceError> {
        let properties = format!("--property={}", show::PROPERTIES);
        let arguments = ["show", "--no-pager", &properties, "--", unit.as_str()];
        let output = self.systemctl(&arguments, SHOW_TIME)?;
        let mut status = show::parse(&String::from_utf8_lossy(&output.stdout))
            .ok_or_else(|| ServiceError::Unreadable { unit: unit.clone() })?;
        // Else the files tell how the text is divided into words. A word with a line feed in it has systemctl print
        // several lines, of which none is the command.
        let is_unread = status.load == LoadState::Loaded && status.exec_start.is_empty();
        if status.need_daemon_reload || is_unread {
            status.exact_words = self.exact_words(unit);
        }
        Ok(status)
    }

    fn restart(&self, unit: &UnitName) -> Result<(), ServiceError> {
        let arguments = [
            "restart",
            "--no-block",
            "--no-ask-password",
            "--",
            unit.as_str(),
        ];
        self.systemctl(&arguments, RESTART_TIME).map(drop)
    }

    fn reset_failed(&self, unit: &UnitName) -> Result<(), ServiceError> {
        let arguments = ["reset-failed", "--no-ask-password", "--", unit.as_str()];
        self.systemctl(&arguments, RESTART_TIME).map(drop)
    }

    fn reload_units(&self) -> Result<(), ServiceError> {
        let arguments = ["daemon-reload", "--no-ask-password"];
        self.systemctl(&arguments, RELOAD_TIME).map(drop)
    }

    fn journal(
        &self,
        query: &JournalQuery,
        each: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<JournalEnd, ServiceError> {
        journal::read(&self.journalctl, query, each)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::{ActiveState, JournalFrom};
    use super::*;

    /// A directory with programs that are shell scripts.
    fn programs(systemctl: &str, journalctl: &str) -> (tempfile::TempDir, Systemd) {
        let directory = tempfile::tempdir().unwrap();
        for (name, script) in [("systemctl", systemctl), ("journalctl", journalctl)] {
            let path = directory.path().join(name);
            // Written elsewhere and renamed: a file that is open for writing in a fork of another test cannot be run.
            let text = format!("#!/bin/sh\nhere={}\n{script}\n", directory.path().display());
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let systemd = Systemd::in_directory(directory.path());
        (directory, systemd)
    }

    /// ETXTBSY: another test's fork may hold our script open for writing for a moment.
    fn again<T>(mut ask: impl FnMut() -> Result<T, ServiceError>) -> Result<T, ServiceError> {
        loop {
            match ask() {
                Err(ServiceError::Process(ProcessError::Start {
                    errno: nix::errno::Errno::ETXTBSY,
                    ..
                })) => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                other => return other,
            }
        }
    }

    fn k3s() -> UnitName {
        "k3s.service".parse().unwrap()
    }

    fn said(directory: &tempfile::TempDir) -> String {
        std::fs::read_to_string(directory.path().join("said")).unwrap()
    }

    #[test]
    fn a_question_asks_for_the_properties_and_reads_them() {
        let script = "echo \"$@\" >$here/said; echo LoadState=loaded; echo ActiveState=activating";
        let (directory, systemd) = programs(script, "");
        let status = again(|| systemd.show(&k3s())).unwrap();
        assert_eq!(status.active, ActiveState::Activating);
        let said = said(&directory);
        assert!(
            said.starts_with("show --no-pager --property=LoadState,"),
            "{said}"
        );
        assert!(said.ends_with(" -- k3s.service\n"), "{said}");
    }

    #[test]
    fn while_the_files_are_newer_the_words_are_asked_of_the_bus() {
        let script = "echo LoadState=loaded; echo ActiveState=active; echo NeedDaemonReload=yes";
        let (directory, mut systemd) = programs(script, "");
        assert_eq!(again(|| systemd.show(&k3s())).unwrap().exact_words, None);
        let busctl = directory.path().join("busctl");
        let answer =
            r#"{"type":"a(sasbttttuii)","data":[["/k3s",["/k3s","server","--x=a b",""],false,0]]}"#;
        std::fs::write(&busctl, format!("#!/bin/sh\ncat <<'END'\n{answer}\nEND\n")).unwrap();
        std::fs::set_permissions(&busctl, std::fs::Permissions::from_mode(0o755)).unwrap();
        systemd = Systemd::in_directory(directory.path());
        let words = loop {
            // Another test's fork may hold the script open for a moment; then the bus does not answer.
            if let Some(words) = systemd.show(&k3s()).unwrap().exact_words {
                break words;
            }
        };
        assert_eq!(words, ["/k3s", "server", "--x=a b", ""]);
    }

    #[test]
    fn a_restart_never_waits_for_the_job() {
        let (directory, systemd) = programs("echo \"$@\" >$here/said", "");
        again(|| systemd.restart(&k3s())).unwrap();
        assert_eq!(
            said(&directory),
            "restart --no-block --no-ask-password -- k3s.service\n"
        );
        again(|| systemd.reload_units()).unwrap();
        assert_eq!(said(&directory), "daemon-reload --no-ask-password\n");
    }

    #[test]
    fn a_refusal_is_told_in_systemds_words() {
        let script = "echo 'Failed to restart k3s.service: Access denied' >&2; exit 4";
        let (_directory, systemd) = programs(script, "");
        let error = again(|| systemd.restart(&k3s())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "systemctl failed: Failed to restart k3s.service: Access denied"
        );
        let (_directory, systemd) = programs("exit 0", "");
        let error = again(|| systemd.show(&k3s())).unwrap_err();
        assert_eq!(error, ServiceError::Unreadable { unit: k3s() });
    }

    #[test]
    fn a_systemctl_that_hangs_is_given_up() {
        let (_directory, systemd) = programs("sleep 60", "");
        let limited = || systemd.systemctl(&["show"], Duration::from_millis(200));
        let error = again(limited).unwrap_err();
        assert!(error.to_string().contains("gave no answer"), "{error}");
    }

    fn query(from: JournalFrom) -> JournalQuery {
        JournalQuery {
            invocation: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            from,
            limit_bytes: 1000,
            limit_time: Duration::from_secs(10),
        }
    }

    #[test]
    fn the_journal_of_a_run_comes_line_by_line_with_a_cursor_for_the_next_time() {
        let script = "echo \"$@\" >$here/said; echo one; echo two; echo '-- cursor: s=4;i=5'";
        let (directory, systemd) = programs("", script);
        let mut seen = Vec::new();
        let end = again(|| {
            seen.clear();
            systemd.journal(&query(JournalFrom::After("s=1".to_owned())), &mut |line| {
                seen.push(line.to_owned());
                ControlFlow::Continue(())
            })
        });
        assert_eq!(end.unwrap().cursor.as_deref(), Some("s=4;i=5"));
        assert_eq!(seen, ["one", "two"]);
        assert_eq!(
            said(&directory),
            "--no-pager --quiet --output=cat --show-cursor --after-cursor=s=1 \
             _SYSTEMD_INVOCATION_ID=0123456789abcdef0123456789abcdef\n"
        );
    }

    #[test]
    fn an_endless_journal_ends_at_the_limit_or_when_the_reader_has_enough() {
        let (_directory, systemd) = programs("", "while :; do echo line; done");
        let end = again(|| {
            systemd.journal(&query(JournalFrom::Start), &mut |_| {
                ControlFlow::Continue(())
            })
        });
        assert!(end.unwrap().truncated);
        let mut count = 0;
        let end = again(|| {
            systemd.journal(&query(JournalFrom::Start), &mut |_| {
                count += 1;
                ControlFlow::Break(())
            })
        });
        assert!(!end.unwrap().truncated);
        assert_eq!(count, 1);
    }

    #[test]
    fn an_unreadable_journal_is_an_error_and_an_empty_one_is_not() {
        let (_directory, systemd) = programs("", "echo 'No journal files were opened' >&2; exit 1");
        let read = || {
            systemd.journal(&query(JournalFrom::Start), &mut |_| {
                ControlFlow::Continue(())
            })
        };
        assert!(again(read).is_err());
        let (_directory, systemd) = programs("", "exit 1");
        let read = || {
            systemd.journal(&query(JournalFrom::Start), &mut |_| {
                ControlFlow::Continue(())
            })
        };
        assert_eq!(again(read).unwrap(), JournalEnd::default());
    }
}
