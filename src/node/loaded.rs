//! systemd's answers about units: asked once, and remembered for those who must not wait.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::Surroundings;
use crate::host::process::ProcessError;
use crate::host::systemd::{ServiceError, ServiceManager, Systemd, UnitName, UnitStatus};

/// What systemd has loaded. A program that runs once asks it for each unit once; the daemon asks at its start, and later
/// only takes what its own questions beside the loop brought.
#[derive(Debug, Default)]
pub struct LoadedUnits {
    manager: Option<Systemd>,
    answers: RefCell<BTreeMap<String, Result<UnitStatus, String>>>,
    /// Nobody is asked any more.
    only_remembers: Cell<bool>,
    /// systemd let the time limit of one unit pass; K3s's start does not wait for that of each.
    silence: RefCell<Option<String>>,
}

impl LoadedUnits {
    /// systemd of this machine; nobody is asked in an image, a chroot, a container, or where systemd does not run.
    #[must_use]
    pub fn of(surroundings: Surroundings) -> Self {
        Self {
            manager: surroundings.systemd(),
            ..Self::default()
        }
    }

    /// What systemd says of a unit; `None` where it cannot be asked or does not answer within its time limit.
    #[must_use]
    pub fn status(&self, unit: &str) -> Option<UnitStatus> {
        if let Some(answer) = self.answers.borrow().get(unit) {
            return answer.clone().ok();
        }
        if self.only_remembers.get() {
            return None;
        }
        let name: UnitName = unit.parse().ok()?;
        let answer = self.ask(&name)?;
        self.answers
            .borrow_mut()
            .insert(unit.to_owned(), answer.clone());
        answer.ok()
    }

    fn ask(&self, unit: &UnitName) -> Option<Result<UnitStatus, String>> {
        if let Some(silence) = &*self.silence.borrow() {
            return Some(Err(silence.clone()));
        }
        let answer = self.manager.as_ref()?.show(unit);
        if let Err(silence @ ServiceError::Process(ProcessError::TimeLimit { .. })) = &answer {
            self.silence.replace(Some(silence.to_string()));
        }
        Some(answer.map_err(|error| error.to_string()))
    }

    /// For each unit that systemd gave no answer about, what an operator should know.
    #[must_use]
    pub fn unanswered(&self) -> Vec<String> {
        let answers = self.answers.borrow();
        let failed = answers
            .iter()
            .filter_map(|(unit, answer)| Some((unit, answer.as_ref().err()?)));
        failed
            .map(|(unit, error)| {
                format!("{unit} is judged from its files, because systemd did not say what it has loaded: {error}")
            })
            .collect()
    }

    /// From now on nobody is asked, and what is remembered is the answer.
    pub fn only_remember(&self) {
        self.only_remembers.set(true);
    }

    /// Takes an answer that somebody else got. True if the unit is made of something else than was known.
    pub fn remember(&self, unit: &UnitName, status: &UnitStatus) -> bool {
        let old = self
            .answers
            .borrow_mut()
            .insert(unit.as_str().to_owned(), Ok(status.clone()));
        !matches!(old, Some(Ok(old)) if old.is_same_definition(status))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::host::systemd::LoadState;

    #[test]
    fn a_systemd_that_does_not_answer_is_asked_once_and_that_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let units = LoadedUnits {
            manager: Some(Systemd::in_directory(directory.path())),
            ..LoadedUnits::default()
        };
        assert_eq!(units.status("k3s.service"), None);
        let said = units.unanswered().join(" ");
        assert!(
            said.starts_with("k3s.service is judged from its files"),
            "{said}"
        );
        assert_eq!(units.status("k3s.service"), None);
        assert_eq!(units.answers.borrow().len(), 1);
    }

    /// The door has ten seconds for all, and the daemon twenty to its READY=1.
    #[test]
    fn a_systemd_that_hangs_is_waited_for_once_and_not_for_each_unit() {
        let directory = tempfile::tempdir().unwrap();
        let (program, asked) = (
            directory.path().join("systemctl"),
            directory.path().join("asked"),
        );
        let script = format!("#!/bin/sh\necho >>{}\nexec sleep 60\n", asked.display());
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let units = LoadedUnits {
            manager: Some(Systemd::in_directory(directory.path())),
            ..LoadedUnits::default()
        };
        for unit in ["k3s.service", "k3s-agent.service", "k3s-edge.service"] {
            assert_eq!(units.status(unit), None);
        }
        assert_eq!(std::fs::read_to_string(asked).unwrap().lines().count(), 1);
        assert_eq!(units.unanswered().len(), 3, "{:?}", units.unanswered());
    }

    #[test]
    fn who_only_remembers_asks_nobody_and_sees_what_changed() {
        let units = LoadedUnits::default();
        let name: UnitName = "k3s.service".parse().unwrap();
        units.only_remember();
        assert_eq!(units.status("k3s.service"), None);
        let mut status = crate::host::systemd::testing::status("/k3s server");
        assert!(units.remember(&name, &status));
        assert_eq!(units.status("k3s.service"), Some(status.clone()));
        status.restarts = 7;
        assert!(!units.remember(&name, &status), "the same unit");
        status.need_daemon_reload = true;
        assert!(units.remember(&name, &status));
        status.load = LoadState::NotFound;
        assert!(units.remember(&name, &status));
    }
}
