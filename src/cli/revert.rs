//! `k3warden revert`: put back what was there before.

use std::path::Path;

use clap::Args;

use super::exit::CliError;
use super::restart::Service;
use super::session::Session;
use super::{Exit, Global};
use crate::host::Thing;
use crate::host::{Interrupt, State};
use crate::k3s::drop_in_directory;
use crate::reconcile::ledger::{Ledger, Touch};
use crate::reconcile::service::stay::{self, Running};
use crate::reconcile::{PutBack, Revert as Undo, Reverted, unit_override};
use crate::report::describe;

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

impl Revert {
    pub(super) fn run(self, global: &Global) -> Result<Exit, CliError> {
        let session = Session::open(global)?;
        session.require_root()?;
        let interrupt = Interrupt::catch()?;
        let mut ledger = session.open_ledger("k3warden revert")?;
        session.sweep("k3warden revert")?;
        self.require_known(&session, &mut ledger)?;
        if let Some(damage) = ledger.damage() {
            eprintln!(
                "k3warden: the ledger is damaged: {damage}; what it still proves is put back"
            );
        }
        // A command of ours is in force until systemd reads the unit again, and decides what else may go.
        let is_command =
            |thing: &Thing| matches!(thing, Thing::Path(path) if unit_override::is_ours(path));
        let mut reverted = self.phase(&session, &mut ledger, &interrupt, &is_command)?;
        let mut session = session;
        if reverted
            .iter()
            .any(|done| matches!(done.result, Ok(PutBack::Restored(_))))
        {
            if let Some(service) = Service::of(&session) {
                service.reload_units();
            }
            session = Session::open(global)?;
        }
        reverted.extend(self.phase(&session, &mut ledger, &interrupt, &|thing| {
            !is_command(thing)
        })?);
        if reverted.is_empty() {
            say!("Nothing to put back.");
        }
        for done in &reverted {
            say!("{}", line(done));
        }
        let failed = reverted.iter().any(|done| done.result.is_err());
        let stays = reverted
            .iter()
            .any(|done| matches!(done.result, Ok(PutBack::Stays(_))));
        Ok(match (failed, stays) {
            (true, _) => Exit::Unable,
            (false, true) => Exit::DoesNotHold,
            (false, false) => Exit::Holds,
        })
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
            controls: &self.controls,
            of_these,
            force: self.force,
            must_stay: &|thing| stay::must_stay(&session.pass(), thing, &running),
            goes_first: &|thing| {
                let directory = drop_in_directory(&session.node.places.config_file);
                matches!(thing, Thing::Path(path) if path.starts_with(&directory))
            },
            remains: &|thing| stay::remains(&session.pass(), thing),
            shared: &|touch, before| self.remaining(session, touch, before),
            who: "k3warden revert",
        };
        Ok(undo.run(&session.host, ledger, &|| interrupt.is_wanted())?)
    }

    /// A control that the catalogue has no longer may still have changed something.
    fn require_known(&self, session: &Session, ledger: &mut Ledger) -> Result<(), CliError> {
        if self.controls.is_empty() {
            return Ok(());
        }
        let touched = ledger.touched(&session.lock("k3warden revert")?)?;
        let recorded = touched.iter().flat_map(|touch| &touch.controls);
        let unknown: Vec<String> = self
            .controls
            .iter()
            .filter(|control| !recorded.clone().any(|known| known == *control))
            .cloned()
            .collect();
        session.named(&unknown).map(|_| ())
    }

    /// What a thing that several controls share becomes when only some of them are reverted.
    fn remaining(&self, session: &Session, touch: &Touch, before: &State) -> Option<State> {
        let stay: Vec<&str> = touch
            .controls
            .iter()
            .filter(|control| !self.controls.contains(control))
            .map(String::as_str)
            .collect();
        session.pass().shared_state(&touch.thing, before, &stay)
    }
}

fn line(done: &Reverted) -> String {
    let thing = &done.thing;
    match &done.result {
        Ok(PutBack::Restored(state)) => format!("put back   {thing}: {}", describe(state)),
        Ok(PutBack::Already) => format!("unchanged  {thing}: it is what it was before"),
        Ok(PutBack::Stays(reason)) => format!("stays      {thing}: {reason}"),
        Err(error) => format!("failed     {error}"),
    }
}
