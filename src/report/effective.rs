//! What K3s runs with, for people and for tools.

mod text;

use std::collections::BTreeMap;

use serde::Serialize;

use super::beside_next_start::{OnDiskReport, RunningReport};
use super::kubelet_settings::{self, KubeletSettingReport};
use super::slips;
use crate::k3s::component::{AUTO, Argument};
use crate::k3s::{Effective, OptionKind, Options, Place, SkippedKey, Sourced, Unit, shown_value};
use crate::setting::Running;

/// The name of the format; a field is only ever added within one version.
const FORMAT: &str = "k3warden.effective/v1";

/// What only the running machine knows where nothing sets it.
const AUTOMATIC: &[&str] = &["node-ip", "node-name", "advertise-address"];

/// Options and arguments at the next start.
#[derive(Debug, Serialize)]
pub struct EffectiveReport {
    /// Format and its version.
    pub format: &'static str,
    /// The release that they were worked out for.
    pub k3s_version: String,
    /// `server` or `agent`.
    pub role: String,
    /// The unit that starts K3s.
    pub unit: Option<String>,
    /// Why K3s would end at its start.
    pub ends: Option<EndsReport>,
    /// Every option by its long name.
    pub options: BTreeMap<String, OptionReport>,
    /// Every component's arguments in K3s's own order.
    pub arguments: BTreeMap<&'static str, Vec<String>>,
    /// Where each argument comes from, in the same order.
    pub argument_sources: BTreeMap<&'static str, Vec<ArgumentSource>>,
    /// What the kubelet's flags and files come to, of the settings that can be judged; by their path in its configuration.
    pub kubelet_settings: BTreeMap<&'static str, KubeletSettingReport>,
    /// What K3s would warn about, in its own words, or do without a word.
    pub warnings: Vec<String>,
    /// The keys that it would warn about and skip, with their places, which it does not name.
    pub skipped_keys: Vec<SkippedKeyReport>,
    /// Whether unit files were changed since systemd read them; null where it could not be asked.
    pub need_daemon_reload: Option<bool>,
    /// The unit on disk where systemd has another one loaded, which is the one above.
    pub on_disk: Option<OnDiskReport>,
    /// What the running K3s was started with; null while none runs.
    pub running: Option<RunningReport>,
}

/// What there is to report.
#[derive(Debug)]
pub struct Reported<'a> {
    /// What K3s would run with at its next start.
    pub next: &'a Effective,
    /// The unit that starts it.
    pub unit: Option<&'a Unit>,
    /// What it would run with if systemd read the unit's files again, where they are others, or why that cannot be told.
    pub on_disk: Option<Result<Effective, String>>,
    /// What the running K3s was started with.
    pub running: &'a Running,
    /// What an operator should know of the node's units.
    pub warnings: &'a [String],
}

/// A key of K3s's files that it has no option for.
#[derive(Debug, Serialize)]
pub struct SkippedKeyReport {
    /// The key with its dashes, as K3s says it.
    pub key: String,
    /// Where it is written.
    pub from: String,
    /// What to do about it.
    pub mend: String,
}

impl SkippedKeyReport {
    fn of(skipped: &SkippedKey, effective: &Effective) -> Self {
        Self {
            key: skipped.flag.clone(),
            from: skipped.place.to_string(),
            mend: slips::mend_of_key(effective, skipped),
        }
    }
}

/// Why K3s would end.
#[derive(Debug, Serialize)]
pub struct EndsReport {
    /// One sentence.
    pub reason: String,
    /// The place to mend.
    pub from: Option<String>,
    /// What to do about it; null where the reason says so, or nobody here knows.
    pub mend: Option<String>,
}

/// One option.
#[derive(Debug, Serialize)]
pub struct OptionReport {
    /// A text, or a list of texts.
    pub value: OptionValue,
    /// The places that gave the values.
    pub from: Vec<String>,
    /// Nothing sets it.
    pub default: bool,
    /// What was given too and does not count, with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrode: Vec<String>,
    /// The place of what K3s goes by in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outranked_by: Option<String>,
}

/// A value as Go prints it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum OptionValue {
    /// A scalar.
    Text(String),
    /// A list.
    List(Vec<String>),
}

/// Where one argument comes from.
#[derive(Debug, Serialize)]
pub struct ArgumentSource {
    /// The flag.
    pub flag: String,
    /// The place.
    pub from: String,
    /// What was given too and does not count, with its place.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub overrode: Vec<String>,
    /// The place of a later argument of the same flag that counts in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outranked_by: Option<String>,
}

