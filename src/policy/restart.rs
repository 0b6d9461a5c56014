//! When K3s may be restarted.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::civil::DateTime;
use toml::de::DeTable;

use super::keys;
use super::reader::{Reader, names_of};
use super::value;
use super::{Given, Window};

/// How restarts of K3s that we want come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartMode {
    /// At once, within the limits.
    Auto,
    /// In the next window.
    Window,
    /// Never by us: the next natural start picks the change up.
    Never,
}

/// The rules for restarts of K3s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartRules {
    /// How restarts come about; absent, role and datastore decide.
    pub mode: Option<Given<RestartMode>>,
    /// Windows in local time.
    pub windows: Given<Vec<Window>>,
    /// From one restart to the next.
    pub minimum_interval: Given<Duration>,
    /// Restarts in 24 hours.
    pub per_day: Given<NonZeroU32>,
    /// K3s must run this long, undisturbed, before a change counts as settled.
    pub settle_time: Given<Duration>,
    /// The settle period ends here, whatever K3s logs.
    pub settle_limit: Given<Duration>,
    /// Restarts of a fleet are spread over this time by machine id.
    pub jitter: Given<Duration>,
}

const MODES: &[(&str, RestartMode)] = &[
    ("auto", RestartMode::Auto),
    ("window", RestartMode::Window),
    ("never", RestartMode::Never),
];

impl Default for RestartRules {
    fn default() -> Self {
        let minutes = |minutes: u64| Given::default(Duration::from_secs(minutes * 60));
        Self {
            mode: None,
            windows: Given::default(Vec::new()),
            minimum_interval: minutes(10),
            per_day: Given::default(NonZeroU32::MIN.saturating_add(3)),
            settle_time: minutes(1),
            settle_limit: minutes(10),
            jitter: minutes(5),
        }
    }
}

impl RestartRules {
    /// Whether a window is open at a local time.
    #[must_use]
    pub fn is_window_open(&self, local: DateTime) -> bool {
        self.windows
            .value
            .iter()
            .any(|window| window.contains(local))
    }

    /// The local time at which a window is open next, see [`Window::next_opening`]; `None` without windows.
    #[must_use]
    pub fn next_opening(&self, after: DateTime) -> Option<DateTime> {
        let openings = self
            .windows
            .value
            .iter()
            .filter_map(|window| window.next_opening(after));
        openings.min()
    }
}

pub(super) fn read(reader: &mut Reader<'_, '_>, table: &DeTable<'_>, rules: &mut RestartRules) {
    for (key, entry) in table {
        match key.get_ref().as_ref() {
            "mode" => reader.set_some(key, entry, &mut rules.mode, |entry| {
                value::choice(entry, MODES)
            }),
            "windows" => reader.set(key, entry, &mut rules.windows, value::windows),
            "minimum_interval" => {
                reader.set(key, entry, &mut rules.minimum_interval, value::duration);
            }
            "per_day" => reader.set(key, entry, &mut rules.per_day, value::count),
            "settle_time" => reader.set(key, entry, &mut rules.settle_time, value::interval),
            "settle_limit" => reader.set(key, entry, &mut rules.settle_limit, value::interval),
            "jitter" => reader.set(key, entry, &mut rules.jitter, value::duration),
            other => {
                let hint = keys::TOP
                    .contains(&other)
                    .then(|| format!("`{other}` belongs above the first [section]"));
                reader.unknown_key(
                    key,
                    "in [restart]",
                    hint.or_else(|| names_of(other, keys::RESTART)),
                );
            }
        }
    }
}
