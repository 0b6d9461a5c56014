//! `k3warden apply --before-start UNIT`: the door that every start of K3s passes.
//!
//! It is quick, bounded and never in the way: it waits for nobody longer than a second, ends after ten at the latest,
//! writes no unit, has systemd load nothing (but after it has taken a command of ours back), starts nothing, and exits 0
//! whatever happens.

use std::path::Path;
use std::time::{Duration, Instant};

use super::Global;
use super::exit::CliError;
use super::session::{Occasion, Session};
use crate::host::Root;
use crate::host::systemd::{InvocationId, ServiceManager, Systemd, UnitName, UnitStatus};
use crate::k3s::{Files, Loaded, Role, load_unit};
use crate::node::{LoadedUnits, Surroundings};
use crate::policy::{KillSwitch, Mode};
use crate::reconcile::ledger::Ledger;
use crate::reconcile::restart::heard::{Ended, Heard, Marker};
use crate::reconcile::restart::own_part::{OurPart, PutBack};
use crate::reconcile::restart::starts::{AtTheDoor, Past, StartRecord, Starts, past_of};
use crate::reconcile::service::circumstances::{Candidate, Knowledge, now};
use crate::reconcile::service::preflight::{self, Present};
use crate::reconcile::service::rollback::{Failure, RollBack, Who, roll_back};
use crate::reconcile::service::way_back::way_back;
use crate::reconcile::service::{cluster, inputs, kernel, line_out, part, restore};
use crate::reconcile::{
    Outcome, Plan, PlannedChange, Written, apply_within, needs_daemon_reload, unit_override,
};
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
    use std::io::Write;
    // Nobody may listen any more; that is no reason to panic.
    let _ = writeln!(std::io::stderr(), "k3warden: {text}");
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
    };
    // The six kernel values and a part of ours with which K3s does not start are its business even so.
    let (mut session, wrong) = Session::open_or_observe(global, occasion)?;
    if let Some(wrong) = wrong {
        say(&format!(
            "nothing is enforced until this is mended: {wrong}"
        ));
    }
    session.be_patient_until(Instant::now() + PATIENCE);
    session.require_root()?;
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
            && let Some(manager) = manager(&self.session)
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
        let lock = self.session.lock(WHO)?;
        Ok(cluster::decide(
            &self.session.host.root,
            &self.session.node,
            ledger,
            &lock,
        )?)
    }

    /// The unit was written anew since ours was: this start gets words that are not there any more.
    fn tell_of_stale_command(&self) {
        let pass = self.session.pass();
        let mut controls = self.session.catalogue.controls().iter();
        if let Some(finding) = controls.find_map(|control| unit_override::stale(&pass, &control.id))
        {
            say(&format!(
                "CRITICAL: {} is {}; `k3warden apply` writes it anew for the next start",
                finding.what, finding.observed
            ));
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

    /// Without a daemon nobody sees a start fail. A part of ours with which two starts of this boot ended by themselves
    /// is put back here.
    fn judge_the_past(&mut self, ledger: &mut Ledger) -> Result<(), CliError> {
        let mut knowledge = Knowledge::of(&self.session.host.root)?;
        let present = part::present(&self.session.pass())?;
        let starts = Starts::of(&self.session.host.root)?.all(&self.session.host.root);
        let limit = self.session.policy.restart.settle_limit.value;
        let last = starts.iter().rfind(|start| start.unit == self.unit);
        let lived_on =
            |last: &&StartRecord| self.ready.is_some_and(|ready| last.lived_on(ready, limit));
        if let Some(last) = last.filter(lived_on)
            && let Some(part) = Candidate::of(&knowledge.records, &last.invocation)
        {
            knowledge.settled(part, &self.session.pass())?;
        }
        if knowledge.proves(&present) {
            return Ok(());
        }
        let here = now(&self.session.host);
        let door = AtTheDoor {
            unit: &self.unit,
            now: &here,
            restarts: self.restarts,
        };
        match past_of(&present.digest(), &starts, door, limit) {
            Past::Open => Ok(()),
            Past::EndsAlways => self.roll_back(ledger, &knowledge, &present, &starts),
        }
    }

    fn roll_back(
        &mut self,
        ledger: &mut Ledger,
        knowledge: &Knowledge,
        failed: &OurPart,
        starts: &[StartRecord],
    ) -> Result<(), CliError> {
        let heard = self.last_words(starts);
        if let Some(Ended::ServerUnreachable(reason)) = heard.ended() {
            say(&format!(
                "starts ended while they waited for the server, which no change of ours does: {reason}"
            ));
            return Ok(());
        }
        let failure = Failure {
            reason: "two starts with it ended by themselves".to_owned(),
            errors: heard.errors().map(str::to_owned).collect(),
        };
        let who = Who {
            name: WHO,
            patience: self.session.patience(),
        };
        let back = roll_back(&self.session.pass(), ledger, failed, failure, who)?;
        if let RollBack::Done(mut back) = back {
            say(
                "two starts ended by themselves with what k3warden wrote last, so that is put back",
            );
            // systemd starts it right now.
            back.quarantine.restarted = true;
            back.quarantine.save(&knowledge.records)?;
            self.session.look_for_quarantine();
            self.stale_command = needs_daemon_reload(&back.outcomes);
            self.done(ledger, &back.outcomes, &back.kept)?;
        }
        Ok(())
    }

    /// K3s's last words in the newest run that is recorded; none where the journal cannot be read.
    fn last_words(&self, starts: &[StartRecord]) -> Heard {
        let role = self.session.node.role.as_ref().map(|fact| fact.value);
        let marker = (role == Some(Role::Agent)).then_some(Marker::Kubelet);
        let mut heard = Heard::new(marker);
        let last = starts.iter().rfind(|start| start.unit == self.unit);
        if let Some((manager, last)) = manager(&self.session).zip(last) {
            heard.read(&manager, &last.invocation);
        }
        heard
    }

    fn apply(&mut self, ledger: &mut Ledger) -> Result<(), CliError> {
        let plan = {
            let pass = self.session.pass();
            Plan::of(&pass, &pass.judge())
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

    fn write(&mut self, ledger: &mut Ledger, back: &PutBack) -> Result<(), CliError> {
        let changes = restore::changes(&self.session.host, back)?;
        let outcomes = self.apply_plan(ledger, plan_of(changes));
        self.stale_command |= needs_daemon_reload(&outcomes);
        self.done(ledger, &outcomes, &back.kept)
    }

    /// While the kubelet protects the kernel defaults the six values have to be right, whatever else is left alone.
    fn guard_kernel(&mut self, ledger: &mut Ledger) -> Result<(), CliError> {
        let effective = self.session.node.effective(&self.session.host)?;
        let Some(place) = kernel::protected_by(&effective) else {
            return Ok(());
        };
        let (changes, _) = kernel::wrong_values(&self.session.pass());
        if !changes.is_empty() {
            self.carry_out(ledger, plan_of(changes))?;
        }
        let (wrong, left) = kernel::wrong_values(&self.session.pass());
        let names = wrong.iter().map(|planned| planned.change.thing.to_string());
        let names: Vec<String> = names.chain(left).collect();
        if names.is_empty() {
            return Ok(());
        }
        let names = names.join(", ");
        match line_out::without_kernel_protection(&self.session.pass())? {
            Some(back) => {
                say(&format!(
                    "protect-kernel-defaults is taken out, because the kubelet would not start with {names}"
                ));
                self.write(ledger, &back)
            }
            None => {
                say(&format!(
                    "CRITICAL: {place} sets protect-kernel-defaults and the kubelet will not start with {names}"
                ));
                Ok(())
            }
        }
    }

    /// If K3s would not start because of us, ours is put back to what last worked, or to nothing.
    fn guard_start(&mut self, ledger: &mut Ledger) -> Result<(), CliError> {
        let present = part::present(&self.session.pass())?;
        let reasons = match preflight::present(&self.session.pass(), &present) {
            Present::Starts => return Ok(()),
            Present::Unknown(reason) => {
                say(&format!("cannot tell whether K3s will start: {reason}"));
                return Ok(());
            }
            Present::EndsByOperator(reasons) => {
                let reasons = reasons.join("; ");
                say(&format!(
                    "CRITICAL: K3s will not start, and not because of k3warden: {reasons}"
                ));
                return Ok(());
            }
            Present::EndsByUs(reasons) => reasons.join("; "),
        };
        let knowledge = Knowledge::of(&self.session.host.root)?;
        let back = way_back(&self.session.pass(), knowledge.good_part())?;
        let what = match back.part.files.is_empty() {
            false => "what last worked is put back",
            true => "what k3warden wrote is taken out",
        };
        say(&format!(
            "K3s would not start with what k3warden wrote, so {what}: {reasons}"
        ));
        self.write(ledger, &back)
    }

    /// Leaves what this start reads for the restart gate and for the next start.
    fn record(&self) -> Result<(), CliError> {
        let Some(invocation) = invocation() else {
            return Ok(());
        };
        let session = &self.session;
        let effective = session.node.effective(&session.host)?;
        let part = part::present(&session.pass())?;
        let knowledge = Knowledge::of(&session.host.root)?;
        let ours = part.digest();
        if !knowledge.proves(&part) {
            let invocation = invocation.clone();
            Candidate { invocation, part }.save(&knowledge.records)?;
        }
        let record = StartRecord {
            invocation,
            unit: self.unit.clone(),
            at: now(&session.host),
            restarts: self.restarts,
            ours,
            inputs: inputs::inputs(&session.host, &session.node, &effective)?,
            options: Some(effective.configuration.merge.shown()),
        };
        Starts::of(&session.host.root)?.save(&session.host.root, &record)?;
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
        Ok(()) => say(&format!(
            "{}: {} is now {}",
            change.thing,
            crate::report::describe(&change.before),
            crate::report::describe(&change.after)
        )),
        Err(error) => say(&error.to_string()),
    }
}

/// systemd's name for this start (systemd.exec(5), since 232).
fn invocation() -> Option<InvocationId> {
    std::env::var("INVOCATION_ID").ok()?.parse().ok()
}

fn manager(session: &Session) -> Option<Systemd> {
    let here = session.host.root.is_live() && Path::new("/run/systemd/system").exists();
    here.then(Systemd::of_machine)?.ok()
}
