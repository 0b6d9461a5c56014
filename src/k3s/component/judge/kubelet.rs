//! The kubelet: its files, its settings, the kernel's values and the cgroup hierarchy.

use super::{CgroupVersion, Facts, Line, common};
use crate::k3s::component::Argument;
use crate::k3s::component::kubelet::{Extracted, KubeletSettings, Setting};
use crate::k3s::component::value::boolean;
use crate::k3s::{Ending, Place};

/// The values that `protectKernelDefaults` demands (component-helpers `node/util/sysctl`).
pub const KERNEL_PARAMETERS: [(&str, i64); 6] = [
    ("vm.overcommit_memory", 1),
    ("vm.panic_on_oom", 0),
    ("kernel.panic", 10),
    ("kernel.panic_on_oops", 1),
    ("kernel.keys.root_maxkeys", 1_000_000),
    ("kernel.keys.root_maxbytes", 25_000_000),
];

/// What K3s and the kubelet refuse about configuration files.
pub(super) fn files(
    line: &mut Line<'_>,
    settings: Option<&Result<KubeletSettings, Ending>>,
    extracted: &Extracted,
) {
    if let Some(item) = &extracted.empty {
        line.endings.push(Ending {
            reason:
                "failed to start kubelet: value required for kubelet-arg --config or --config-dir"
                    .to_owned(),
            from: Some(item.place.clone()),
        });
    } else if let Some(Err(ending)) = settings {
        line.endings.push(ending.clone());
    }
}

/// Judges the settings in force.
pub(super) fn judge(
    line: &mut Line<'_>,
    settings: Option<&Result<KubeletSettings, Ending>>,
    facts: &Facts,
) {
    let Some(Ok(settings)) = settings else { return };
    labels(line);
    numbers(line, settings);
    tls(line, settings);
    if let Some(mode) = settings.get("authorization.mode")
        && !["AlwaysAllow", "Webhook"].contains(&mode.value.as_str())
    {
        end(
            line,
            &format!("unknown authorization mode {}", mode.value),
            mode,
        );
    }
    if let Some(setting) = settings.get("failCgroupV1")
        && boolean(&setting.value) == Some(true)
        && facts.cgroup == Some(CgroupVersion::V1)
    {
        let reason = "kubelet is configured to not run on a host using cgroup v1";
        end(line, reason, setting);
    }
    kernel(line, settings, facts);
}

fn end(line: &mut Line<'_>, reason: &str, setting: &Setting) {
    line.endings.push(Ending {
        reason: format!("kubelet exited: {reason}"),
        from: Some(setting.place.clone()).filter(|place| *place != Place::Default),
    });
}

fn numbers(line: &mut Line<'_>, settings: &KubeletSettings) {
    for (path, lowest, highest) in [
        ("eventRecordQPS", 0, i64::from(i32::MAX)),
        ("maxPods", 0, i64::from(i32::MAX)),
        ("readOnlyPort", 0, 65535),
    ] {
        if let Some(setting) = settings.get(path)
            && !setting
                .value
                .parse()
                .is_ok_and(|number: i64| (lowest..=highest).contains(&number))
        {
            let reason = format!(
                "invalid configuration: {path} {} is out of range",
                setting.value
            );
            end(line, &reason, setting);
        }
    }
    for (flag, lowest, highest) in [
        ("event-burst", 0, i128::from(i32::MAX)),
        ("healthz-port", 0, 65535),
        ("image-gc-high-threshold", 0, 100),
        ("image-gc-low-threshold", 0, 100),
        ("kube-api-burst", 0, i128::from(i32::MAX)),
        ("kube-api-qps", 0, i128::from(i32::MAX)),
        ("max-open-files", 0, i128::from(i64::MAX)),
        ("oom-score-adj", -1000, 1000),
        ("pods-per-core", 0, i128::from(i32::MAX)),
        ("port", 1, 65535),
        ("registry-burst", 0, i128::from(i32::MAX)),
        ("registry-qps", 0, i128::from(i32::MAX)),
    ] {
        common::range(line, flag, lowest, highest);
    }
    common::one_of(
        line,
        "hairpin-mode",
        &["none", "hairpin-veth", "promiscuous-bridge"],
    );
    common::one_of(
        line,
        "cgroup-driver",
        &["cgroupfs", "systemd", super::super::AUTO],
    );
}

