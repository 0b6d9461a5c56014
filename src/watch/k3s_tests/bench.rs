//! The daemon beside a K3s, with the time in the test's hand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::machine::{Inside, Machine, UNIT};
pub(super) use super::tree::Tree;
use crate::host::systemd::{ActiveState, InvocationId, ServiceManager};
use crate::host::{Clock, SystemClock};
use crate::k3s::component::Component;
use crate::reconcile::Verdict;
use crate::reconcile::restart::proof::Quarantine;
use crate::reconcile::restart::starts::{StartRecord, Starts, Trust};
use crate::reconcile::service::circumstances::{Candidate, now as moment};
use crate::reconcile::service::standing::next_arguments;
use crate::reconcile::service::{inputs, part};
use crate::report::event::Kind;
use crate::report::journal::{Event, Journal};
use crate::watch::agent::Agent;
use crate::watch::ground::Sources;
use crate::watch::k3s::{Keeper, Seam};
use crate::watch::signals::Signals;

pub(super) const KEY: &str = "var/lib/rancher/k3s/server/cred/encryption-config.json";
/// A flag of ours that only the policy changes.
pub(super) const WITH_77_DAYS: &str = "[control.audit-log-retention]\nmax_age_days = 77\n";
/// The last line of a K3s that ends.
pub(super) const DIES: &str = "time=\"2026-11-23T10:00:00Z\" level=error msg=\"Shutdown request received: \\\"apiserver exited: no\\\"\"";
/// No test waits longer for a thread.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);
/// So far the test's time is ahead of the machine's. The daemon takes some moments from the real clock; on a slow machine
/// they would otherwise lie before or after those of the test, as it happens.
const AHEAD: Duration = Duration::from_secs(3600);

/// The daemon on a tree, with the time in the test's hand.
pub(super) struct Bench<'t> {
    pub(super) tree: &'t Tree,
    pub(super) machine: Arc<Machine>,
    pub(super) agent: Agent<'t>,
    pub(super) now: Instant,
    pub(super) runs: u32,
    /// What the last event told of the quarantine.
    pub(super) told_of: Option<Quarantine>,
}

impl<'t> Bench<'t> {
    pub(super) fn new(tree: &'t Tree, signals: &'t Signals) -> Self {
        let machine = Arc::new(Machine::idle());
        let ground = tree.open().unwrap();
        let mut agent = Agent::new(tree, signals, ground, Journal::kept()).unwrap();
        agent.keeper = Keeper::with(Seam {
            manager: Arc::clone(&machine) as Arc<dyn ServiceManager>,
            clock: Arc::clone(&machine) as Arc<dyn Clock>,
        });
        Self {
            tree,
            machine,
            agent,
            now: Instant::now() + AHEAD,
            runs: 0,
            told_of: tree.quarantine(),
        }
    }

    pub(super) fn begin(&mut self) {
        self.agent.begin(self.now);
    }

    /// K3s starts: the door leaves its record, systemd the link, the journal the lines.
    pub(super) fn k3s_starts(&mut self) -> InvocationId {
        self.k3s_starts_without_door();
        self.door_records();
        self.agent.look_for_start(self.now);
        self.run()
    }

    /// What the door leaves of the present run, by what is on disk now.
    pub(super) fn door_records(&self) {
        let run = self.run();
        let ground = self.tree.open().unwrap();
        let pass = ground.pass();
        let present = part::present(&pass).unwrap();
        let effective = ground.node.effective(&ground.host).unwrap();
        let root = &ground.host.root;
        let record = StartRecord {
            invocation: run.clone(),
            unit: UNIT.parse().unwrap(),
            at: moment(&ground.host),
            awake_seconds: Some(SystemClock.awake().as_secs()),
            restarts: 0,
            ours: present.digest(),
            inputs: inputs::inputs(&ground.host, &ground.node, &effective).unwrap(),
            options: Some(effective.configuration.merge.shown()),
            trust: Trust::Whole,
        };
        Starts::of(root).unwrap().save(root, &record).unwrap();
        let candidate = Candidate {
            invocation: run,
            part: present,
        };
        candidate.save(&self.tree.records()).unwrap();
    }

    pub(super) fn k3s_starts_without_door(&mut self) {
        self.runs += 1;
        let run = self.run();
        let link = self.tree.path("run/systemd/units/invocation:k3s.service");
        std::fs::create_dir_all(link.parent().unwrap()).unwrap();
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(run.as_str(), &link).unwrap();
        let pid = 100 + self.runs;
        self.machine.set(|inside| {
            let status = &mut inside.status;
            status.invocation = Some(run.clone());
            status.active = ActiveState::Active;
            status.sub = "running".to_owned();
            status.main_pid = Some(pid);
            status.main_started = Some(SystemClock.since_boot());
        });
    }

