//! Our mount namespace does not show what K3s sees, or what our unit now lets us write: systemd has to build it anew.
//!
//! We end for that and are started again. Not in a loop: systemd gives up on a unit that ends too often.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::agent::Agent;
use super::mounts::Mounts;
use super::work::{Done, Work};
use crate::host::systemd::{ServiceManager, Systemd};
use crate::reconcile::sandbox;
use crate::report::event::Kind;
use crate::report::journal::Event;

/// Between two starts for this reason: five in the five minutes in which the unit grants ten.
const GAP: Duration = Duration::from_secs(60);

/// The end of this run, so that systemd builds our namespace anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuild {
    /// When.
    pub at: Instant,
    /// Whether systemd has to read our unit again first.
    read_units: bool,
}

impl Agent<'_> {
    /// Looks for a disk that was mounted on the host where our unit binds what was there before.
    pub(super) fn look_at_mounts(&mut self, now: Instant) {
        if let Some(point) = Mounts::hidden(self.view.places()) {
            self.rebuild(&point, "a disk was mounted there", now);
        }
    }

    /// Looks for a place that was made after our namespace.
    pub(super) fn look_at_view(&mut self, now: Instant) {
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
        let closed = self.view.closed().map(Path::to_path_buf);
        let Some(place) = closed else {
            // Nobody waits for it: a systemd that hangs must not stop repairs.
            std::thread::spawn(read_units_again);
            return;
        };
        self.rebuild(&place, "its unit opens it now", Instant::now());
        if let Some(rebuild) = &mut self.due.rebuild {
            rebuild.read_units = true;
        }
    }

    /// What systemd has to know before it starts us anew.
    pub(super) fn prepare_rebuild(&self) {
        if self.due.rebuild.is_some_and(|rebuild| rebuild.read_units) {
            read_units_again();
        }
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
            read_units: false,
        });
    }

    /// At once, unless the run before this one was short: then a minute after our start.
    fn rest_of_gap(&self) -> Duration {
        let was_short = self
            .earlier_start
            .is_some_and(|earlier| seconds(earlier, self.started) < GAP);
        match was_short {
            true => GAP.saturating_sub(seconds(self.started, Timestamp::now().as_second())),
            false => Duration::ZERO,
        }
    }
}

/// What lies between two times of day. A clock that was set back says nothing: then it is nothing.
fn seconds(from: i64, to: i64) -> Duration {
    Duration::from_secs(u64::try_from(to.saturating_sub(from)).unwrap_or(0))
}

/// Where that fails the next start is as this one, and what cannot be written says so.
fn read_units_again() {
    if let Ok(systemd) = Systemd::of_machine() {
        let _ = systemd.reload_units();
    }
}
