//! `k3warden revert`: put back what was there before.

use std::path::Path;

use clap::Args;

use super::exit::CliError;
use super::restart::Service;
use super::session::{Occasion, Session};
use super::set_at_boot::SetAtBoot;
use super::{Exit, Global};
use crate::host::{Interrupt, Root, Thing};
use crate::node::{LoadedUnits, Surroundings};
use crate::reconcile::ledger::{Damage, Ledger, WAY_OUT, is_kept};
use crate::reconcile::service::directory_time;
use crate::reconcile::service::stay::Running;
use crate::reconcile::{PutBack, Revert as Undo, RevertError, Reverted, unit_override};
use crate::report::describe;
use crate::watch::withdraw_metrics;

/// Put back what was there before k3warden changed it.
#[derive(Debug, Args)]
pub struct Revert {
    /// Only what these controls changed.
    #[arg(value_name = "CONTROL")]
    controls: Vec<String>,
    /// Take back also what somebody else has changed since.
    #[arg(long)]
    force: bool,
}

/// What a list of ours goes on leaving out for these controls: one list is for several, and as long as the policy asks for one of them the
/// next look would leave its element out again.
fn still_left_out(session: &Session, controls: &[String]) -> Vec<String> {
    let pass = session.pass();
    let controls = controls.iter();
    let known = controls.filter_map(|id| session.catalogue.control(id));
    known
        .flat_map(|control| {
            let items = pass.left_out(control).into_iter();
            items.map(|item| {
                format!(
                    "{item} stays left out of your list: take {} out of the policy, then run `k3warden apply`",
                    control.id
                )
            })
        })
        .collect()
}

impl Revert {
    pub(super) fn run(mut self, global: &Global) -> Result<Exit, CliError> {
        let session = self.open(global)?;
        self.controls = by_name(&session, &self.controls)?;
        if let Some(switch) = session.kill_switch()? {
            // Not what was asked for: whoever takes the record away next must not believe that it was done.
            say!("Nothing is put back: {switch}.");
            return Ok(Exit::Unable);
        }
        session.require_root("k3warden revert")?;
        let metrics = self.withdraw_metrics(&session.host.root);
        if !is_kept(&session.host.root)? {
            // Not even the lock is taken: it would be the first trace of us in an image.
            session.named(&self.controls)?;
            say!("Nothing to put back.");
            return Ok(metrics);
        }
        let interrupt = Interrupt::catch()?;
        let mut ledger = session.open_ledger("k3warden revert")?;
        session.sweep("k3warden revert")?;
        self.require_known(&session, &mut ledger)?;
        let damage = ledger.damage().cloned();
        if let Some(damage) = &damage {
            eprintln!("k3warden: {}", damage_said(damage));
        }
        let set_at_boot = SetAtBoot::look(&session, &mut ledger)?;
        let untouched = directory_time::Made::untouched(&session.host.root);
        let (session, reverted) = self.in_two_phases(global, session, &mut ledger, &interrupt)?;
        if let Some(directory) = untouched {
            // What the running K3s has read is then known from its next start on.
            let _ = directory.set_back(&session.host.root);
        }
        match (reverted.is_empty(), &damage) {
            (true, None) => say!("Nothing to put back."),
            (true, Some(_)) => say!("Nothing is put back: the ledger proves nothing."),
            (false, _) => {}
        }
        reverted
            .iter()
            .flat_map(lines)
            .chain(still_left_out(&session, &self.controls))
            .for_each(|line| say!("{line}"));
        let left = set_at_boot.left(&session);
        left.iter().for_each(|line| say!("{line}"));
        let put_back = reverted.iter().filter(|done| done.result.is_ok());
        let things = put_back.map(|done| &done.thing);
        session.read_units_again(things.filter(|thing| !is_command(thing)));
        let boot = match left.as_slice() {
            [] => Exit::Holds,
            _ => Exit::DoesNotHold,
        };
        Ok(exit(&reverted, damage.as_ref()).max(boot).max(metrics))
    }

    /// Removes the daemon's metrics, when everything is put back.
    fn withdraw_metrics(&self, root: &Root) -> Exit {
        let mut exit = Exit::Holds;
        if !self.controls.is_empty() {
            return exit;
        }
        for removed in withdraw_metrics(root) {
            match removed {
                Ok(path) => say!("removed    {}: metrics", path.display()),
                Err(error) => {
                    say!("failed     {error}");
                    exit = Exit::Unable;
                }
            }
        }
        exit
    }

    /// Puts back a command of ours for K3s's unit first, then everything else: a command is in force until systemd reads the
    /// unit again, and decides what else may go.
    fn in_two_phases(
        &self,
        global: &Global,
        mut session: Session,
        ledger: &mut Ledger,
        interrupt: &Interrupt,
    ) -> Result<(Session, Vec<Reverted>), CliError> {
        let mut reverted = self.phase(&session, ledger, interrupt, &is_command)?;
        let put_back = |done: &&Reverted| matches!(done.result, Ok(PutBack::Restored(_)));
        let things = reverted.iter().filter(put_back).map(|done| &done.thing);
        if session.read_units_again(things) {
            session = self.open(global)?;
        }
        let others = |thing: &Thing| !is_command(thing);
        reverted.extend(self.phase(&session, ledger, interrupt, &others)?);
        Ok((session, reverted))
    }

