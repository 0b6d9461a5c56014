//! When we change nothing: the kill switch, and a pause for maintenance that ends by itself.
//!
//! A pause is counted on CLOCK_BOOTTIME, which nobody can set and which goes on while the machine sleeps: a clock that
//! NTP or an operator moves neither ends a pause early nor makes it last for years. It does not outlive the boot,
//! because what it was made for rarely does; the file names the boot for roots whose `/run` does outlive it.

use std::path::Path;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::eyes::Eyes;
use super::signals::Signals;
use crate::host::{Attributes, FileMode, HostError, OwnPlace, Root, boot_id};
use crate::policy::KillSwitch;
use crate::reconcile::restart::gate::Brake;
use crate::report::status::Suspended;

const PAUSE_FILE: &str = "/run/k3warden/pause.json";
/// What is watched, so that a suspension counts from the next event on.
pub const FILES: [&str; 3] = [
    PAUSE_FILE,
    "/etc/k3warden/disabled",
    "/var/lib/k3warden/quarantine.json",
];
const LIMIT_BYTES: u64 = 16 << 10;

/// A pause for maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Why.
    pub reason: String,
    /// The boot that it belongs to.
    boot_id: Option<String>,
    /// When it ends, in seconds of CLOCK_BOOTTIME.
    until_boottime_seconds: u64,
}

impl Pause {
    /// Begins a pause, or replaces the one that there is.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn begin(root: &Root, length: Duration, reason: &str) -> Result<(), HostError> {
        let pause = Self {
            reason: reason.to_owned(),
            boot_id: boot_id(),
            until_boottime_seconds: boottime_seconds().saturating_add(length.as_secs()),
        };
        OwnPlace::runtime(root)?.create()?;
        let text = serde_json::to_vec(&pause).unwrap_or_default();
        let (uid, gid) = root.superuser();
        let attributes = Attributes {
            mode: FileMode::new(0o644),
            uid,
            gid,
        };
        root.replace(Path::new(PAUSE_FILE), &text, &attributes)
    }

    /// Ends the pause; none is as good.
    ///
    /// # Errors
    /// When its file cannot be removed.
    pub fn end(root: &Root) -> Result<(), HostError> {
        root.remove_file(Path::new(PAUSE_FILE))
    }

    /// The pause that is in force now, with what is left of it.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub fn look(root: &Root) -> Result<Option<(Self, Duration)>, HostError> {
        let Some(text) = root.read_here(Path::new(PAUSE_FILE), LIMIT_BYTES)? else {
            return Ok(None);
        };
        // Only we write this file; one that is cut or foreign pauses nothing.
        let Ok(pause) = serde_json::from_slice::<Self>(&text) else {
            return Ok(None);
        };
        let left = pause.left(boottime_seconds(), boot_id().as_deref());
        Ok(left.map(|left| (pause, left)))
    }

    fn left(&self, now_seconds: u64, boot_id: Option<&str>) -> Option<Duration> {
        let left = self.until_boottime_seconds.checked_sub(now_seconds)?;
        let same_boot = self.boot_id.as_deref() == boot_id;
        (same_boot && left > 0).then(|| Duration::from_secs(left))
    }
}

/// Why nothing is changed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suspension {
    /// In words.
    pub reason: String,
    /// What is left of it; `None` while nobody knows.
    pub left: Option<Duration>,
    /// What can go wrong in the meantime, where something is known that can.
    pub risk: Option<String>,
}

/// What an operator stops us with now. What cannot be looked for counts as found.
#[must_use]
pub fn brake(root: &Root) -> Brake {
    match KillSwitch::look(root) {
        Ok(Some(switch)) => return Brake::KillSwitch(switch),
        Ok(None) => {}
        Err(error) => {
            return Brake::Unreadable(format!("the kill switch cannot be looked for: {error}"));
        }
    }
    match Pause::look(root) {
        Ok(Some((pause, left))) => Brake::Paused {
            left,
            reason: pause.reason,
        },
        Ok(None) => Brake::Free,
        Err(error) => Brake::Unreadable(format!("the pause cannot be looked for: {error}")),
    }
}

