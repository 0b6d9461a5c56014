//! Settings of the kubelet that name one of a few things (kubernetes `pkg/kubelet/apis/config/validation`, `pkg/kubelet/cm`).

use super::{Given, INVALID, KubeletSettings, Line, end_at, named};
use crate::k3s::go_value::boolean;

const TOPOLOGY: [&str; 4] = ["none", "best-effort", "restricted", "single-numa-node"];
const SCOPES: [&str; 2] = ["container", "pod"];
const HAIRPIN: [&str; 3] = ["none", "hairpin-veth", "promiscuous-bridge"];
const ENFORCED: [&str; 6] = [
    "pods",
    "system-reserved",
    "kube-reserved",
    "system-reserved-compressible",
    "kube-reserved-compressible",
    "none",
];

pub(super) fn judge(line: &mut Line<'_>, settings: &KubeletSettings) {
    for (flag, field, allowed) in [
        (
            "topology-manager-policy",
            "topologyManagerPolicy",
            &TOPOLOGY[..],
        ),
        (
            "topology-manager-scope",
            "topologyManagerScope",
            &SCOPES[..],
        ),
        ("hairpin-mode", "hairpinMode", &HAIRPIN[..]),
    ] {
        one_of(line, settings, (flag, field), allowed);
    }
    static_memory(line, settings);
    memory_reservation(line, settings);
    others(line);
    swap(line, settings);
    enforcements(line, settings);
    sysctls(line, settings);
}

/// The static policy wants to know how much of the memory is not for pods (`pkg/kubelet/cm/memorymanager/policy_static.go`).
fn static_memory(line: &mut Line<'_>, settings: &KubeletSettings) {
    let Some(policy) = Given::of(
        line,
        settings,
        "memory-manager-policy",
        "memoryManagerPolicy",
    ) else {
        return;
    };
    let is_reserved =
        line.given("reserved-memory").is_some() || settings.of_files("reservedMemory").is_some();
    if policy.text() == "Static" && !is_reserved {
        end_at(
            line,
            "failed to run Kubelet: [memorymanager] you should specify the system reserved memory",
            policy.place,
        );
    }
}

/// Another one than these; of TieredReservation's gate nothing is known here.
fn memory_reservation(line: &mut Line<'_>, settings: &KubeletSettings) {
    let field = "memoryReservationPolicy";
    let known = ["", "None", "TieredReservation"];
    if let Some(given) = Given::of(line, settings, "", field)
        && !known.contains(&given.text())
        && line.minor() == 36
    {
        let text = given.text();
        let reason = format!(
            "{INVALID}: option {text:?} specified for {field}. Valid options are \"None\" or \"TieredReservation\""
        );
        end_at(line, &reason, given.place);
    }
}

/// K3s is built without the providers of clouds, and its kubelet asks for a runtime. Read in the sources of 1.36.
fn others(line: &mut Line<'_>) {
    if line.minor() < 31 {
        return;
    }
    if let Some(argument) = line.given("cloud-provider")
        && argument.value != "external"
    {
        let reason = format!(
            "failed to run Kubelet: failed to create kubelet: cloud provider {:?} was specified, but built-in cloud providers are \
             disabled",
            argument.value
        );
        line.end(&reason, Some(argument));
    }
    let runtime = line.last("container-runtime-endpoint");
    if let Some(argument) = runtime.filter(|argument| argument.value.is_empty()) {
        let reason = format!("{INVALID}: the containerRuntimeEndpoint was not specified or empty");
        line.end(&reason, Some(argument));
    }
}

fn one_of(
    line: &mut Line<'_>,
    settings: &KubeletSettings,
    (flag, field): (&str, &str),
    allowed: &[&str],
) {
    let Some(given) = Given::of(line, settings, flag, field) else {
        return;
    };
    // Of a file, empty is the kubelet's default.
    let filled_in = given.text().is_empty() && line.last(flag).is_none();
    if !allowed.contains(&given.text()) && !filled_in {
        let (name, text) = (named(flag, field), given.text());
        let reason = format!("{INVALID}: {name} {text:?} must be one of: {allowed:?}");
        end_at(line, &reason, given.place);
    }
}

fn swap(line: &mut Line<'_>, settings: &KubeletSettings) {
    let Some(given) = Given::of(line, settings, "", "memorySwap.swapBehavior") else {
        return;
    };
    let mut allowed = vec!["", "LimitedSwap", "NoSwap"];
    if line.minor() < 36 {
        allowed.push("UnlimitedSwap");
    }
    if !allowed.contains(&given.text()) {
        let reason = format!(
            "{INVALID}: memorySwap.swapBehavior {:?} must be one of: \"\", \"LimitedSwap\" or \"NoSwap\"",
            given.text()
        );
        end_at(line, &reason, given.place);
    }
}

