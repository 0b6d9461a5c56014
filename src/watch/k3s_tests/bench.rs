//! A node, the systemd and journal of its K3s, and time, all played by a test.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::catalogue::Catalogue;
use crate::host::records::{Records, STATE};
use crate::host::systemd::testing::status;
use crate::host::systemd::{
    ActiveState, InvocationId, JournalEnd, JournalQuery, ServiceError, ServiceManager, UnitName,
    UnitStatus,
};
use crate::host::{Clock, Durability, Host, Root, SystemClock};
use crate::k3s::component::Component;
use crate::node::{self, Surroundings};
use crate::policy::{self, Policy};
use crate::reconcile::restart::own_part::OurPart;
use crate::reconcile::restart::proof::{LastGood, Quarantine};
use crate::reconcile::restart::starts::{StartRecord, Starts};
use crate::reconcile::service::circumstances::{Candidate, now as moment};
use crate::reconcile::service::standing::next_arguments;
use crate::reconcile::service::{inputs, part};
use crate::reconcile::{Verdict, Written, running};
use crate::report::event::Kind;
use crate::report::journal::{Event, Journal};
use crate::watch::agent::Agent;
use crate::watch::ground::{Ground, NoGround, Sources};
use crate::watch::k3s::{Keeper, Seam};
use crate::watch::signals::Signals;

pub(super) const UNIT: &str = "k3s.service";
pub(super) const DROP_IN: &str = "etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml";
pub(super) const KEY: &str = "var/lib/rancher/k3s/server/cred/encryption-config.json";
/// A flag of ours that only the policy changes.
pub(super) const WITH_77_DAYS: &str = "[control.audit-log-retention]\nmax_age_days = 77\n";
/// No test waits longer for a thread.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// systemd and the journal.
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

/// A server's tree. It has never run K3s.
pub(super) struct Tree(tempfile::TempDir);

impl Tree {
    pub(super) fn server(policy: &str) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.write(
            "etc/systemd/system/k3s.service",
            "[Service]\nExecStart=/usr/local/bin/k3s server\n",
        );
        tree.policy(policy);
        tree
    }

    pub(super) fn agent() -> Self {
        let tree = Self::server("");
        tree.write(
            "etc/systemd/system/k3s.service",
            "[Service]\nExecStart=/usr/local/bin/k3s agent --server https://10.0.0.1:6443\n",
        );
        tree
    }

    pub(super) fn policy(&self, more: &str) {
        let always = "k3s_version = \"1.36.3\"\n";
        self.write("etc/k3warden/config.toml", &format!("{always}{more}"));
    }

    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), text).unwrap();
    }

    pub(super) fn drop_in(&self) -> String {
        std::fs::read_to_string(self.path(DROP_IN)).unwrap_or_default()
    }

    pub(super) fn records(&self) -> Records {
        Records::at(&Root::open(self.0.path()).unwrap(), STATE).unwrap()
    }

    pub(super) fn last_good(&self) -> Option<OurPart> {
        LastGood::load(&self.records())
            .record()
            .map(|good| good.part)
    }

    pub(super) fn quarantine(&self) -> Option<Quarantine> {
        Quarantine::load(&self.records()).record()
    }
}

impl Sources for Tree {
    /// As a machine, so that its K3s is asked about.
    fn open(&self) -> Result<Ground, NoGround> {
        let root = Root::open(self.0.path()).unwrap();
        let wrong = |error: policy::PolicyError| NoGround::Rules(error.to_string());
        let catalogue = policy::load_catalogue(&root).map_err(wrong)?;
        let policy = Policy::load(&root, &catalogue).map_err(wrong)?;
        self.look_again(&catalogue, &policy)
    }

    fn look_again(&self, catalogue: &Catalogue, policy: &Policy) -> Result<Ground, NoGround> {
        let root = Root::open(self.0.path()).unwrap();
        let root = root.with_durability(Durability::PageCache);
        let (catalogue, mut policy) = (catalogue.clone(), policy.clone());
        let rules = &mut policy.restart;
        for time in [
            &mut rules.settle_time,
            &mut rules.jitter,
            &mut rules.minimum_interval,
        ] {
            time.value = Duration::ZERO;
        }
        let node = node::discover(&root, &policy, Surroundings::Machine, None);
        let host = Host { root, live: None };
        let running = running::kept(&host, &node).into();
        let mut ground = Ground {
            host,
            catalogue,
            policy,
            node,
            written: Written::default(),
            held: None,
            running,
            today: jiff::Zoned::now().date(),
        };
        let mut ledger = ground.open_ledger().unwrap();
        ground.look_up_written(&mut ledger).unwrap();
        ground.look_for_quarantine();
        Ok(ground)
    }
}

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
        let status = UnitStatus {
            exec_start: Vec::new(),
            ..status("")
        };
        let machine = Arc::new(Machine(Mutex::new(Inside {
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
        })));
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
            now: Instant::now(),
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
        };
        Starts::of(root).unwrap().save(root, &record).unwrap();
        let candidate = Candidate {
            invocation: run.clone(),
            part: present,
        };
        candidate.save(&self.tree.records()).unwrap();
        self.agent.look_for_start(self.now);
        run
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

    pub(super) fn reload(&mut self, policy: &str) {
        self.tree.policy(policy);
        self.agent.reload(self.now);
    }
}

pub(super) const DIES: &str = "time=\"2026-11-23T10:00:00Z\" level=error msg=\"Shutdown request received: \\\"apiserver exited: no\\\"\"";
