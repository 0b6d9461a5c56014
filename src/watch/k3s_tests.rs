//! The daemon beside a K3s whose systemd, journal and time a test plays: what it takes for proven, what it puts back,
//! when it asks for a restart.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::agent::Agent;
use super::ground::{Ground, NoGround, Sources};
use super::k3s::Keeper;
use super::signals::Signals;
use crate::catalogue::Catalogue;
use crate::host::records::{Found, Records, STATE};
use crate::host::systemd::testing::status;
use crate::host::systemd::{
    ActiveState, InvocationId, JournalEnd, JournalQuery, ServiceError, ServiceManager, UnitName,
    UnitStatus,
};
use crate::host::{Durability, Host, Root};
use crate::node::{self, Surroundings};
use crate::policy::{self, Policy};
use crate::reconcile::restart::own_part::OurPart;
use crate::reconcile::restart::proof::{LastGood, Quarantine};
use crate::reconcile::restart::starts::{StartRecord, Starts};
use crate::reconcile::service::circumstances::{Candidate, now as moment};
use crate::reconcile::service::{inputs, part};
use crate::reconcile::{Verdict, Written, running};
use crate::report::journal::Journal;
use crate::report::status::WaitsFor;
use crate::setting::Running;

const UNIT: &str = "k3s.service";
const DROP_IN: &str = "etc/rancher/k3s/config.yaml.d/zz-k3warden.yaml";
const KEY: &str = "var/lib/rancher/k3s/server/cred/encryption-config.json";
/// A flag of ours that only the policy changes.
const WITH_77_DAYS: &str = "[control.audit-log-retention]\nmax_age_days = 77\n";
/// No test waits longer for a thread.
const PATIENCE: Duration = Duration::from_secs(20);

/// systemd and the journal.
#[derive(Debug)]
struct Machine(Mutex<Inside>);

#[derive(Debug)]
struct Inside {
    status: UnitStatus,
    journal: BTreeMap<String, Vec<String>>,
    restarts_asked: u32,
    /// The journal answers no sooner than this is taken away.
    journal_hangs: bool,
    journal_read: u32,
}

impl Machine {
    fn set(&self, change: impl FnOnce(&mut Inside)) {
        change(&mut self.0.lock().unwrap());
    }

    fn restarts_asked(&self) -> u32 {
        self.0.lock().unwrap().restarts_asked
    }
}

impl ServiceManager for Machine {
    fn show(&self, _: &UnitName) -> Result<UnitStatus, ServiceError> {
        Ok(self.0.lock().unwrap().status.clone())
    }

