//! Keeping what each K3s was started with, so that it can be compared when the journal has long been rotated.

use std::time::{Duration, Instant};

use super::agent::Agent;
use super::k3s::Followed;
use crate::host::systemd::{InvocationId, UnitName};
use crate::reconcile::restart::follow::Follower;
use crate::reconcile::restart::snapshot::Snapshots;
use crate::reconcile::running::kept;
use crate::reconcile::service::circumstances::now as moment;
use crate::setting::Running;

/// The components log their arguments one after the other; they are judged together.
const TOGETHER: Duration = Duration::from_secs(1);

impl Agent<'_> {
    /// The arguments of the components, as the journal has them so far.
    pub(super) fn keep_arguments(
        &mut self,
        start: &mut Followed,
        follower: &Follower,
        now: Instant,
    ) {
        let arguments = follower.heard().arguments();
        let (Some(run), Some(unit)) = (follower.invocation(), self.unit()) else {
            return;
        };
        if arguments.len() <= start.kept_arguments {
            return;
        }
        start.kept_arguments = arguments.len();
        let root = &self.ground.host.root;
        let kept = match kept(&self.ground.host, &self.ground.node) {
            Running::Started(started) => started.options,
            Running::Stopped => None,
        };
        // Without it the journal is asked again, as long as it remembers.
        let _ = Snapshots::of(root).and_then(|snapshots| {
            snapshots.save(
                root,
                run,
                &unit,
                moment(&self.ground.host),
                arguments.clone(),
                kept,
            )
        });
        // Arguments and options of the running K3s could not be judged before.
        self.due.full_pass = Some(now + TOGETHER);
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
        if saved.is_ok() {
            self.due.full_pass = Some(now + TOGETHER);
        }
    }
}
