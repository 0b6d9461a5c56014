//! How the kubelet hands out processors and memory (kubernetes `pkg/kubelet/cm`).

use std::collections::BTreeMap;

use super::eviction::pairs;
use super::{Given, KubeletSettings, Line, Setting, end, end_at};

const CPU: (&str, &str) = ("cpu-manager-policy", "cpuManagerPolicy");
const MEMORY: (&str, &str) = ("memory-manager-policy", "memoryManagerPolicy");
/// From here on the gates can no longer be turned off, without which nobody looks at a policy.
const CPU_SINCE_MINOR: u16 = 26;
const MEMORY_SINCE_MINOR: u16 = 32;
/// Read in the sources of 1.24.4, 1.31.4 and 1.36.3.
const QOS_SINCE_MINOR: u16 = 24;

pub(super) fn judge(line: &mut Line<'_>, settings: &KubeletSettings) {
    if line.minor() >= CPU_SINCE_MINOR {
        policy(line, settings, CPU, &["none", "static"]);
        options_of_none(line, settings);
    }
    if line.minor() >= MEMORY_SINCE_MINOR {
        // BestEffort is for Windows, and ends a kubelet of Linux in other words.
        policy(line, settings, MEMORY, &["None", "Static", "BestEffort"]);
    }
    if line.minor() >= QOS_SINCE_MINOR {
        quality_of_service(line, settings);
    }
}

fn policy(
    line: &mut Line<'_>,
    settings: &KubeletSettings,
    (flag, field): (&str, &str),
    known: &[&str],
) {
    let Some(given) = Given::of(line, settings, flag, field) else {
        return;
    };
    // Of a file, empty is the kubelet's default.
    let filled_in = given.text().is_empty() && line.last(flag).is_none();
    if !known.contains(&given.text()) && !filled_in {
        let reason = format!("failed to run Kubelet: unknown policy: {:?}", given.text());
        end_at(line, &reason, given.place);
    }
}

/// A policy that does nothing takes no options (`cpumanager/policy_none.go`).
fn options_of_none(line: &mut Line<'_>, settings: &KubeletSettings) {
    let policy = Given::of(line, settings, CPU.0, CPU.1);
    let is_none = policy.is_none_or(|given| matches!(given.text(), "none" | ""));
    let names = ("cpu-manager-policy-options", "cpuManagerPolicyOptions");
    let options = pairs(line, settings, names, '=');
    let Some(setting) = options.values().next().filter(|_| is_none) else {
        return;
    };
    let reason = format!(
        "failed to run Kubelet: new none policy error: None policy: received unsupported options=map[{}]",
        printed(&options)
    );
    end(line, &reason, setting);
}

/// As Go prints a map.
fn printed(map: &BTreeMap<String, Setting>) -> String {
    let pairs = map
        .iter()
        .map(|(name, setting)| format!("{name}:{}", setting.value));
    pairs.collect::<Vec<_>>().join(" ")
}

/// Read also where its gate is off (`container_manager.go` ParseQOSReserved).
fn quality_of_service(line: &mut Line<'_>, settings: &KubeletSettings) {
    let given = pairs(line, settings, ("qos-reserved", "qosReserved"), '=');
    let wrong = given.iter().find_map(|(resource, setting)| {
        let why = match resource.as_str() {
            "memory" => format!(
                "failed to parse percentage {:?} for \"memory\" resource: {}",
                setting.value,
                no_percentage(&setting.value)?
            ),
            _ => format!("cannot reserve {resource:?} resource"),
        };
        Some((why, setting))
    });
    if let Some((why, setting)) = wrong {
        let reason = format!("failed to run Kubelet: --qos-reserved value failed to parse: {why}");
        end(line, &reason, setting);
    }
}

fn no_percentage(text: &str) -> Option<String> {
    if !text.ends_with('%') {
        return Some(format!("percentage expected, got '{text}'"));
    }
    match text.trim_end_matches('%').parse::<i64>() {
        Err(_) => Some(format!("invalid number in percentage '{text}'")),
        Ok(0..=100) => None,
        Ok(_) => Some("percentage must be between 0 and 100".to_owned()),
    }
}