impl EndsReport {
    /// The first thing that would stop it.
    pub(super) fn of(effective: &Effective) -> Option<Self> {
        effective.ends().map(|ending| Self {
            reason: ending.reason.clone(),
            from: ending.from.as_ref().map(ToString::to_string),
            mend: slips::mend(effective, ending),
        })
    }

    pub(super) fn sentence(&self) -> String {
        let from = self.from.as_ref().map(|from| format!(" ({from})"));
        let mend = self.mend.as_ref().map(|mend| format!("; {mend}"));
        [Some(self.reason.clone()), from, mend]
            .into_iter()
            .flatten()
            .collect()
    }
}

/// Every component's arguments in K3s's own order.
pub(super) fn lines(effective: &Effective) -> BTreeMap<&'static str, Vec<String>> {
    let lines = effective.start.components.lines.iter();
    lines
        .map(|(component, line)| {
            let words = line.iter().map(Argument::shown);
            (component.name(), words.collect())
        })
        .collect()
}

impl EffectiveReport {
    /// The report.
    #[must_use]
    pub fn of(reported: Reported<'_>) -> Self {
        let effective = reported.next;
        let role = effective.configuration.role;
        let mut argument_sources = BTreeMap::new();
        let components = &effective.start.components;
        for (component, line) in &components.lines {
            let outranked_by = components.outranked_by(*component, effective.version);
            let sources = line
                .iter()
                .zip(outranked_by)
                .map(|(argument, by)| ArgumentSource {
                    flag: argument.shown_flag().to_owned(),
                    from: argument.place.to_string(),
                    overrode: argument
                        .overrode
                        .iter()
                        .map(|earlier| sourced(&argument.flag, earlier))
                        .collect(),
                    outranked_by: by.map(ToString::to_string),
                });
            argument_sources.insert(component.name(), sources.collect());
        }
        Self {
            format: FORMAT,
            k3s_version: effective.version.to_string(),
            role: role.to_string(),
            unit: reported.unit.map(|unit| unit.name.clone()),
            ends: EndsReport::of(effective),
            options: options(effective),
            arguments: lines(effective),
            argument_sources,
            kubelet_settings: kubelet_settings::of(effective),
            warnings: [reported.warnings.to_vec(), effective.warnings()].concat(),
            skipped_keys: effective
                .configuration
                .skipped
                .iter()
                .map(|skipped| SkippedKeyReport::of(skipped, effective))
                .collect(),
            need_daemon_reload: reported.unit.and_then(Unit::needs_daemon_reload),
            on_disk: reported
                .on_disk
                .map(|on_disk| OnDiskReport::of(&on_disk, effective)),
            running: RunningReport::of(reported.running, effective),
        }
    }
}

fn sourced(name: &str, value: &Sourced) -> String {
    format!("{} ({})", shown_value(name, &value.value), value.place)
}

fn options(effective: &Effective) -> BTreeMap<String, OptionReport> {
    let merge = &effective.configuration.merge;
    let mut reports = BTreeMap::new();
    for known in Options::of(effective.configuration.role, effective.version).iter() {
        let name = known.target();
        if !merge.options.contains_key(name) {
            let default = known.default.unwrap_or_default();
            let value = match known.kind {
                OptionKind::List if default.is_empty() => OptionValue::List(Vec::new()),
                OptionKind::List => OptionValue::List(vec![default.to_owned()]),
                _ if AUTOMATIC.contains(&name) => OptionValue::Text(AUTO.to_owned()),
                OptionKind::Bool if default.is_empty() => OptionValue::Text("false".to_owned()),
                OptionKind::Integer if default.is_empty() => OptionValue::Text("0".to_owned()),
                OptionKind::Duration if default.is_empty() => OptionValue::Text("0s".to_owned()),
                _ => OptionValue::Text(default.to_owned()),
            };
            let from = vec![Place::Default.to_string()];
            let report = OptionReport {
                value,
                from,
                default: true,
                overrode: Vec::new(),
                outranked_by: None,
            };
            reports.insert(name.to_owned(), report);
        }
    }
    for (name, option) in &merge.options {
        let values = merge.shown_values(name);
        let value = if option.list {
            OptionValue::List(values)
        } else {
            OptionValue::Text(values.into_iter().last().unwrap_or_default())
        };
        let overrode = option.overrode.iter().map(|earlier| sourced(name, earlier));
        let report = OptionReport {
            value,
            from: option
                .values
                .iter()
                .map(|value| value.place.to_string())
                .collect(),
            default: false,
            overrode: overrode.collect(),
            outranked_by: option.outranked_by.as_ref().map(ToString::to_string),
        };
        reports.insert(name.clone(), report);
    }
    reports
}
