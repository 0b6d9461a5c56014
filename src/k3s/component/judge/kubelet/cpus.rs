//! Which processors are not for pods (kubernetes `pkg/kubelet/apis/config/validation`, `pkg/kubelet/cm/cpumanager/cpu_manager.go`).

use super::{Given, INVALID, KubeletSettings, Line, end_at};

const RESERVED: (&str, &str) = ("reserved-cpus", "reservedSystemCPUs");

pub(super) fn judge(line: &mut Line<'_>, settings: &KubeletSettings) {
    reserved(line, settings);
    static_policy(line, settings);
}

/// Whether the machine has them is not judged here.
fn reserved(line: &mut Line<'_>, settings: &KubeletSettings) {
    let Some(given) = Given::of(line, settings, RESERVED.0, RESERVED.1) else {
        return;
    };
    let text = given.text();
    let set = |flag: &str, field: &str| {
        Given::of(line, settings, flag, field).is_some_and(|given| !given.text().is_empty())
    };
    let has_cgroup = set("system-reserved-cgroup", "systemReservedCgroup")
        || set("kube-reserved-cgroup", "kubeReservedCgroup");
    let reason = if text.is_empty() {
        return;
    } else if has_cgroup {
        format!(
            "{INVALID}: can't use reservedSystemCPUs (--reserved-cpus) with systemReservedCgroup (--system-reserved-cgroup) or \
             kubeReservedCgroup (--kube-reserved-cgroup)"
        )
    } else if let Some(why) = text.split(',').find_map(why_no_range) {
        format!(
            "{INVALID}: unable to parse reservedSystemCPUs (--reserved-cpus) {text}, error: {why}"
        )
    } else {
        return;
    };
    end_at(line, &reason, given.place);
}

/// `3` or `0-5` (k8s.io/utils `cpuset`).
fn why_no_range(range: &str) -> Option<String> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    // Rust's takes what Go's Atoi does, and no minus can be left here.
    let number = |text: &str| text.parse::<i64>().ok();
    let wrong = |text: &str| format!("strconv.Atoi: parsing {text:?}: invalid syntax");
    match (number(first), number(last)) {
        (None, _) => Some(wrong(first)),
        (_, None) => Some(wrong(last)),
        (Some(start), Some(end)) => {
            (start > end).then(|| format!("invalid range {range:?} ({start} > {end})"))
        }
    }
}

/// The static policy wants to know how much of the CPU is not for pods.
fn static_policy(line: &mut Line<'_>, settings: &KubeletSettings) {
    let Some(policy) = Given::of(line, settings, "cpu-manager-policy", "cpuManagerPolicy") else {
        return;
    };
    let reserves = |flag: &str, field: &str| {
        let of_flag = || {
            line.words(flag)
                .iter()
                .any(|(pair, _)| pair.trim().starts_with("cpu"))
        };
        match line.last(flag) {
            Some(_) => of_flag(),
            None => settings.map_of_files(field).contains_key("cpu"),
        }
    };
    let named = Given::of(line, settings, RESERVED.0, RESERVED.1)
        .is_some_and(|given| !given.text().is_empty());
    let is_reserved = named
        || reserves("kube-reserved", "kubeReserved")
        || reserves("system-reserved", "systemReserved");
    let gated = line
        .words("feature-gates")
        .iter()
        .any(|(pair, _)| pair.contains("CPUManager="));
    if policy.text() == "static" && !is_reserved && !gated {
        end_at(
            line,
            "failed to run Kubelet: [cpumanager] unable to determine reserved CPU resources for static policy",
            policy.place,
        );
    }
}