    fn restart(&self, _: &UnitName) -> Result<(), ServiceError> {
        self.set(|inside| inside.restarts_asked += 1);
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
struct Tree(tempfile::TempDir);

impl Tree {
    fn server(policy: &str) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        tree.write(
            "etc/systemd/system/k3s.service",
            "[Service]\nExecStart=/usr/local/bin/k3s server\n",
        );
        tree.policy(policy);
        tree
    }

    fn agent() -> Self {
        let tree = Self::server("");
        tree.write(
            "etc/systemd/system/k3s.service",
            "[Service]\nExecStart=/usr/local/bin/k3s agent --server https://10.0.0.1:6443\n",
        );
        tree
    }

    fn policy(&self, more: &str) {
        let always = "k3s_version = \"1.36.3\"\n";
        self.write("etc/k3warden/config.toml", &format!("{always}{more}"));
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        std::fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        std::fs::write(self.path(path), text).unwrap();
    }

    fn drop_in(&self) -> String {
        std::fs::read_to_string(self.path(DROP_IN)).unwrap_or_default()
    }

    fn records(&self) -> Records {
        Records::at(&Root::open(self.0.path()).unwrap(), STATE).unwrap()
    }

    fn last_good(&self) -> Option<OurPart> {
        LastGood::load(&self.records())
            .record()
            .map(|good| good.part)
    }

    fn quarantine(&self) -> Option<Quarantine> {
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
struct Bench<'t> {
    tree: &'t Tree,
    machine: Arc<Machine>,
    agent: Agent<'t>,
    now: Instant,
    runs: u32,
}

impl<'t> Bench<'t> {
    fn new(tree: &'t Tree, signals: &'t Signals) -> Self {
        let status = UnitStatus {
            exec_start: Vec::new(),
            ..status("")
        };
        let machine = Arc::new(Machine(Mutex::new(Inside {
            status,
            journal: BTreeMap::new(),
            restarts_asked: 0,
            journal_hangs: false,
            journal_read: 0,
        })));
        let ground = tree.open().unwrap();
        let mut agent = Agent::new(tree, signals, ground, Journal::open()).unwrap();
        agent.keeper = Keeper::with(Arc::clone(&machine) as Arc<dyn ServiceManager>);
        Self {
            tree,
            machine,
            agent,
            now: Instant::now(),
            runs: 0,
        }
    }

    fn begin(&mut self) {
        self.agent.begin(self.now);
    }

    /// K3s starts: the door leaves its record, systemd the link, the journal the lines.
    fn k3s_starts(&mut self) -> InvocationId {
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

    fn k3s_starts_without_door(&mut self) {
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
        });
    }

    fn run(&self) -> InvocationId {
        format!("{:032x}", self.runs).parse().unwrap()
    }

    fn says(&self, line: &str) {
        let run = self.run().as_str().to_owned();
        let lines = |inside: &mut Inside| {
            inside.journal.entry(run).or_default().push(line.to_owned());
        };
        self.machine.set(lines);
    }

    /// The line from which on this K3s settles.
    fn is_ready(&self) {
        self.says("I1 1 server.go:176] \"Starting Kubernetes Scheduler\"");
    }

    /// K3s ends by itself, and systemd waits to start it again.
    fn dies(&self, line: &str) {
        self.says(line);
        self.machine.set(|inside| {
            inside.status.active = ActiveState::Activating;
            inside.status.sub = "auto-restart".to_owned();
            inside.status.main_pid = None;
            inside.status.restarts += 1;
        });
    }

    /// Lets time pass, in steps, and every question be answered, until it is so.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
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

    fn passes(&mut self, time: Duration) {
        self.now += time;
        self.agent.on_k3s_due(self.now);
        let end = Instant::now() + PATIENCE;
        while self.agent.keeper.is_waiting() {
            assert!(Instant::now() < end, "no answer");
            std::thread::sleep(Duration::from_millis(1));
            self.agent.on_k3s_due(self.now);
        }
    }

    fn quiet_minutes(&mut self) {
        (0..120).for_each(|_| self.passes(Duration::from_secs(2)));
    }

    /// The first start, which settles; ours is the last good state from then on.
    fn settled_server(&mut self) {
        self.begin();
        self.k3s_starts();
        self.is_ready();
        self.until("settled", |bench| bench.tree.last_good().is_some());
        self.until("in step", |bench| bench.agent.k3s.in_step == Some(true));
    }

    fn reload(&mut self, policy: &str) {
        self.tree.policy(policy);
        self.agent.reload(self.now);
    }
}

const DIES: &str = "time=\"2026-11-23T10:00:00Z\" level=error msg=\"Shutdown request received: \\\"apiserver exited: no\\\"\"";

#[test]
fn a_change_that_settles_is_what_is_put_back_later() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    let first = tree.last_good().unwrap();
    bench.reload(WITH_77_DAYS);
    bench.until("asked for a restart", |bench| {
        bench.machine.restarts_asked() == 1
    });
    bench.k3s_starts();
    bench.until("waiting", |bench| bench.agent.k3s.start.is_some());
    assert_eq!(
        tree.last_good().unwrap(),
        first,
        "nothing is proven before it has settled"
    );
    bench.is_ready();
    bench.until("settled", |bench| bench.tree.last_good().unwrap() != first);
    bench.quiet_minutes();
    assert_eq!(
        bench.machine.restarts_asked(),
        1,
        "settled once, followed once"
    );
    assert!(bench.agent.keeper.following.is_none());
    assert_eq!(bench.agent.k3s.in_step, Some(true));
}

#[test]
fn a_change_that_ends_k3s_after_it_was_ready_is_put_back_once_and_left_alone() {
    for (mode, asked) in [("auto", 1), ("never", 0)] {
        let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
        tree.policy(&format!("restart = {{ mode = \"{mode}\" }}\n"));
        let mut bench = Bench::new(&tree, &signals);
        bench.settled_server();
        tree.write(KEY, "{}");
        let good = tree.drop_in();
        bench.reload(&format!(
            "restart = {{ mode = \"{mode}\" }}\n{WITH_77_DAYS}"
        ));
        assert_ne!(tree.drop_in(), good, "{mode}");
        bench.quiet_minutes();
        assert_eq!(bench.machine.restarts_asked(), asked, "{mode}");
        assert_eq!(bench.agent.k3s.held.is_some(), mode == "never");
        bench.k3s_starts();
        bench.until("waiting", |bench| bench.agent.k3s.start.is_some());
        bench.dies(DIES);
        bench.until("put back", |bench| bench.tree.drop_in() == good);
        let quarantine = tree.quarantine().unwrap();
        assert_eq!(quarantine.reason, "apiserver exited: no");
        assert!(good.contains("secrets-encryption: true"));

        bench.k3s_starts();
        bench.is_ready();
        bench.quiet_minutes();
        bench.agent.full_pass(bench.now);
        bench.quiet_minutes();
        assert_eq!(tree.drop_in(), good, "{mode}: it is not written again");
        assert_eq!(bench.machine.restarts_asked(), asked, "{mode}: no loop");
        assert_eq!(bench.agent.k3s.in_step, Some(true), "{mode}");

        Quarantine::lift(&tree.records()).unwrap();
        bench.agent.look_for_suspension(bench.now);
        assert_ne!(
            tree.drop_in(),
            good,
            "{mode}: an operator wants it tried again"
        );
    }
}