    /// K3s says what it starts a component with: what it would start it with by what is on disk now.
    pub(super) fn says_its_arguments(&self, component: Component) {
        let ground = self.tree.open().unwrap();
        let effective = ground.node.effective(&ground.host).unwrap();
        let line = next_arguments(&effective).remove(&component).unwrap();
        let (name, line) = (component.name(), line.join(" "));
        self.says(&format!(
            "time=\"2026-11-23T10:00:00Z\" level=info msg=\"Running {name} {line}\""
        ));
    }

    /// What the journal was told of one kind since the last question; all else that it was told is forgotten.
    pub(super) fn told(&mut self, kind: Kind) -> Vec<Event> {
        let mut told = self.agent.journal.take();
        told.retain(|event| event.kind == kind);
        told
    }

    pub(super) fn verdict(&self, control: &str) -> Verdict {
        let controls = self.agent.status().controls;
        let found = controls.into_iter().find(|known| known.id == control);
        found.unwrap().verdict
    }

    pub(super) fn run(&self) -> InvocationId {
        format!("{:032x}", self.runs).parse().unwrap()
    }

    pub(super) fn says(&self, line: &str) {
        let run = self.run().as_str().to_owned();
        let lines = |inside: &mut Inside| {
            inside.journal.entry(run).or_default().push(line.to_owned());
        };
        self.machine.set(lines);
    }

    /// The line from which on this K3s settles.
    pub(super) fn is_ready(&self) {
        self.says("I1 1 server.go:176] \"Starting Kubernetes Scheduler\"");
    }

    /// K3s ends by itself, and systemd waits to start it again.
    pub(super) fn dies(&self, line: &str) {
        self.says(line);
        self.ends();
    }

    /// The same as systemd sees it; the journal may be late.
    pub(super) fn ends(&self) {
        self.machine.set(|inside| {
            inside.status.active = ActiveState::Activating;
            inside.status.sub = "auto-restart".to_owned();
            inside.status.main_pid = None;
            inside.status.restarts += 1;
        });
    }

    /// Lets time pass, in steps, and every question be answered, until it is so.
    pub(super) fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..200 {
            if is_so(self) {
                return;
            }
            self.passes(Duration::from_secs(1));
        }
        panic!(
            "never {what}: {:?} {:?}",
            self.agent.k3s, self.agent.keeper.told
        );
    }

    pub(super) fn passes(&mut self, time: Duration) {
        self.now += time;
        self.machine.set(|inside| inside.passed += time);
        self.agent.on_k3s_due(self.now);
        let end = Instant::now() + PATIENCE;
        while self.agent.keeper.is_waiting() {
            assert!(Instant::now() < end, "no answer");
            std::thread::sleep(Duration::from_millis(1));
            self.delivers_the_event();
            self.agent.on_k3s_due(self.now);
        }
        self.delivers_the_event();
    }

    /// The quarantine is watched, and whoever writes it there is an event.
    fn delivers_the_event(&mut self) {
        let quarantine = self.tree.quarantine();
        if quarantine != self.told_of {
            self.told_of = quarantine;
            self.agent.look_for_suspension(self.now);
        }
    }

    /// K3s has ended with status 0 and is left so, by the unit's Restart= or because somebody stopped it.
    pub(super) fn is_down_after_success(&mut self, restart: &str) {
        let link = self.tree.path("run/systemd/units/invocation:k3s.service");
        let _ = std::fs::remove_file(link);
        self.machine.set(|inside| {
            inside.status.active = ActiveState::Inactive;
            inside.status.sub = "dead".to_owned();
            inside.status.main_pid = None;
            inside.status.result = "success".to_owned();
            inside.status.restart = restart.to_owned();
        });
    }

    /// systemd gives K3s up: it ended too often.
    pub(super) fn is_given_up(&mut self) {
        let link = self.tree.path("run/systemd/units/invocation:k3s.service");
        let _ = std::fs::remove_file(link);
        self.machine.set(|inside| {
            inside.status.active = ActiveState::Failed;
            inside.status.sub = "failed".to_owned();
            inside.status.main_pid = None;
            inside.status.invocation = None;
        });
    }

    pub(super) fn quiet_minutes(&mut self) {
        (0..120).for_each(|_| self.passes(Duration::from_secs(2)));
    }

    /// The first start, which settles; ours is the last good state from then on.
    pub(super) fn settled_server(&mut self) {
        self.begin();
        self.k3s_starts();
        self.is_ready();
        self.until("settled", |bench| bench.tree.last_good().is_some());
        self.until("in step", |bench| bench.agent.k3s.in_step == Some(true));
    }

    /// Ours changes, K3s is restarted for that, and its start is followed.
    pub(super) fn change_is_tried(&mut self) {
        self.reload(WITH_77_DAYS);
        self.until("asked", |bench| bench.machine.restarts_asked() == 1);
        self.k3s_starts();
        self.until("waiting", |bench| bench.agent.k3s.start.is_some());
    }

    pub(super) fn reload(&mut self, policy: &str) {
        self.tree.policy(policy);
        self.agent.reload(self.now);
    }
}
