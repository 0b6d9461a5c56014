//! What the daemon knows, published for everyone on the node to read: no contents, no values that could be secret.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::listing::{VERDICT_WIDTH, tone};
use super::terminal::Tone;
use super::{Enforcement, Listed, Summary, Terminal};
use crate::reconcile::Verdict;

/// The name of the format; a field is only ever added within one version.
pub const FORMAT: &str = "k3warden.status/v1";
/// Where it is published.
pub const FILE: &str = "/run/k3warden/status.json";

/// What the daemon knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Format and its version.
    pub format: String,
    /// The k3warden that runs.
    pub k3warden_version: String,
    /// Process id of the daemon.
    pub pid: u32,
    /// When it started, seconds since 1970.
    pub started: i64,
    /// One sentence, as `systemctl status` shows it.
    pub sentence: String,
    /// Why nothing is repaired now.
    pub suspended: Option<Suspended>,
    /// Why it polls instead of watching by events.
    pub polling: Option<String>,
    /// What is wrong with the ledger.
    pub ledger_damage: Option<String>,
    /// Why the newest policy is not in force.
    pub refused_policy: Option<String>,
    /// When everything was last looked at, seconds since 1970.
    pub last_full_pass: i64,
    /// How many controls have which verdict.
    pub summary: Summary,
    /// K3s and what its next start will change.
    pub k3s: K3sStatus,
    /// The last repair.
    pub last_repair: Option<Repair>,
    /// Things that somebody keeps undoing.
    pub contention: Vec<Contended>,
    /// Events that the journal did not take.
    pub lost_events: u64,
    /// Every control that is looked at.
    pub controls: Vec<ControlStatus>,
}

/// Why nothing is repaired now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    /// In words.
    pub reason: String,
    /// When it ends by itself, seconds since 1970, as the clock is now.
    pub until: Option<i64>,
    /// What can go wrong while nothing is held.
    #[serde(default)]
    pub risk: Option<String>,
}

/// The last repair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// When, seconds since 1970.
    pub at: i64,
    /// What.
    pub thing: String,
    /// For which control.
    pub control: String,
}

/// Something that somebody keeps undoing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contended {
    /// What.
    pub thing: String,
    /// How often it was repaired.
    pub count: u64,
    /// Who undoes it, where that is known.
    pub writer: Option<String>,
}

/// K3s and what its next start will change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct K3sStatus {
    /// Whether the running K3s has read what is on the disk; `None` while that is not known.
    pub in_step: Option<bool>,
    /// Why K3s should start again, while it should.
    pub pending_restart: Option<String>,
    /// Why that waits.
    pub held: Option<String>,
    /// What that waits for.
    #[serde(default)]
    pub waits_for: Option<WaitsFor>,
    /// What the last start of K3s waits for until it counts as settled, or why it proved nothing.
    #[serde(default)]
    pub start: Option<String>,
    /// Why a part of ours is not written again: K3s's words when it ended with it.
    #[serde(default)]
    pub quarantine: Option<String>,
    /// For what of the operator's own K3s will not start, at its next start or after the next boot, each with its place and the
    /// mend.
    #[serde(default)]
    pub endangered: Vec<String>,
    /// Restarts made by the daemon, by reason.
    pub restarts: BTreeMap<String, u64>,
}

/// What a restart that is wanted waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitsFor {
    /// A window, a limit, this node's turn: it comes by itself.
    Time,
    /// The next start that somebody else makes.
    NextStart,
    /// Something has to be mended first.
    Operator,
}

impl WaitsFor {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Time, Self::NextStart, Self::Operator];

    /// The word for it in metrics, as in the status file.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::NextStart => "next-start",
            Self::Operator => "operator",
        }
    }
}

impl K3sStatus {
    /// Why the daemon restarts K3s: what reasons its restarts are counted by.
    pub const REASONS: [&str; 2] = [Self::FOR_CHANGE, Self::FOR_PUT_BACK];
    /// A change of ours that the running K3s has not read.
    pub const FOR_CHANGE: &str = "change";
    /// What K3s did not live with was put back.
    pub const FOR_PUT_BACK: &str = "put back";