#[test]
fn a_put_back_that_a_start_was_too_early_for_is_restarted_for_once_and_never_again() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    bench.reload(WITH_77_DAYS);
    bench.until("asked", |bench| bench.machine.restarts_asked() == 1);
    bench.k3s_starts();
    bench.until("waiting", |bench| bench.agent.k3s.start.is_some());
    // systemd was quicker: the next start has read the bad part as well when ours is put back.
    bench.says(DIES);
    bench.k3s_starts();
    bench.until("asked", |bench| bench.machine.restarts_asked() == 2);
    bench.quiet_minutes();
    bench.k3s_starts();
    bench.dies(DIES);
    bench.quiet_minutes();
    for _ in 0..5 {
        bench.k3s_starts();
        bench.dies(DIES);
        bench.quiet_minutes();
    }
    assert_eq!(
        bench.machine.restarts_asked(),
        2,
        "fails whatever we write: no loop"
    );
}

#[test]
fn a_k3s_that_fails_always_costs_one_put_back_and_one_message() {
    let (tree, signals) = (
        Tree::server("new_cluster = true\n"),
        Signals::catch().unwrap(),
    );
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    assert!(tree.drop_in().contains("audit-log-maxage"));
    // A real K3s makes the key before its components start.
    tree.write(KEY, "{}");
    bench.k3s_starts();
    bench.dies(DIES);
    bench.until("put back", |bench| bench.tree.quarantine().is_some());
    let quarantine = tree.quarantine().unwrap();
    let left = tree.drop_in();
    assert!(
        left.contains("secrets-encryption: true") && !left.contains("audit-log"),
        "{left}"
    );
    for _ in 0..6 {
        bench.k3s_starts();
        bench.dies(DIES);
        bench.quiet_minutes();
        bench.agent.full_pass(bench.now);
        assert_eq!(tree.drop_in(), left);
        let exonerated = Quarantine {
            exonerated: true,
            ..quarantine.clone()
        };
        assert_eq!(
            tree.quarantine().unwrap(),
            exonerated,
            "it is about what failed first, and was not the cause"
        );
    }
    let told = bench.agent.keeper.told.clone().unwrap();
    assert!(
        told.contains("not because of a change of k3warden"),
        "{told}"
    );
    assert_eq!(bench.machine.restarts_asked(), 0);

    // Whatever it was is over: what was not the cause is tried again.
    bench.k3s_starts();
    bench.is_ready();
    bench.until("lifted", |bench| bench.tree.quarantine().is_none());
    bench.agent.full_pass(bench.now);
    assert!(
        tree.drop_in().contains("audit-log-maxage"),
        "{}",
        tree.drop_in()
    );
}

#[test]
fn what_a_failed_first_start_left_behind_is_no_reason_to_try_a_little_less() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    assert!(tree.drop_in().contains("secrets-encryption: true"));
    bench.k3s_starts();
    tree.write("var/lib/rancher/k3s/server/db/state.db", "");
    bench.dies(DIES);
    bench.until("put back", |bench| bench.tree.quarantine().is_some());
    assert_eq!(tree.drop_in(), "");
    // There is data now, so the encryption of Secrets is asked for no more.
    bench.agent.on_k3s_inputs_changed(bench.now);
    bench.agent.full_pass(bench.now);
    assert_eq!(tree.drop_in(), "");
    assert!(!tree.path("var/lib/rancher/k3s/server/audit.yaml").exists());
}

#[test]
fn without_k3s_nothing_is_ever_due() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    std::fs::remove_file(tree.path("etc/systemd/system/k3s.service")).unwrap();
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    bench.passes(Duration::from_secs(1));
    assert_eq!(
        bench.agent.keeper.due(),
        None,
        "the loop would turn without end"
    );
}

#[test]
fn the_kill_switch_keeps_the_put_back_out() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    let ours = tree.drop_in();
    tree.write("etc/k3warden/disabled", "");
    bench.agent.look_for_suspension(bench.now);
    let risk = bench.agent.status().suspended.unwrap().risk.unwrap();
    assert!(
        risk.contains("zz-k3warden.yaml") && risk.contains("protect-kernel-defaults"),
        "{risk}"
    );
    bench.k3s_starts();
    bench.dies(DIES);
    bench.until("told", |bench| bench.agent.keeper.told.is_some());
    assert_eq!(tree.drop_in(), ours);
    assert!(tree.quarantine().is_none());
}

