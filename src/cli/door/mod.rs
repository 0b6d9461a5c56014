//! `k3warden apply --before-start UNIT`: the door that every start of K3s passes.
//!
//! It is quick, bounded and never in the way: it waits for nobody longer than a second, ends after ten at the latest,
//! writes no unit, has systemd load nothing (but after it has taken a command of ours back), starts nothing, and exits 0
//! whatever happens.

mod guard;
mod past;
mod record;

use std::time::{Duration, Instant};

use super::Global;
use super::exit::CliError;
use super::session::{Occasion, Session};
use crate::host::Root;
use crate::host::systemd::{ServiceManager, UnitName, UnitStatus};
use crate::k3s::{Files, Loaded, load_unit};
use crate::node::{self, LoadedUnits, Surroundings};
use crate::policy::{KillSwitch, Mode};
use crate::reconcile::ledger::Ledger;
use crate::reconcile::service::{cluster, encrypted, last_data_dir};
use crate::reconcile::{Outcome, Plan, PlannedChange, Written, apply_within};
use crate::report::event::Priority;
use crate::report::journal::for_stderr;
use crate::report::{describe, left_in_cluster};
use crate::setting::Stage;
use crate::watch::Pause;

const WHO: &str = "k3warden apply --before-start";
/// For a change of another process that is under way.
const PATIENCE: Duration = Duration::from_secs(1);
/// K3s's own start has no limit (`TimeoutStartSec=0`), so nobody else would end us.
const LIMIT: Duration = Duration::from_secs(10);

/// Passes the door. Never fails and never keeps K3s from starting.
pub(super) fn pass(global: &Global, unit: &str) {
    bound();
    if let Err(error) = enter(global, unit) {
        say(&format!("K3s starts with what is there: {error}"));
    }
}

/// Ends the process after the limit, whatever hangs. Every change of ours is whole or not made at any instant.
fn bound() {
    let timer = std::thread::Builder::new().stack_size(64 << 10).spawn(|| {
        std::thread::sleep(LIMIT);
        say("this took ten seconds, so K3s starts with what is there");
        std::process::exit(0);
    });
    if timer.is_err() {
        say("there is no timer, so this is not bounded in time");
    }
}

fn say(text: &str) {
    put(Priority::Notice, text);
}

/// Says what somebody has to act on now.
fn alarm(text: &str) {
    put(Priority::Critical, &format!("CRITICAL: {text}"));
}

