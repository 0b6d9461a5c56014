//! When the kubelet evicts pods (kubernetes `pkg/kubelet/eviction/helpers.go` ParseThresholdConfig, the same in 1.20 and 1.36).

use std::collections::BTreeMap;

use super::{KubeletSettings, Line, Setting, end};
use crate::k3s::component::Argument;

/// Of all minors.
const SIGNALS: [&str; 9] = [
    "allocatableMemory.available",
    "containerfs.available",
    "containerfs.inodesFree",
    "imagefs.available",
    "imagefs.inodesFree",
    "memory.available",
    "nodefs.available",
    "nodefs.inodesFree",
    "pid.available",
];

pub(super) fn judge(line: &mut Line<'_>, settings: &KubeletSettings) {
    let hard = pairs(line, settings, ("eviction-hard", "evictionHard"), '<');
    if let Some((signal, setting)) = unknown(&hard) {
        let reason = format!("failed to run Kubelet: unsupported eviction signal {signal}");
        end(line, &reason, setting);
        return;
    }
    let soft = pairs(line, settings, ("eviction-soft", "evictionSoft"), '<');
    let grace = ("eviction-soft-grace-period", "evictionSoftGracePeriod");
    let grace = pairs(line, settings, grace, '=');
    let failed = "failed to run Kubelet: failed to create kubelet";
    if let Some((signal, setting)) = unknown(&soft) {
        let reason = format!("{failed}: unsupported eviction signal {signal}");
        end(line, &reason, setting);
        return;
    }
    // A threshold that is never or always reached is none.
    let is_threshold = |setting: &Setting| !matches!(setting.value.as_str(), "0%" | "100%");
    let lacks = |(signal, setting): &(&String, &Setting)| {
        is_threshold(setting) && !grace.contains_key(*signal)
    };
    if let Some((signal, setting)) = soft.iter().find(lacks) {
        let reason = format!(
            "{failed}: grace period must be specified for the soft eviction threshold {signal}"
        );
        end(line, &reason, setting);
    }
}

fn unknown(thresholds: &BTreeMap<String, Setting>) -> Option<(&String, &Setting)> {
    let mut thresholds = thresholds.iter();
    thresholds.find(|(signal, _)| !SIGNALS.contains(&signal.as_str()))
}

/// The flag replaces the whole map of the files.
fn pairs(
    line: &Line<'_>,
    settings: &KubeletSettings,
    (flag, field): (&str, &str),
    separator: char,
) -> BTreeMap<String, Setting> {
    if line.last(flag).is_none() {
        return settings.map_of_files(field);
    }
    let pair = |(pair, argument): (&str, &Argument)| {
        let (name, value) = pair.split_once(separator)?;
        let setting = Setting {
            value: value.trim().to_owned(),
            place: argument.place.clone(),
        };
        Some((name.trim().to_owned(), setting))
    };
    line.words(flag).into_iter().filter_map(pair).collect()
}