#[test]
fn an_agent_without_its_server_waits_and_has_not_failed() {
    let (tree, signals) = (Tree::agent(), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    let ours = tree.drop_in();
    assert!(!ours.is_empty());
    bench.k3s_starts();
    bench
        .machine
        .set(|inside| inside.status.active = ActiveState::Activating);
    bench.until("waiting", |bench| bench.agent.k3s.start.is_some());
    bench.dies(
        "time=\"2026-11-23T10:00:00Z\" level=error msg=\"Shutdown request received: \\\"failed to wait for apiserver ready: timed out\\\"\"",
    );
    bench.until("given up", |bench| {
        bench.agent.k3s.start.as_deref() == Some("the agent gave up waiting for its server")
    });
    assert_eq!((tree.drop_in(), tree.quarantine()), (ours, None));
}

#[test]
fn an_agent_that_never_was_ready_has_proven_nothing() {
    let (tree, signals) = (Tree::agent(), Signals::catch().unwrap());
    tree.policy("restart = { settle_time = \"1s\", settle_limit = \"1s\" }\n");
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    bench.k3s_starts();
    bench
        .machine
        .set(|inside| inside.status.active = ActiveState::Activating);
    bench.until("waiting", |bench| bench.agent.k3s.start.is_some());
    std::thread::sleep(Duration::from_millis(1100));
    bench.until("the limit", |bench| bench.agent.keeper.following.is_none());
    assert_eq!(LastGood::load(&tree.records()), Found::Nothing);
}

#[test]
fn a_daemon_beside_a_k3s_that_never_passed_the_door_takes_nothing_of_its_own_for_proven() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.k3s_starts_without_door();
    bench.is_ready();
    bench.begin();
    bench.until("settled", |bench| bench.agent.keeper.following.is_none());
    assert_eq!(LastGood::load(&tree.records()), Found::Nothing);
    assert_eq!(bench.machine.restarts_asked(), 0, "unknown never restarts");
}

#[test]
fn a_restart_that_only_a_new_catalogue_wants_waits_for_the_next_start() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    tree.write(
        "etc/k3warden/catalogue.d/more.toml",
        "[[control]]\nid = \"more\"\ntitle = \"A flag\"\nwhy = \"To see what happens then.\"\nrole = \"server\"\n\
         [[control.argument]]\ncomponent = \"kubelet\"\nflag = \"event-burst\"\nrequire = { equals = \"55\" }\nset = \"55\"\n",
    );
    bench.agent.reload(bench.now);
    assert!(tree.drop_in().contains("event-burst=55"));
    bench.quiet_minutes();
    assert_eq!(bench.machine.restarts_asked(), 0);
    assert_eq!(bench.agent.k3s.waits_for, Some(WaitsFor::NextStart));
    let held = bench.agent.k3s.held.clone().unwrap();
    assert!(held.contains("new catalogue or package"), "{held}");

    // Drift on top of it is no business of the catalogue's.
    bench.reload(WITH_77_DAYS);
    bench.until("asked", |bench| bench.machine.restarts_asked() == 1);
}

#[test]
fn a_journal_that_does_not_answer_holds_up_no_pass() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.k3s_starts_without_door();
    bench.says(
        "time=\"2026-11-23T10:00:00Z\" level=info msg=\"Running kube-apiserver --audit-log-maxage=5\"",
    );
    bench.machine.set(|inside| inside.journal_hangs = true);
    bench.begin();
    // The thread of the follower asks, and hangs.
    bench.now += Duration::from_secs(5);
    let end = Instant::now() + PATIENCE;
    while bench.machine.0.lock().unwrap().journal_read == 0 {
        bench.agent.on_k3s_due(bench.now);
        bench.now += Duration::from_secs(1);
        assert!(Instant::now() < end);
    }
    let server = tree.path("var/lib/rancher/k3s/server");
    std::fs::set_permissions(&server, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    bench.agent.full_pass(bench.now);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&server).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700, "repaired while the journal hangs");
    assert_eq!(
        bench.machine.0.lock().unwrap().journal_read,
        1,
        "no pass asked it"
    );
    let verdict = |bench: &Bench<'_>| {
        let controls = bench.agent.status().controls;
        let found = controls
            .into_iter()
            .find(|control| control.id == "audit-log-retention");
        found.unwrap().verdict
    };
    assert_eq!(verdict(&bench), Verdict::Unknown);

    bench.machine.set(|inside| inside.journal_hangs = false);
    bench.until("heard", |bench| {
        matches!(&*bench.agent.ground.running, Running::Started(started) if started.arguments.is_ok())
    });
    bench.agent.full_pass(bench.now);
    assert_eq!(
        verdict(&bench),
        Verdict::Divergent,
        "the running one keeps logs for five days"
    );
}
