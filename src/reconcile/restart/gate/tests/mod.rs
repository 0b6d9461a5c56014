//! The gate at every turn of what it is asked.

mod decisions;
mod waits;

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::super::inputs::{Difference, Input};
use super::super::standing::Source;
use super::*;
use crate::policy::{Given, Window};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Owns what a situation borrows: an agent that differs, wants a restart and is free to have it.
struct Case {
    now: Zoned,
    life: Life,
    standing: Standing,
    wanted: Wanted,
    wanted_for: Duration,
    quiet_for: Duration,
    rules: RestartRules,
    role: Option<Role>,
    datastore: Option<Datastore>,
    node_id: String,
    restarts: Vec<Duration>,
    refused: Option<Duration>,
    settling: bool,
    quarantine: Option<&'static str>,
    preflight: Preflight,
    encryption: Encryption,
    brake: Brake,
}

impl Case {
    fn new() -> Self {
        let input = Input::File("/c/config.yaml.d/50-x.yaml".to_owned());
        Self {
            // A Monday.
            now: date(2027, 1, 4)
                .at(12, 0, 0, 0)
                .to_zoned(TimeZone::UTC)
                .unwrap(),
            life: Life::Running,
            standing: Standing::Differs(
                Source::Door,
                vec![Difference::of(input, Some(()), Some(()))],
            ),
            wanted: Wanted::ByControls,
            wanted_for: HOUR,
            quiet_for: HOUR,
            rules: RestartRules::default(),
            role: Some(Role::Agent),
            datastore: None,
            node_id: "node".to_owned(),
            restarts: Vec::new(),
            refused: None,
            settling: false,
            quarantine: None,
            preflight: Preflight::Passes,
            encryption: Encryption::NotHere,
            brake: Brake::Free,
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut case = Self::new();
        change(&mut case);
        case
    }

    fn decide(&self) -> Gate {
        decide(&Situation {
            now: &self.now,
            life: self.life,
            standing: &self.standing,
            wanted: self.wanted,
            wanted_for: self.wanted_for,
            quiet_for: self.quiet_for,
            rules: &self.rules,
            role: self.role,
            datastore: self.datastore,
            node_id: &self.node_id,
            restarts: &self.restarts,
            refused: self.refused,
            settling: self.settling,
            quarantine: self.quarantine,
            preflight: &self.preflight,
            encryption: self.encryption,
            brake: &self.brake,
        })
    }

    fn mode(&mut self, mode: RestartMode) {
        self.rules.mode = Some(given(mode));
    }

    fn windows(&mut self, texts: &[&str]) {
        let windows = texts.iter().map(|text| Window::parse(text).unwrap());
        self.rules.windows.value = windows.collect();
    }

    fn server(&mut self, datastore: Datastore) {
        self.role = Some(Role::Server);
        self.datastore = Some(datastore);
    }
}

fn given<T>(value: T) -> Given<T> {
    Given { value, place: None }
}

fn word(gate: &Gate) -> &'static str {
    match gate {
        Gate::NotNeeded => "not needed",
        Gate::Now { .. } => "now",
        Gate::HeldUntil { .. } => "held",
        Gate::Refused { .. } => "refused",
        Gate::Pending { .. } => "pending",
        Gate::Unknown { .. } => "unknown",
    }
}

type Change = fn(&mut Case);

fn check(table: &[(&str, &str, Change)]) {
    for (name, expected, change) in table {
        let gate = Case::with(change).decide();
        assert_eq!(word(&gate), *expected, "{name}: {gate:?}");
    }
}
