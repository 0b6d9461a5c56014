//! Keeping what each K3s was started with, so that it can be compared when the journal has long been rotated.

use std::time::Instant;

use super::agent::Agent;
use super::k3s::Followed;
use super::news::{Chore, News};
use crate::host::HostError;
use crate::host::systemd::{InvocationId, UnitName, invocation};
use crate::reconcile::restart::snapshot::Snapshots;
use crate::reconcile::restart::starts::{StartRecord, Starts, Trust};
use crate::reconcile::service::circumstances::now as moment;
use crate::reconcile::service::inputs::inputs;
use crate::reconcile::service::start::Start;
use crate::setting::Running;

impl Agent<'_> {
    /// The arguments of the components, as the journal has them so far.
    pub(super) fn keep_arguments(&mut self, followed: &mut Followed, start: &Start, now: Instant) {
        let arguments = start.heard().arguments();
        let (Some(run), Some(unit)) = (start.run(), self.k3s_unit()) else {
            return;
        };
        if arguments.len() <= followed.kept_arguments {
            return;
        }
        followed.kept_arguments = arguments.len();
        let root = &self.ground.host.root;
        let options = match self.ground.running.as_ref() {
            Running::Started(started) => started.options.clone(),
            Running::Stopped => None,
        };
        let saved = Snapshots::of(root).and_then(|snapshots| {
            let taken = moment(&self.ground.host);
            snapshots.save(root, run, &unit, taken, arguments.clone(), options)
        });
        self.kept(saved, now);
    }

    /// A run that nobody saw begin, and that read what is on disk: so these are its options.
    pub(super) fn keep_options(&mut self, run: &InvocationId, unit: &UnitName, now: Instant) {
        let pass = self.ground.pass();
        let known = match pass.running().as_ref() {
            Running::Started(started) => started.options.is_some(),
            Running::Stopped => true,
        };
        let Some(effective) = pass.effective().as_ref().ok().filter(|_| !known) else {
            return;
        };
        let options = effective.configuration.merge.shown();
        let root = &self.ground.host.root;
        let saved = Snapshots::of(root).and_then(|snapshots| {
            let arguments = snapshots.load(run).map(|snapshot| snapshot.arguments);
            let taken = moment(&self.ground.host);
            let arguments = arguments.unwrap_or_default();
            snapshots.save(root, run, unit, taken, arguments, Some(options))
        });
        self.kept(saved, now);
    }

    /// Something that K3s reads was changed, by whomever: a start that is not ready yet may have read this, though the next
    /// change takes it back.
    pub(super) fn overtakes_start(&mut self) {
        let root = &self.ground.host.root;
        let run = self
            .k3s_unit()
            .and_then(|unit| invocation(root, &unit).ok().flatten());
        let Some(run) = run.filter(|run| self.keeper.ready.as_ref() != Some(run)) else {
            return;
        };
        let pass = self.ground.pass();
        let noted = Starts::of(root).and_then(|starts| {
            let is_in_doubt = |record: StartRecord| record.trust != Trust::Whole;
            if starts.load(&run).is_none_or(is_in_doubt) {
                return Ok(());
            }
            match pass.node.effective(pass.host) {
                Ok(effective) => starts.overtake(&run, &inputs(pass.host, pass.node, &effective)?),
                // What cannot be read K3s does not read either.
                Err(_) => Ok(()),
            }
        });
        if let Err(error) = noted {
            let message = format!("that K3s may have read something else cannot be kept: {error}");
            self.tell_once(News::Hindered(Chore::KeepStart), message, &[]);
        }
    }

    /// Arguments and options of the running K3s could not be judged before.
    fn kept(&mut self, saved: Result<(), HostError>, now: Instant) {
        match saved {
            Ok(()) => self.look_at_running(now),
            Err(error) => {
                let message = format!("what K3s was started with cannot be kept: {error}");
                self.tell_once(News::Hindered(Chore::KeepStart), message, &[]);
            }
        }
    }
}