fn tls(line: &mut Line<'_>, settings: &KubeletSettings) {
    if let Some(least) = settings.get("tlsMinVersion")
        && !least.value.is_empty()
        && !common::TLS_VERSIONS.contains(&least.value.as_str())
    {
        end(
            line,
            &format!("unknown tls version {:?}", least.value),
            least,
        );
    }
    let Some(ciphers) = settings.get("tlsCipherSuites") else {
        return;
    };
    let names: Vec<&str> = ciphers
        .value
        .split(',')
        .filter(|name| !name.is_empty())
        .collect();
    if let Some(name) = names.iter().find(|name| !common::is_cipher(name)) {
        let reason = format!("Cipher suite {name} not supported or doesn't exist");
        end(line, &reason, ciphers);
        return;
    }
    let newest = settings
        .get("tlsMinVersion")
        .is_some_and(|least| least.value == "VersionTLS13");
    if common::lacks_http2_cipher(&names, newest) {
        // ListenAndServeKubeletServer ends the whole process over it.
        let reason = format!("Failed to listen and serve: {}", common::HTTP2_REASON);
        end(line, &reason, ciphers);
    }
}

fn kernel(line: &mut Line<'_>, settings: &KubeletSettings, facts: &Facts) {
    let Some(setting) = settings.get("protectKernelDefaults") else {
        return;
    };
    if boolean(&setting.value) != Some(true) {
        return;
    }
    let wrong: Vec<String> = KERNEL_PARAMETERS
        .iter()
        .filter_map(|(name, wanted)| {
            let live = facts.kernel.get(*name)?;
            let shown = live.map_or("unreadable".to_owned(), |live| live.to_string());
            (*live != Some(*wanted)).then(|| {
                format!(
                    "invalid kernel flag: {name}, expected value: {wanted}, actual value: {shown}"
                )
            })
        })
        .collect();
    if !wrong.is_empty() {
        let reason = format!("Failed to start ContainerManager: {}", wrong.join(", "));
        end(line, &reason, setting);
    }
}

/// Labels of the `kubernetes.io` namespaces that a kubelet may give itself.
const OWN_LABELS: [&str; 11] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];

fn labels(line: &mut Line<'_>) {
    let labels: Vec<(&str, &Argument)> = line.words("node-labels");
    for (label, argument) in labels {
        let (key, value) = label.trim().split_once('=').unwrap_or((label.trim(), ""));
        let reason = if key.is_empty() {
            continue;
        } else if is_reserved(key) {
            format!(
                "unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: [{key}]"
            )
        } else if !is_label_name(key) || !(value.is_empty() || is_label_part(value)) {
            format!("invalid node labels: '{label}'")
        } else {
            continue;
        };
        // K3s's own argument holds the operator's `node-label` items.
        line.end(
            &format!("failed to validate kubelet flags: {reason}"),
            Some(argument),
        );
        return;
    }
}

fn is_reserved(key: &str) -> bool {
    let Some((namespace, _)) = key.split_once('/') else {
        return false;
    };
    let within = |domain: &str| {
        namespace == domain
            || namespace
                .strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    (within("kubernetes.io") || within("k8s.io"))
        && !OWN_LABELS.contains(&key)
        && !within("kubelet.kubernetes.io")
        && !within("node.kubernetes.io")
}

fn is_label_name(key: &str) -> bool {
    match key.split_once('/') {
        Some((namespace, name)) => {
            !namespace.is_empty() && !name.contains('/') && is_label_part(name)
        }
        None => is_label_part(key),
    }
}

fn is_label_part(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_may_not_give_itself_a_role() {
        assert!(is_reserved("node-role.kubernetes.io/worker"));
        assert!(is_reserved("kubernetes.io/role"));
        assert!(!is_reserved("node.kubernetes.io/site"));
        assert!(!is_reserved("topology.kubernetes.io/zone"));
        assert!(!is_reserved("example.com/x") && !is_reserved("site"));
    }

    #[test]
    fn label_names_and_values_are_checked() {
        assert!(is_label_name("a.b/c-d_e") && is_label_name("x"));
        assert!(!is_label_name("/x") && !is_label_name("a/b/c") && !is_label_name("-x"));
    }
}