impl Suspension {
    /// Looks for whatever keeps us from changing anything.
    #[must_use]
    pub fn look(root: &Root) -> Option<Self> {
        let (reason, left) = match brake(root) {
            Brake::Free | Brake::Observe => return None,
            Brake::KillSwitch(switch) => (switch.to_string(), None),
            Brake::Unreadable(why) => (why, None),
            // K3s's door makes the six kernel values right also then.
            Brake::Paused { left, reason } => (format!("paused: {reason}"), Some(left)),
        };
        Some(Self {
            reason,
            left,
            risk: None,
        })
    }

    /// For the status, with the end as the clock is now (seconds since 1970).
    #[must_use]
    pub fn published(&self, now: i64) -> Suspended {
        let left = self
            .left
            .and_then(|left| i64::try_from(left.as_secs()).ok());
        Suspended {
            reason: self.reason.clone(),
            until: left.map(|left| now.saturating_add(left)),
            risk: self.risk.clone(),
        }
    }
}

/// Whether to stop before the next change: somebody wants us to end, or has begun a pause or thrown the kill switch since
/// the daemon last looked.
#[derive(Debug, Clone, Copy)]
pub struct Halt<'a> {
    /// Where the wish to end comes from.
    pub signals: &'a Signals,
    /// What knows whether there is an event that nobody has read.
    pub eyes: &'a Eyes,
    /// Where the pause and the kill switch lie.
    pub root: &'a Root,
}

impl Halt<'_> {
    /// Asked before each change. The files are only looked for while there is an unread event: theirs may be it.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.signals.wants_end()
            || (self.eyes.has_unread() && Suspension::look(self.root).is_some())
    }
}

fn boottime_seconds() -> u64 {
    clock_gettime(ClockId::CLOCK_BOOTTIME)
        .ok()
        .and_then(|now| u64::try_from(now.tv_sec()).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_by_itself_and_with_its_boot() {
        let pause = Pause {
            reason: "disk".to_owned(),
            boot_id: Some("one".to_owned()),
            until_boottime_seconds: 100,
        };
        for (now, boot, expected) in [
            (40, Some("one"), Some(60)),
            (99, Some("one"), Some(1)),
            (100, Some("one"), None),
            (5000, Some("one"), None),
            (40, Some("two"), None),
            (40, None, None),
        ] {
            let left = pause.left(now, boot).map(|left| left.as_secs());
            assert_eq!(left, expected, "{now} {boot:?}");
        }
    }

    #[test]
    fn a_pause_and_the_kill_switch_suspend_until_they_are_gone() {
        let kept = tempfile::tempdir().unwrap();
        let root = Root::open(kept.path()).unwrap();
        assert_eq!(Suspension::look(&root), None);
        Pause::begin(&root, Duration::from_secs(600), "new disk").unwrap();
        let suspension = Suspension::look(&root).unwrap();
        assert_eq!(suspension.reason, "paused: new disk");
        assert!(suspension.left.unwrap() <= Duration::from_secs(600));
        Pause::end(&root).unwrap();
        assert_eq!(Suspension::look(&root), None);
        std::fs::create_dir_all(kept.path().join("etc/k3warden/disabled")).unwrap();
        assert!(Suspension::look(&root).unwrap().left.is_none());
    }

    #[test]
    fn a_file_that_is_none_of_ours_pauses_nothing() {
        let kept = tempfile::tempdir().unwrap();
        let root = Root::open(kept.path()).unwrap();
        std::fs::create_dir_all(kept.path().join("run/k3warden")).unwrap();
        std::fs::write(kept.path().join("run/k3warden/pause.json"), "{\"reason\"").unwrap();
        assert_eq!(Suspension::look(&root), None);
    }
}