    /// K3s should start again; `held` is what that waits for, and why, if it waits.
    pub fn wants(&mut self, why: String, held: Option<(WaitsFor, String)>) {
        self.pending_restart = Some(why);
        (self.waits_for, self.held) = held.unzip();
    }

    /// It need not.
    pub fn wants_nothing(&mut self) {
        self.pending_restart = None;
        self.waits_for = None;
        self.held = None;
    }
}

/// One control.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlStatus {
    /// Its name.
    pub id: String,
    /// Recommendation numbers in the CIS edition of this node.
    pub cis: Option<String>,
    /// How far it is taken.
    pub enforcement: Enforcement,
    /// The answer.
    pub verdict: Verdict,
    /// The things that diverge or could not be seen.
    pub open: Vec<String>,
    /// Whether one of them could not be seen, whatever the others say.
    #[serde(default)]
    pub unseen: bool,
    /// The last day of its exception, in local time.
    pub excepted_until: Option<String>,
    /// When that day ends, seconds since 1970.
    pub exception_ends: Option<i64>,
    /// Repairs since the node was booted.
    pub repairs: u64,
}

impl Status {
    /// The status as a table for people; now is in seconds since 1970.
    #[must_use]
    pub fn render(&self, terminal: Terminal, listed: Listed, now: i64) -> String {
        let mut text = format!("{}\n", self.sentence);
        self.render_warnings(&mut text, terminal, now);
        let shown = |control: &&ControlStatus| control.repairs > 0 || listed.lists(control.verdict);
        let shown: Vec<&ControlStatus> = self.controls.iter().filter(shown).collect();
        let width = shown
            .iter()
            .map(|control| control.id.len())
            .max()
            .unwrap_or(0);
        if !shown.is_empty() {
            text.push('\n');
        }
        for control in shown {
            let name = format!("{:<VERDICT_WIDTH$}", control.verdict.name());
            let verdict = terminal.paint(tone(control.verdict), name);
            let _ = write!(text, "{verdict}  {:<width$}", control.id);
            let mut notes = Vec::new();
            if let Some(until) = &control.excepted_until {
                notes.push(format!("until {until}"));
            }
            if control.repairs > 0 {
                notes.push(format!("{} repairs", control.repairs));
            }
            notes.extend(control.open.first().cloned());
            if !notes.is_empty() {
                let _ = write!(text, "  {}", notes.join(", "));
            }
            text.push('\n');
        }
        text
    }

    fn render_warnings(&self, text: &mut String, terminal: Terminal, now: i64) {
        let mut warn = |warning: String| {
            let _ = writeln!(text, "{}", terminal.paint(Tone::Doubtful, warning));
        };
        if let Some(suspended) = &self.suspended {
            let ends = suspended.until.map_or_else(String::new, |until| {
                format!(
                    "; ends by itself in {}",
                    duration(until.saturating_sub(now))
                )
            });
            warn(format!("no repairs: {}{ends}", suspended.reason));
            if let Some(risk) = &suspended.risk {
                warn(format!("beware: {risk}"));
            }
        }
        for (what, why) in [
            ("polling instead of watching by events", &self.polling),
            ("the ledger is damaged", &self.ledger_damage),
            (
                "a new policy is refused, the old one stays",
                &self.refused_policy,
            ),
            ("K3s should start again", &self.k3s.pending_restart),
            ("its restart is held", &self.k3s.held),
            ("the last start of K3s", &self.k3s.start),
            (
                "not written again until something changes or `k3warden retry`, since K3s did not live with it",
                &self.k3s.quarantine,
            ),
        ] {
            if let Some(why) = why {
                warn(format!("{what}: {why}"));
            }
        }
        self.k3s.endangered.iter().cloned().for_each(&mut warn);
        for contended in &self.contention {
            let writer = contended.writer.as_deref().unwrap_or("somebody");
            let Contended { thing, count, .. } = contended;
            warn(format!(
                "{writer} keeps undoing {thing}: repaired {count} times"
            ));
        }
        if self.lost_events > 0 {
            warn(format!(
                "{} events the journal did not take",
                self.lost_events
            ));
        }
    }
}

/// A time span as people say it, from seconds.
#[must_use]
pub fn duration(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_as_people_say_them() {
        for (seconds, expected) in [
            (-5, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (7200, "2 h"),
            (172_800, "2 days"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
    }
}