fn put(priority: Priority, text: &str) {
    use std::io::Write;
    let text = for_stderr(priority, &format!("k3warden: {text}"));
    // Nobody may listen any more; that is no reason to panic.
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn enter(global: &Global, unit: &str) -> Result<(), CliError> {
    let unit: UnitName = unit.parse()?;
    {
        let root = Root::open(&global.root)?;
        if !starts_k3s(&root, &unit)? {
            return Ok(());
        }
        if let Some(switch) = KillSwitch::look(&root)? {
            say(&format!("nothing is looked at: {switch}"));
            return Ok(());
        }
    }
    let loaded = LoadedUnits::of(Surroundings::look(&Root::open(&global.root)?));
    let occasion = Occasion {
        patient_until: Some(Instant::now() + PATIENCE),
        unit: Some(&unit),
        loaded: &loaded,
        patience: node::BRIEF,
    };
    // The six kernel values and a part of ours with which K3s does not start are its business even so.
    let (mut session, wrong) = Session::open_or_observe(global, occasion)?;
    if let Some(wrong) = wrong {
        say(&format!(
            "nothing is enforced until this is mended: {wrong}"
        ));
    }
    session.be_patient_until(Instant::now() + PATIENCE);
    session.require_root("k3warden apply")?;
    if session.node.places.unit.as_deref() != Some(unit.as_str()) {
        let judged = session.node.places.unit.as_deref().unwrap_or("no unit");
        say(&format!(
            "{unit} is started, but systemd has it loaded as something else than K3s; this node is judged by {judged}"
        ));
        return Ok(());
    }
    let status = loaded.status(unit.as_str());
    Door::open(session, unit, status).work()
}

/// Whether the unit starts a K3s server or agent: an operator's `k3s-backup.service` passes this door too.
fn starts_k3s(root: &Root, unit: &UnitName) -> Result<bool, CliError> {
    Ok(match load_unit(&Files::new(root), unit.as_str())? {
        Loaded::Unit(unit) => unit.role().is_some(),
        _ => false,
    })
}

struct Door {
    session: Session,
    unit: UnitName,
    restarts: u32,
    /// From when to when the last run that was ready was so, if systemd remembers one.
    ready: Option<(Duration, Duration)>,
    /// A command of ours was put back, which systemd has loaded still.
    stale_command: bool,
}

impl Door {
    fn open(session: Session, unit: UnitName, status: Option<UnitStatus>) -> Self {
        let ready = status
            .as_ref()
            .and_then(|status| status.ready_since.zip(status.ready_until));
        Self {
            // Unknown counts as a start by somebody, which proves nothing.
            restarts: status.map_or(0, |status| status.restarts),
            ready,
            session,
            unit,
            stale_command: false,
        }
    }

    fn work(mut self) -> Result<(), CliError> {
        match self.session.open_ledger(WHO) {
            // Somebody else is changing things, or the disk is full: what is there is still worth recording.
            Err(error) => say(&format!("nothing is changed: {error}")),
            Ok(mut ledger) => {
                let recalled = self.session.recall(&mut ledger, WHO);
                if recalled.is_ok()
                    && let Err(error) = self.record_beginning()
                {
                    say(&format!("that this start began is not recorded: {error}"));
                }
                if let Err(error) = recalled.and_then(|()| self.make_right(&mut ledger)) {
                    say(&error.to_string());
                }
            }
        }
        if let Some(reason) = self.session.unread() {
            // A record without the files of ours among them would pass for what worked, once this start settles.
            say(&format!("this start is not recorded: {reason}"));
        } else {
            self.record()?;
        }
        if self.stale_command
            && let Some(manager) = self.session.node.surroundings.systemd()
        {
            // The one time that the door has systemd load anything: without a daemon nobody else would, and every start
            // to come would fail with the command that this one still gets.
            manager.reload_units()?;
        }
        Ok(())
    }

    fn make_right(&mut self, ledger: &mut Ledger) -> Result<(), CliError> {
        self.judge_the_past(ledger)?;
        self.tell_of_stale_command();
        match self.tied()? {
            None => self.apply(ledger)?,
            Some(reason) => say(&format!(
                "only what keeps K3s startable is changed: {reason}"
            )),
        }
        self.guard_kernel(ledger)?;
        self.guard_start(ledger)?;
        self.tell_of_encryption();
        let lock = self.session.lock(WHO)?;
        last_data_dir::note(&self.session.node, ledger, &lock)?;
        encrypted::note(&self.session.pass(), ledger, &lock)?;
        Ok(cluster::decide(
            &self.session.host.root,
            &self.session.node,
            ledger,
            &lock,
        )?)
    }

    /// The unit was written anew since ours was: this start gets words that are not there any more.
    fn tell_of_stale_command(&self) {
        if let Some(stale) = self.session.pass().stale_command() {
            alarm(&format!(
                "{stale}; `k3warden apply` writes it anew for the next start, takes it away, or says why not"
            ));
        }
    }

    /// K3s would start, and its apiserver never be ready: its Secrets are encrypted, and nothing says so any more.
    fn tell_of_encryption(&self) {
        let pass = self.session.pass();
        let effective = pass.effective().as_ref().ok();
        let withdrawn =
            effective.and_then(|effective| effective.start.encryption_withdrawn.as_ref());
        if let Some(withdrawn) = withdrawn {
            alarm(withdrawn);
        }
    }

    /// Why only the least is done.
    fn tied(&self) -> Result<Option<String>, CliError> {
        if self.session.policy.mode.value == Mode::Observe {
            return Ok(Some("mode = \"observe\"".to_owned()));
        }
        let pause = Pause::look(&self.session.host.root)?;
        Ok(pause.map(|(pause, _)| format!("paused: {}", pause.reason)))
    }

    fn apply(&mut self, ledger: &mut Ledger) -> Result<(), CliError> {
        let plan = {
            let pass = self.session.pass();
            Plan::of_this_start(&pass, &pass.judge())
        };
        self.carry_out(ledger, plan)
    }

    /// Makes changes and says what was done.
    fn carry_out(&mut self, ledger: &mut Ledger, mut plan: Plan) -> Result<(), CliError> {
        // The start in progress would not see it, and systemd is not told here.
        plan.changes
            .retain(|planned| planned.change.stage != Stage::UnitDropIn);
        if plan.is_empty() {
            return Ok(());
        }
        let outcomes = self.apply_plan(ledger, plan);
        self.done(ledger, &outcomes, &[])
    }

    fn apply_plan(&self, ledger: &mut Ledger, plan: Plan) -> Vec<Outcome> {
        let patience = self.session.patience();
        apply_within(&self.session.host, ledger, plan, WHO, &|| false, patience)
    }

    /// Says what was done, and which lines stay.
    fn done(
        &mut self,
        ledger: &mut Ledger,
        outcomes: &[Outcome],
        kept: &[String],
    ) -> Result<(), CliError> {
        outcomes.iter().for_each(tell);
        for line in kept {
            say(&format!("`{line}` stays: Secrets are encrypted with it"));
        }
        let lock = self.session.lock(WHO)?;
        self.session.written = Written::of(ledger, &lock)?;
        Ok(())
    }
}

fn plan_of(changes: Vec<PlannedChange>) -> Plan {
    Plan {
        changes,
        refused: Vec::new(),
        unseen: Vec::new(),
    }
}

fn tell(outcome: &Outcome) {
    let change = &outcome.planned.change;
    match &outcome.result {
        Ok(()) => {
            let (before, after) = (describe(&change.before), describe(&change.after));
            say(&format!("{}: {before} is now {after}", change.thing));
            for command in left_in_cluster(change) {
                say(&format!("stays in the cluster; to remove it: {command}"));
            }
        }
        Err(error) => say(&error.to_string()),
    }
}
