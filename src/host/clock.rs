//! Time: what the clock on the wall says, and how long the machine is up. One of the two seams of the tests.

use std::fmt;
use std::time::Duration;

use jiff::Zoned;
use nix::time::{ClockId, clock_gettime};

/// Both kinds of time. Rules that count (intervals, budgets, settling) use the time since boot, which nobody sets;
/// the wall clock serves windows, expiry dates and people.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock in the machine's time zone.
    fn wall(&self) -> Zoned;

    /// Time since boot, sleep included; never goes back.
    fn since_boot(&self) -> Duration;

    /// Time since boot without sleep: what systemd's `…TimestampMonotonic=` are by.
    fn awake(&self) -> Duration;
}

/// The kernel's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> Zoned {
        Zoned::now()
    }

    fn since_boot(&self) -> Duration {
        // CLOCK_BOOTTIME exists since Linux 2.6.39 and cannot fail.
        clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
    }

    fn awake(&self) -> Duration {
        clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from)
    }
}

/// The running kernel's id of this boot, whatever root we work on; random(4).
#[must_use]
pub fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_since_boot_runs() {
        let before = SystemClock.since_boot();
        std::thread::sleep(Duration::from_millis(2));
        assert!(before > Duration::ZERO);
        assert!(SystemClock.since_boot() > before);
    }
}