fn enforcements(line: &mut Line<'_>, settings: &KubeletSettings) {
    let (flag, field) = ("enforce-node-allocatable", "enforceNodeAllocatable");
    let given = Given::of(line, settings, flag, field);
    let pods = vec!["pods".to_owned()];
    let words = given.as_ref().map_or(&pods, |given| &given.words);
    let is_set = |flag: &str, field: &str| {
        Given::of(line, settings, flag, field).is_some_and(|given| !given.text().is_empty())
    };
    let per_qos = Given::of(line, settings, "cgroups-per-qos", "cgroupsPerQOS");
    let name = named(flag, field);
    let wrong = words.iter().find_map(|word| {
        let (group, flag) = match word.as_str() {
            "system-reserved" | "system-reserved-compressible" => {
                ("systemReservedCgroup", "system-reserved-cgroup")
            }
            "kube-reserved" | "kube-reserved-compressible" => {
                ("kubeReservedCgroup", "kube-reserved-cgroup")
            }
            _ => ("", ""),
        };
        let is_double = words.iter().filter(|other| *other == word).count() > 1;
        if is_double && line.minor() >= 31 {
            // 1.24 takes it.
            Some(format!("duplicated enforcements {word:?} in {name}"))
        } else if !ENFORCED.contains(&word.as_str()) {
            Some(format!(
                "option {word:?} specified for {name}. Valid options are {ENFORCED:?}"
            ))
        } else if word == "none" {
            (words.len() > 1).then(|| {
                format!("{name} may not contain additional enforcements when \"none\" is specified")
            })
        } else if !group.is_empty() && !is_set(flag, group) {
            Some(format!(
                "{group} (--{flag}) must be specified when {word:?} included in {name}"
            ))
        } else {
            None
        }
    });
    if let Some(reason) = wrong {
        if let Some(given) = given {
            end_at(line, &format!("{INVALID}: {reason}"), given.place);
        }
        return;
    }
    let enforced = words.iter().find(|word| *word != "none");
    if let Some(word) = enforced
        && let Some(per_qos) = per_qos.filter(|given| boolean(given.text()) == Some(false))
    {
        let reason = format!(
            "{INVALID}: cgroupsPerQOS (--cgroups-per-qos) must be set to true when {word:?} contained in {name}"
        );
        end_at(line, &reason, per_qos.place);
    }
}

/// component-helpers `node/util/sysctl/namespace.go`; before, kubernetes `pkg/kubelet/sysctl/namespace.go`, which took more.
fn sysctls(line: &mut Line<'_>, settings: &KubeletSettings) {
    let Some(given) = Given::of(
        line,
        settings,
        "allowed-unsafe-sysctls",
        "allowedUnsafeSysctls",
    ) else {
        return;
    };
    let namespaced = [
        "kernel.sem",
        "kernel.shm",
        "kernel.msg",
        "fs.mqueue.",
        "net.",
    ];
    let is_known = |word: &&String| {
        let name = word.replace('/', ".");
        namespaced.iter().any(|known| name.starts_with(known))
    };
    let is_pattern = |word: &&String| word.is_empty() || line.minor() < 24 || is_pattern(word);
    let wrong = given.words.iter().find_map(|word| {
        if !is_pattern(&word) {
            Some(format!(
                "sysctl {word:?} must have at most 253 characters and match regex {PATTERN}"
            ))
        } else if !is_known(&word) {
            let name = word.split('*').next().unwrap_or_default();
            Some(format!(
                "the sysctls {name:?} are not known to be namespaced"
            ))
        } else {
            None
        }
    });
    if let Some(why) = wrong {
        let reason = format!("failed to run Kubelet: failed to create kubelet: {why}");
        end_at(line, &reason, given.place);
    }
}

/// As Kubernetes prints it (`pkg/apis/policy/validation` SysctlContainSlashPatternFmt, the same in 1.24.4 and 1.36.3).
const PATTERN: &str = "([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]";

/// A name of a sysctl, of which a star may be the end.
fn is_pattern(text: &str) -> bool {
    let is_end = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_inner = |byte: &u8| is_end(*byte) || matches!(byte, b'-' | b'_');
    let starts = |part: &[u8]| part.first().is_none_or(|first| is_end(*first));
    let is_segment = |part: &[u8]| {
        let ends = part.last().is_some_and(|last| is_end(*last));
        ends && starts(part) && part.iter().all(is_inner)
    };
    let mut parts = text.as_bytes().rsplit(|byte| matches!(byte, b'.' | b'/'));
    let Some((last, front)) = parts.next().and_then(<[u8]>::split_last) else {
        return false;
    };
    let is_last = is_end(*last) || *last == b'*';
    text.len() <= 253
        && is_last
        && starts(front)
        && front.iter().all(is_inner)
        && parts.all(is_segment)
}
