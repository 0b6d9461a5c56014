//! systemd's answers about units: asked once, and remembered for those who must not wait.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;

use super::Surroundings;
use crate::host::systemd::{ServiceManager, Systemd, UnitName, UnitStatus};

/// What systemd has loaded. A program that runs once asks it for each unit once; the daemon asks at its start, and later
/// only takes what its own questions beside the loop brought.
#[derive(Debug, Default)]
pub struct LoadedUnits {
    manager: Option<Systemd>,
    answers: RefCell<BTreeMap<String, Option<UnitStatus>>>,
    /// Nobody is asked any more.
    only_remembers: Cell<bool>,
}

impl LoadedUnits {
    /// systemd of this machine; nobody is asked in an image, a chroot, a container, or where systemd does not run.
    #[must_use]
    pub fn of(surroundings: Surroundings) -> Self {
        let here = surroundings.is_machine() && Path::new("/run/systemd/system").exists();
        Self {
            manager: here.then(Systemd::of_machine).and_then(Result::ok),
            ..Self::default()
        }
    }

    /// What systemd says of a unit; `None` where it cannot be asked or does not answer within its time limit.
    #[must_use]
    pub fn status(&self, unit: &str) -> Option<UnitStatus> {
        if let Some(answer) = self.answers.borrow().get(unit) {
            return answer.clone();
        }
        if self.only_remembers.get() {
            return None;
        }
        let name: UnitName = unit.parse().ok()?;
        let answer = self.manager.as_ref()?.show(&name).ok();
        self.answers
            .borrow_mut()
            .insert(unit.to_owned(), answer.clone());
        answer
    }

    /// From now on nobody is asked, and what is remembered is the answer.
    pub fn only_remember(&self) {
        self.only_remembers.set(true);
    }

    /// Takes an answer that somebody else got. True if the unit is made of something else than was known.
    pub fn remember(&self, unit: &UnitName, status: &UnitStatus) -> bool {
        let status = Some(status.clone());
        let old = self
            .answers
            .borrow_mut()
            .insert(unit.as_str().to_owned(), status.clone());
        match (old.flatten(), status) {
            (Some(old), Some(new)) => !old.is_same_definition(&new),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::systemd::LoadState;

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
