//! Our mount namespace does not show what K3s sees, or what our unit now lets us write: systemd has to build it anew.
//!
//! We end for that and are started again. Not in a loop: our unit has no start limit, so the pace is kept here.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::agent::Agent;
use super::ground::NoGround;
use super::mounts::{Mounted, Mounts};
use super::work::{Done, Hit, Target, Work};
use crate::host::records::STATE;
use crate::reconcile::sandbox;
use crate::report::event::Kind;
use crate::report::journal::Event;

/// Between two starts for this reason.
const GAP: Duration = Duration::from_secs(60);

/// Until a new start that waits for right rules is tried again.
const HELD: Duration = Duration::from_secs(10);

/// The end of this run, so that systemd builds our namespace anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuild {
    /// Not before.
    pub(super) at: Instant,
    /// systemd has to read our unit again first: the new namespace would be as this one.
    pub(super) reads_unit: bool,
    /// It was told that it waits for rules that are right.
    pub(super) is_held: bool,
}

impl Rebuild {
    /// When to end; `None` while systemd has not read our unit.
    #[must_use]
    pub const fn due(&self) -> Option<Instant> {
        if self.reads_unit { None } else { Some(self.at) }
    }
}

impl Agent<'_> {
    /// Looks for a disk that was mounted on the host where our unit binds what was there before.
    pub(super) fn look_at_mounts(&mut self, now: Instant) {
        if let Some(point) = Mounts::hidden(self.view.places()) {
            self.rebuild(&point, "a disk was mounted there", now);
        }
        self.judge_what_is_covered(now);
    }

    /// A mount over a name raises no event and leaves the directory the same.
    fn judge_what_is_covered(&mut self, now: Instant) {
        let Some(mounted) = self.what_is_mounted() else {
            return;
        };
        let mut hits = BTreeSet::new();
        for point in self.mounted.changed(&mounted) {
            hits.extend(self.index.of_mount(point).map(|concern| Hit {
                concern,
                target: Target::Anything,
            }));
        }
        self.mounted = mounted;
        self.answer(&hits, now);
    }

    /// What is mounted where it concerns what is held.
    pub(super) fn what_is_mounted(&self) -> Option<Mounted> {
        let is_live = self.ground.host.root.is_live();
        let standing = is_live.then(|| Mounts::standing(&|point| self.index.is_near(point)));
        standing.flatten()
    }

    /// Looks for a place that was made after our namespace, and for our records.
    pub(super) fn look_at_view(&mut self, now: Instant) {
        let state = Path::new(STATE);
        if self.view.newly_lost(&self.ground.host.root, state) {
            // Nothing is changed that cannot be recorded; at our start systemd makes it anew (`StateDirectory=`).
            self.rebuild(state, "it was removed", now);
        }
        if let Some(place) = self.view.newly_closed(&self.ground.host.root) {
            self.rebuild(&place, "it was made after our start or is new to us", now);
        }
    }

    /// Our unit's drop-in was written: systemd has to read it, and if it opens what is closed, to start us anew.
    pub(super) fn look_at_sandbox(&mut self, work: &Work) {
        let written = |done: &Done| sandbox::is_drop_in(&done.thing) && done.result.is_ok();
        if !work.done.iter().any(written) || !self.ground.host.root.is_live() {
            return;
        }
        let now = Instant::now();
        self.keeper.reload_units_at(now);
        self.rebuild_once_read(now);
    }

    /// Our unit's drop-in is there and systemd has not read it: if something is closed, a new start has it open.
    pub(super) fn rebuild_once_read(&mut self, now: Instant) {
        // A place that moved just now was not looked at yet.
        let newly = self.view.newly_closed(&self.ground.host.root);
        let closed = newly.or_else(|| self.view.closed().map(Path::to_path_buf));
        let Some(place) = closed else {
            return;
        };
        self.rebuild(&place, "its unit opens it now", now);
        if let Some(rebuild) = &mut self.due.rebuild {
            rebuild.reads_unit = true;
        }
    }

    /// systemd has read its units again, and ours with them.
    pub(super) fn unit_is_read(&mut self) {
        if let Some(rebuild) = &mut self.due.rebuild {
            rebuild.reads_unit = false;
        }
    }

    /// Whether this run ends now for a new namespace. Not while the rules are wrong: the next run would end at once, and
    /// our unit says that it is then left down (`RestartPreventExitStatus=`), where this one holds the rest by the rules
    /// from before.
    pub(super) fn ends_for_rebuild(&mut self, now: Instant) -> bool {
        let due = self.due.rebuild.as_ref().and_then(Rebuild::due);
        if due.is_none_or(|at| at > now) {
            return false;
        }
        match self.sources.open() {
            Err(NoGround::Rules(error)) => {
                self.hold_rebuild(&error, now);
                false
            }
            // What is wrong with the machine may be what the new namespace mends, and is tried again by systemd.
            Err(NoGround::Machine(_)) | Ok(_) => true,
        }
    }

    fn hold_rebuild(&mut self, error: &str, now: Instant) {
        let Some(rebuild) = &mut self.due.rebuild else {
            return;
        };
        rebuild.at = now + HELD;
        if !std::mem::replace(&mut rebuild.is_held, true) {
            let message =
                format!("the new start that mends this waits until the policy is mended: {error}");
            self.journal
                .tell(&Event::new(Kind::NamespaceStale, message));
        }
        self.refuse_policy(error.to_owned(), now);
    }

    fn rebuild(&mut self, place: &Path, why: &str, now: Instant) {
        if self.due.rebuild.is_some() {
            return;
        }
        let message = format!("{} is not as K3s sees it from here: {why}", place.display());
        self.journal
            .tell(&Event::new(Kind::NamespaceStale, message));
        self.due.rebuild = Some(Rebuild {
            at: now + self.rest_of_gap(),
            reads_unit: false,
            is_held: false,
        });
    }

    /// At once, unless the run before this one was short: then a minute after our start.
    fn rest_of_gap(&self) -> Duration {
        let was_short = self
            .ran
            .earlier_start
            .is_some_and(|earlier| seconds(earlier, self.ran.started) < GAP);
        match was_short {
            true => GAP.saturating_sub(seconds(self.ran.started, Timestamp::now().as_second())),
            false => Duration::ZERO,
        }
    }
}

/// What lies between two times of day. A clock that was set back says nothing: then it is nothing.
fn seconds(from: i64, to: i64) -> Duration {
    Duration::from_secs(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}
