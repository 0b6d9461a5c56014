//! When the kubelet evicts pods (kubernetes `pkg/kubelet/eviction/helpers.go` ParseThresholdConfig, the same in 1.20 and 1.36).

use std::collections::BTreeMap;

use super::{KubeletSettings, Line, Setting, end};
use crate::k3s::component::Argument;
use crate::k3s::go_duration::{nanoseconds, why_no_duration};
use crate::k3s::go_value::float;
use crate::k3s::quantity::Quantity;

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
    if let Some((reason, setting)) = first(line, settings) {
        end(line, &reason, &setting);
    }
}

/// The first that is wrong, in the order in which they are read.
fn first(line: &Line<'_>, settings: &KubeletSettings) -> Option<(String, Setting)> {
    let of =
        |flag: &str, field: &str, separator: char| pairs(line, settings, (flag, field), separator);
    let hard = of("eviction-hard", "evictionHard", '<');
    if let Some((why, setting)) = wrong(&hard, no_threshold) {
        return Some((format!("failed to run Kubelet: {why}"), setting.clone()));
    }
    let soft = of("eviction-soft", "evictionSoft", '<');
    let grace = of("eviction-soft-grace-period", "evictionSoftGracePeriod", '=');
    let least = of("eviction-minimum-reclaim", "evictionMinimumReclaim", '=');
    // A threshold that is never or always reached is none.
    let is_threshold = |setting: &Setting| !matches!(setting.value.as_str(), "0%" | "100%");
    let lacks = |(signal, setting): &(&String, &Setting)| {
        is_threshold(setting) && !grace.contains_key(*signal)
    };
    let without_grace = || {
        let (signal, setting) = soft.iter().find(lacks)?;
        let why =
            format!("grace period must be specified for the soft eviction threshold {signal}");
        Some((why, setting))
    };
    let (why, setting) = wrong(&soft, no_threshold)
        .or_else(|| wrong(&grace, no_grace_period))
        .or_else(|| wrong(&least, no_reclaim))
        .or_else(without_grace)?;
    let reason = format!("failed to run Kubelet: failed to create kubelet: {why}");
    Some((reason, setting.clone()))
}

/// The first signal that there is not, or with a value that is not taken.
fn wrong(
    given: &BTreeMap<String, Setting>,
    why: impl Fn(&str, &str) -> Option<String>,
) -> Option<(String, &Setting)> {
    given.iter().find_map(|(signal, setting)| {
        let why = match SIGNALS.contains(&signal.as_str()) {
            false => Some(format!("unsupported eviction signal {signal}")),
            true => why(signal, &setting.value),
        };
        Some((why?, setting))
    })
}

fn no_threshold(signal: &str, value: &str) -> Option<String> {
    if matches!(value, "0%" | "100%") {
        return None;
    }
    if value.ends_with('%') {
        return match percentage(value) {
            Err(why) => Some(why),
            Ok(share) if share < 0.0 => Some(format!(
                "eviction percentage threshold {signal} must be >= 0%: {value}"
            )),
            Ok(share) if share > 100.0 => Some(format!(
                "eviction percentage threshold {signal} must be <= 100%: {value}"
            )),
            Ok(_) => None,
        };
    }
    match Quantity::parse(value) {
        Err(why) => Some(why.words().to_owned()),
        Ok(quantity) if quantity.is_negative() || quantity.is_zero() => Some(format!(
            "eviction threshold {signal} must be positive: {value}"
        )),
        Ok(_) => None,
    }
}

fn no_grace_period(_signal: &str, value: &str) -> Option<String> {
    match nanoseconds(value) {
        None => Some(why_no_duration(value)),
        Some(time) if time < 0 => Some(format!(
            "invalid eviction grace period specified: {value}, must be a positive value"
        )),
        Some(_) => None,
    }
}

fn no_reclaim(signal: &str, value: &str) -> Option<String> {
    if value.ends_with('%') {
        return match percentage(value) {
            Err(why) => Some(why),
            Ok(share) if share <= 0.0 => Some(format!(
                "eviction percentage minimum reclaim {signal} must be positive: {value}"
            )),
            Ok(_) => None,
        };
    }
    match Quantity::parse(value) {
        Err(why) => Some(why.words().to_owned()),
        Ok(quantity) if quantity.is_negative() => Some(format!(
            "negative eviction minimum reclaim specified for {signal}"
        )),
        Ok(_) => None,
    }
}

fn percentage(value: &str) -> Result<f64, String> {
    let number = value.trim_end_matches('%');
    float(number).ok_or_else(|| format!("strconv.ParseFloat: parsing {number:?}: invalid syntax"))
}

/// The flag replaces the whole map of the files.
pub(super) fn pairs(
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
