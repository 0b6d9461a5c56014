//! The status as a node_exporter textfile.

use std::fmt::{Display, Write};

use super::status::{K3sStatus, Status, WaitsFor};
use crate::reconcile::Verdict;

/// What every metrics file of ours begins with.
pub const METRICS_BEGIN_WITH: &str = "# HELP k3warden_";

/// The text of the metrics file. Base units, no timestamps; the series do not depend on what was found.
#[must_use]
pub fn metrics(status: &Status) -> String {
    let mut text = Text::default();
    text.family("build_info", "gauge", "The k3warden that runs.");
    text.sample("build_info", &[("version", &status.k3warden_version)], 1);
    of_controls(&mut text, status);
    of_daemon(&mut text, status);
    of_k3s(&mut text, status);
    text.0
}

fn of_controls(text: &mut Text, status: &Status) {
    let help = "1 for the verdict that a control has, else 0.";
    text.family("control_verdict", "gauge", help);
    for control in &status.controls {
        for verdict in Verdict::ALL {
            let labels = [
                ("control", control.id.as_str()),
                ("verdict", verdict.name()),
            ];
            let value = i32::from(control.verdict == verdict);
            text.sample("control_verdict", &labels, value);
        }
    }
    let help = "Repairs made for a control since the boot.";
    text.family("repairs_total", "counter", help);
    for control in &status.controls {
        let labels = [("control", control.id.as_str())];
        text.sample("repairs_total", &labels, control.repairs);
    }
    let name = "exception_expiry_timestamp_seconds";
    let help = "When an exception ends and its control is enforced again.";
    text.family(name, "gauge", help);
    for control in &status.controls {
        if let Some(ends) = control.exception_ends {
            text.sample(name, &[("control", &control.id)], ends);
        }
    }
}

fn of_daemon(text: &mut Text, status: &Status) {
    let help = "Repairs of a thing that somebody keeps undoing.";
    text.family("contended", "gauge", help);
    for contended in &status.contention {
        let labels = [("thing", contended.thing.as_str())];
        text.sample("contended", &labels, contended.count);
    }
    for (name, help, is_so) in [
        (
            "suspended",
            "Whether repairs are paused or switched off.",
            status.suspended.is_some(),
        ),
        (
            "polling",
            "Whether inotify cannot be had.",
            status.polling.is_some(),
        ),
        (
            "ledger_damaged",
            "Whether the record of changes is damaged.",
            status.ledger_damage.is_some(),
        ),
        (
            "policy_refused",
            "Whether the newest policy is not in force.",
            status.refused_policy.is_some(),
        ),
    ] {
        text.single(name, help, is_so);
    }
    let name = "last_full_pass_timestamp_seconds";
    text.family(name, "gauge", "When everything was last looked at.");
    text.sample(name, &[], status.last_full_pass);
}

fn of_k3s(text: &mut Text, status: &Status) {
    let help = "Restarts of K3s by k3warden, by reason.";
    text.family("k3s_restarts_total", "counter", help);
    for reason in K3sStatus::REASONS {
        let count = status.k3s.restarts.get(reason).copied().unwrap_or(0);
        text.sample("k3s_restarts_total", &[("reason", reason)], count);
    }
    let k3s = &status.k3s;
    for (name, help, is_so) in [
        (
            "k3s_restart_pending",
            "Whether K3s should start again.",
            k3s.pending_restart.is_some(),
        ),
        (
            "k3s_start_endangered",
            "Whether K3s will not live through its next start.",
            !k3s.endangered.is_empty(),
        ),
        (
            "k3s_change_quarantined",
            "Whether K3s did not live with a change, which was put back.",
            k3s.quarantine.is_some(),
        ),
    ] {
        text.single(name, help, is_so);
    }
    let name = "k3s_restart_held";
    text.family(
        name,
        "gauge",
        "1 for what a restart of K3s waits for, else 0.",
    );
    for waits_for in WaitsFor::ALL {
        let value = i32::from(status.k3s.waits_for == Some(waits_for));
        text.sample(name, &[("waits_for", waits_for.name())], value);
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(
            self.0,
            "# HELP k3warden_{name} {help}\n# TYPE k3warden_{name} {kind}"
        );
    }

    fn single(&mut self, name: &str, help: &str, value: bool) {
        self.family(name, "gauge", help);
        self.sample(name, &[], i32::from(value));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.0, "k3warden_{name}");
        for (place, (label, value)) in labels.iter().enumerate() {
            let opening = if place == 0 { '{' } else { ',' };
            let value = value
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let _ = write!(self.0, "{opening}{label}=\"{value}\"");
        }
        let closing = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{closing} {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(k3s: &serde_json::Value) -> Status {
        let status = serde_json::json!({
            "format": "", "k3warden_version": "", "pid": 1, "started": 0, "sentence": "",
            "last_full_pass": 0, "summary": {
                "compliant": 0, "divergent": 0, "excepted": 0, "not-applicable": 0, "unknown": 0
            },
            "k3s": k3s,
            "contention": [], "lost_events": 0, "controls": []
        });
        serde_json::from_value(status).unwrap()
    }

    /// A counter that only appears with its first 1 has never increased in the eyes of a query for its rate.
    #[test]
    fn each_reason_of_a_restart_is_counted_from_0() {
        let text = metrics(&status_of(
            &serde_json::json!({ "restarts": { "change": 2 } }),
        ));
        for (reason, count) in [("change", 2), ("put back", 0)] {
            let line = format!("k3warden_k3s_restarts_total{{reason=\"{reason}\"}} {count}");
            assert!(text.lines().any(|found| found == line), "{text}");
        }
    }

    #[test]
    fn what_a_restart_waits_for_is_one_of_a_few_series_that_are_always_there() {
        let held = |waits_for: Option<WaitsFor>| {
            let k3s = serde_json::json!({ "waits_for": waits_for, "restarts": {} });
            let text = metrics(&status_of(&k3s));
            let lines = text
                .lines()
                .filter(|line| line.starts_with("k3warden_k3s_restart_held{"));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(held(None).iter().all(|line| line.ends_with(" 0")));
        let lines = held(Some(WaitsFor::NextStart));
        assert_eq!(lines.len(), 3);
        let set = "k3warden_k3s_restart_held{waits_for=\"next-start\"} 1";
        assert!(lines.contains(&set.to_owned()), "{lines:?}");
    }

    #[test]
    fn what_somebody_has_to_mend_before_k3s_starts_again_is_there_to_be_alerted_of() {
        for (k3s, endangered, quarantined) in [
            (serde_json::json!({ "restarts": {} }), 0, 0),
            (
                serde_json::json!({ "restarts": {}, "endangered": ["a line"], "quarantine": "no port" }),
                1,
                1,
            ),
        ] {
            let text = metrics(&status_of(&k3s));
            for (name, value) in [
                ("start_endangered", endangered),
                ("change_quarantined", quarantined),
            ] {
                let line = format!("k3warden_k3s_{name} {value}");
                assert!(text.lines().any(|found| found == line), "{text}");
            }
        }
    }

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let mut text = Text::default();
        text.sample("x", &[("thing", "a\"b\\c\nd"), ("other", "y")], 2);
        assert_eq!(
            text.0,
            "k3warden_x{thing=\"a\\\"b\\\\c\\nd\",other=\"y\"} 2\n"
        );
    }
}
