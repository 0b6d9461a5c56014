use std::sync::Mutex;

use jiff::Zoned;

use super::*;
use crate::host::systemd::testing::status;
use crate::host::systemd::{ActiveState, JournalEnd};
use crate::k3s::component::Component;

const OLD: &str = "0000000000000000000000000000000a";
const NEW: &str = "0000000000000000000000000000000b";

/// A machine whose time, unit and journal a test sets.
#[derive(Debug)]
struct Machine(Mutex<Inside>);

#[derive(Debug)]
struct Inside {
    seconds: u64,
    status: UnitStatus,
    journal: Option<Vec<(&'static str, String)>>,
}

impl Machine {
    fn new() -> Self {
        let status = UnitStatus {
            active: ActiveState::Active,
            main_pid: Some(1),
            invocation: OLD.parse().ok(),
            ..status("/k3s server")
        };
        Self(Mutex::new(Inside {
            seconds: 0,
            status,
            journal: Some(Vec::new()),
        }))
    }

    fn set(&self, change: impl FnOnce(&mut Inside)) {
        change(&mut self.0.lock().unwrap());
    }

    fn say(&self, run: &'static str, line: &str) {
        self.set(|inside| {
            inside
                .journal
                .as_mut()
                .unwrap()
                .push((run, line.to_owned()))
        });
    }
}

impl Clock for Machine {
    fn wall(&self) -> Zoned {
        Zoned::now()
    }

    fn since_boot(&self) -> Duration {
        Duration::from_secs(self.0.lock().unwrap().seconds)
    }

    fn awake(&self) -> Duration {
        self.since_boot()
    }
}

impl ServiceManager for Machine {
    fn show(&self, _: &UnitName) -> Result<UnitStatus, ServiceError> {
        Ok(self.0.lock().unwrap().status.clone())
    }

    fn restart(&self, _: &UnitName) -> Result<(), ServiceError> {
        Ok(())
    }

    fn reset_failed(&self, _: &UnitName) -> Result<(), ServiceError> {
        Ok(())
    }

    fn reload_units(&self) -> Result<(), ServiceError> {
        Ok(())
    }

    fn journal(
        &self,
        query: &JournalQuery,
        each: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<JournalEnd, ServiceError> {
        let inside = self.0.lock().unwrap();
        let Some(journal) = &inside.journal else {
            return Err(ServiceError::Failed {
                program: "journalctl",
                message: "no journal".to_owned(),
            });
        };
        let skip = match &query.from {
            JournalFrom::After(cursor) => cursor.parse().unwrap(),
            _ => 0,
        };
        for (run, line) in journal.iter().skip(skip) {
            if *run == query.invocation.as_str() {
                let _ = each(line);
            }
        }
        Ok(JournalEnd {
            cursor: Some(journal.len().to_string()),
            truncated: false,
        })
    }
}

fn follower(marker: Option<Marker>) -> Follower {
    let following = Following {
        rules: SettleRules {
            settle_time: Duration::from_secs(60),
            limit: Duration::from_secs(600),
        },
        marker,
    };
    Follower::after_restart("k3s.service".parse().unwrap(), OLD.parse().ok(), following)
}

fn start(inside: &mut Inside) {
    inside.status.invocation = NEW.parse().ok();
    inside.status.main_pid = Some(2);
    inside.status.active = ActiveState::Activating;
}

const SETTLED: Settling = Settling::Settled {
    at_limit: false,
    ready: true,
};

#[test]
fn a_restart_is_followed_from_the_old_run_to_the_settled_new_one() {
    let machine = Machine::new();
    let mut follower = follower(Some(Marker::Scheduler));
    let mut look = |seconds| {
        machine.set(|inside| inside.seconds = seconds);
        follower.look(&machine, &machine).unwrap()
    };
    machine.say(OLD, "\"Starting Kubernetes Scheduler\"");
    assert!(matches!(look(0), Settling::Waiting { .. }));
    machine.set(start);
    machine.say(NEW, "time=\"x\" level=info msg=\"Running kubelet --a=1\"");
    assert!(matches!(look(5), Settling::Waiting { .. }));
    machine.set(|inside| inside.status.active = ActiveState::Active);
    assert!(
        matches!(look(100), Settling::Waiting { .. }),
        "the old run's line does not count"
    );
    machine.say(NEW, "\"Starting Kubernetes Scheduler\"");
    assert!(matches!(look(110), Settling::Waiting { .. }));
    assert_eq!(look(170), SETTLED);
    assert_eq!(follower.heard().arguments()[&Component::Kubelet], ["--a=1"]);
}

#[test]
fn the_reason_is_read_from_the_run_that_failed_though_the_next_has_begun() {
    let machine = Machine::new();
    let mut follower = follower(Some(Marker::Scheduler));
    machine.set(start);
    follower.look(&machine, &machine).unwrap();
    let line =
        "time=\"x\" level=error msg=\"Shutdown request received: \\\"scheduler exited: no\\\"\"";
    machine.say(NEW, line);
    machine.set(|inside| {
        inside.status.invocation = "0000000000000000000000000000000c".parse().ok();
        inside.status.restarts = 1;
        inside.status.main_pid = Some(3);
    });
    let reason = "scheduler exited: no".to_owned();
    assert_eq!(
        follower.look(&machine, &machine).unwrap(),
        Settling::Failed { reason }
    );
}

#[test]
fn without_a_journal_ready_counts() {
    let machine = Machine::new();
    machine.set(|inside| {
        start(inside);
        inside.journal = None;
    });
    let mut follower = follower(Some(Marker::Scheduler));
    let mut look = |seconds| {
        machine.set(|inside| inside.seconds = seconds);
        follower.look(&machine, &machine).unwrap()
    };
    assert!(matches!(look(0), Settling::Waiting { .. }));
    machine.set(|inside| inside.status.active = ActiveState::Active);
    for seconds in [10, 12, 14, 16, 18, 75] {
        assert!(matches!(look(seconds), Settling::Waiting { .. }));
    }
    assert_eq!(look(76), SETTLED);
}

#[test]
fn one_look_without_a_journal_proves_nothing() {
    let machine = Machine::new();
    machine.set(|inside| {
        start(inside);
        inside.status.active = ActiveState::Active;
    });
    let mut follower = follower(Some(Marker::Scheduler));
    let mut look = |seconds| {
        machine.set(|inside| inside.seconds = seconds);
        follower.look(&machine, &machine).unwrap()
    };
    machine.set(|inside| inside.journal = None);
    assert!(matches!(look(10), Settling::Waiting { .. }));
    machine.set(|inside| inside.journal = Some(Vec::new()));
    for seconds in [12, 70, 500] {
        let answer = look(seconds);
        assert!(matches!(answer, Settling::Waiting { .. }), "{answer:?}");
    }
}
