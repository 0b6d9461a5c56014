//! A point in time that a clock set wrong cannot move.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::host::Clock;

/// A point in time, by the wall clock and by the time since boot. Ages within one boot never depend on the wall clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Seconds since 1970, as the wall clock had it.
    pub wall_seconds: i64,
    /// The boot, by the kernel's id of it.
    pub boot: String,
    /// Seconds since that boot, sleep included.
    pub since_boot_seconds: u64,
}

impl Moment {
    /// Now, in the boot of this id.
    #[must_use]
    pub fn now(clock: &dyn Clock, boot: &str) -> Self {
        Self {
            wall_seconds: clock.wall().timestamp().as_second(),
            boot: boot.to_owned(),
            since_boot_seconds: clock.since_boot().as_secs(),
        }
    }

    /// How long ago it was. Of another boot it is at least as old as this boot, whatever the wall clock says since; a
    /// clock that was set back makes nothing older than that, and nothing lies in the future.
    #[must_use]
    pub fn age(&self, now: &Self) -> Duration {
        let seconds = if self.boot == now.boot {
            now.since_boot_seconds
                .saturating_sub(self.since_boot_seconds)
        } else {
            let by_wall = now.wall_seconds.saturating_sub(self.wall_seconds);
            u64::try_from(by_wall)
                .unwrap_or(0)
                .max(now.since_boot_seconds)
        };
        Duration::from_secs(seconds)
    }
}

#[cfg(test)]
pub(super) fn at(boot: &str, wall_seconds: i64, since_boot_seconds: u64) -> Moment {
    Moment {
        wall_seconds,
        boot: boot.to_owned(),
        since_boot_seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_survive_every_clock_that_is_set() {
        let year = 365 * 86_400;
        for (name, then, now, seconds) in [
            ("same boot", at("a", 1000, 10), at("a", 1050, 60), 50),
            (
                "same boot, clock set back a year",
                at("a", year, 10),
                at("a", 0, 60),
                50,
            ),
            (
                "same boot, clock set on a year",
                at("a", 0, 10),
                at("a", year, 60),
                50,
            ),
            ("earlier boot", at("a", 1000, 10), at("b", 4000, 60), 3000),
            (
                "earlier boot, clock set back",
                at("a", year, 10),
                at("b", 0, 60),
                60,
            ),
            (
                "earlier boot, wall too young for this uptime",
                at("a", 1000, 10),
                at("b", 1001, 60),
                60,
            ),
            ("not yet", at("a", 1000, 70), at("a", 1000, 60), 0),
        ] {
            assert_eq!(then.age(&now), Duration::from_secs(seconds), "{name}");
        }
    }
}
