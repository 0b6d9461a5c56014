//! The systemd and the journal of a machine, and its time, as a test has them.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Duration;

use crate::host::systemd::testing::status;
use crate::host::systemd::{
    JournalEnd, JournalQuery, ServiceError, ServiceManager, UnitName, UnitStatus,
};
use crate::host::{Clock, SystemClock};

pub(super) const UNIT: &str = "k3s.service";

/// A machine of which a test decides what it says.
#[derive(Debug)]
pub(super) struct Machine(pub(super) Mutex<Inside>);

#[derive(Debug)]
pub(super) struct Inside {
    pub(super) status: UnitStatus,
    /// Of our own unit.
    pub(super) own: UnitStatus,
    pub(super) reloads: u32,
    pub(super) journal: BTreeMap<String, Vec<String>>,
    pub(super) restarts_asked: u32,
    pub(super) failed_reset: u32,
    /// systemd says no to a restart.
    pub(super) restart_refused: bool,
    /// systemd takes a restart and does not say so in time.
    pub(super) restart_unanswered: bool,
    /// The journal answers no sooner than this is taken away.
    pub(super) journal_hangs: bool,
    pub(super) journal_read: u32,
    /// How much time a test let pass.
    pub(super) passed: Duration,
}

impl Machine {
    /// K3s is loaded and has never run.
    pub(super) fn idle() -> Self {
        let status = UnitStatus {
            exec_start: Vec::new(),
            ..status("")
        };
        Self(Mutex::new(Inside {
            own: status.clone(),
            reloads: 0,
            status,
            journal: BTreeMap::new(),
            restarts_asked: 0,
            failed_reset: 0,
            restart_refused: false,
            restart_unanswered: false,
            journal_hangs: false,
            journal_read: 0,
            passed: Duration::ZERO,
        }))
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Inside)) {
        change(&mut self.0.lock().unwrap());
    }

    pub(super) fn restarts_asked(&self) -> u32 {
        self.0.lock().unwrap().restarts_asked
    }
}

impl Clock for Machine {
    fn wall(&self) -> jiff::Zoned {
        SystemClock.wall()
    }

    fn since_boot(&self) -> Duration {
        self.0.lock().unwrap().passed
    }

    fn awake(&self) -> Duration {
        self.since_boot()
    }
}

impl ServiceManager for Machine {
    fn show(&self, unit: &UnitName) -> Result<UnitStatus, ServiceError> {
        let inside = self.0.lock().unwrap();
        Ok(match unit.as_str() {
            UNIT => inside.status.clone(),
            _ => inside.own.clone(),
        })
    }

    fn restart(&self, _: &UnitName) -> Result<(), ServiceError> {
        let mut inside = self.0.lock().unwrap();
        inside.restarts_asked += 1;
        if inside.restart_unanswered {
            let unit = UNIT.parse().unwrap();
            return Err(ServiceError::Unreadable { unit });
        }
        match inside.restart_refused {
            false => Ok(()),
            true => Err(ServiceError::Failed {
                program: "systemctl",
                message: "Unit k3s.service is masked.".to_owned(),
            }),
        }
    }

    fn reset_failed(&self, _: &UnitName) -> Result<(), ServiceError> {
        self.set(|inside| inside.failed_reset += 1);
        Ok(())
    }

    fn reload_units(&self) -> Result<(), ServiceError> {
        self.set(|inside| inside.reloads += 1);
        Ok(())
    }

    fn journal(
        &self,
        query: &JournalQuery,
        each: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<JournalEnd, ServiceError> {
        self.set(|inside| inside.journal_read += 1);
        while self.0.lock().unwrap().journal_hangs {
            std::thread::sleep(Duration::from_millis(5));
        }
        let inside = self.0.lock().unwrap();
        let lines = inside.journal.get(query.invocation.as_str());
        for line in lines.into_iter().flatten() {
            let _ = each(line);
        }
        Ok(JournalEnd::default())
    }
}