    /// What is put back as a whole does not depend on what the policy says, and a package is purged with a wrong one too.
    fn open(&self, global: &Global) -> Result<Session, CliError> {
        if !self.controls.is_empty() {
            return Session::open(global);
        }
        let loaded = LoadedUnits::of(Surroundings::look(&Root::open(&global.root)?));
        let occasion = Occasion::of_command(&loaded);
        let (session, wrong) = Session::open_or_observe(global, occasion)?;
        if let Some(wrong) = wrong {
            eprintln!("k3warden: everything is put back without the policy: {wrong}");
        }
        Ok(session)
    }

    /// Puts back the things of one kind.
    fn phase(
        &self,
        session: &Session,
        ledger: &mut Ledger,
        interrupt: &Interrupt,
        of_these: &dyn Fn(&Thing) -> bool,
    ) -> Result<Vec<Reverted>, CliError> {
        let service = Service::of(session);
        let running = |path: &Path| match &service {
            Some(service) => service.reads(session, path),
            None => Running::Nothing,
        };
        let undo = Undo {
            pass: &session.pass(),
            controls: &self.controls,
            of_these,
            force: self.force,
            asks_again: false,
            running: &running,
            who: session.who("k3warden revert"),
        };
        Ok(undo.run(ledger, &|| interrupt.is_wanted())?)
    }

    /// A control that the catalogue has no longer may still have changed something.
    fn require_known(&self, session: &Session, ledger: &mut Ledger) -> Result<(), CliError> {
        if self.controls.is_empty() {
            return Ok(());
        }
        let touched = ledger.touched(&session.lock("k3warden revert")?)?;
        let recorded = touched
            .iter()
            .flat_map(|touch| touch.controls.iter().chain(&touch.given_up));
        let unknown: Vec<String> = self
            .controls
            .iter()
            .filter(|control| !recorded.clone().any(|known| known == *control))
            .cloned()
            .collect();
        session.named(&unknown).map(|_| ())
    }
}

/// Whether a thing is a drop-in that gives K3s's unit another command.
fn is_command(thing: &Thing) -> bool {
    matches!(thing, Thing::Path(path) if unit_override::is_ours(path))
}

fn exit(reverted: &[Reverted], damage: Option<&Damage>) -> Exit {
    let is_failure = |done: &Reverted| done.result.is_err() || done.unrecorded.is_some();
    let stays = |done: &Reverted| matches!(done.result, Ok(PutBack::Stays(_)));
    // What a damaged record does not tell may still stand there: whoever takes the record away must not believe that
    // everything was put back.
    if damage.is_some() || reverted.iter().any(is_failure) {
        Exit::Unable
    } else if reverted.iter().any(stays) {
        Exit::DoesNotHold
    } else {
        Exit::Holds
    }
}

/// The names of controls, some of which may be given by a CIS number. What several share a number for is not put back
/// together by one word.
fn by_name(session: &Session, given: &[String]) -> Result<Vec<String>, CliError> {
    let named = |name: &String| match session.numbered(name).as_slice() {
        [] => Ok(name.clone()),
        [control] => Ok(control.id.to_string()),
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|control| format!("`{}`", control.id))
                .collect();
            Err(format!(
                "{name} is the number of {}; give those to be put back by name",
                names.join(", ")
            )
            .into())
        }
    };
    given.iter().map(named).collect()
}

/// What a damaged ledger means for a revert, and the way out.
fn damage_said(damage: &Damage) -> String {
    format!(
        "the ledger is damaged: {damage}; only what stands before that is put back. Put back the rest by hand (`k3warden \
         ledger` shows what can be read of it), then {WAY_OUT}"
    )
}

/// What became of one thing, and what stays in the cluster where a manifest went.
pub(super) fn lines(done: &Reverted) -> Vec<String> {
    let stays = done.left_in_cluster.iter();
    let stays = stays.map(|line| format!("           stays in the cluster; to remove it: {line}"));
    std::iter::once(line(done)).chain(stays).collect()
}

fn line(done: &Reverted) -> String {
    let thing = &done.thing;
    if let (Ok(PutBack::Restored(_) | PutBack::Already), Some(error)) =
        (&done.result, &done.unrecorded)
    {
        return format!("put back, but not recorded: {thing}: {error}");
    }
    match &done.result {
        Ok(PutBack::Restored(state)) => format!("put back   {thing}: {}", describe(state)),
        Ok(PutBack::Already) => format!("unchanged  {thing}: it is what it was before"),
        Ok(PutBack::Waits(reason)) => format!("stays yet  {thing}: {reason}"),
        Ok(PutBack::Stays(reason)) => format!("stays      {thing}: {reason}"),
        Err(error @ (RevertError::Ledger(_) | RevertError::Lock(_))) => {
            format!("failed     {thing}: {error}")
        }
        Err(error) => format!("failed     {error}"),
    }
}
