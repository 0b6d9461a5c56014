//! What the kubelet is given by the operator's drop-ins.

use super::{DROP_IN, INVALID, RUN, ending};

const MERGED: &str = "kubelet exited: failed to merge kubelet configs: failed to unmarshal merged JSON into kubelet configuration: json: cannot unmarshal ";

/// A drop-in, and what the kubelet says of it.
const DROP_INS: &[(&str, &str, &str)] = &[
    (
        "systemReserved: {memory: 1GB}",
        RUN,
        "--system-reserved value failed to parse",
    ),
    (
        "evictionMinimumReclaim: {imagefs.available: 1GB}",
        RUN,
        "failed to create kubelet: quantities must match",
    ),
    (
        "containerLogMaxSize: 10MB",
        RUN,
        "failed to create kubelet: failed to initialize",
    ),
    ("healthzPort: 70000", INVALID, "healthzPort"),
    ("kubeAPIBurst: -1", INVALID, "kubeAPIBurst"),
    ("kubeAPIQPS: -1", INVALID, "kubeAPIQPS"),
    ("maxOpenFiles: -1", INVALID, "maxOpenFiles"),
    ("oomScoreAdj: 1001", INVALID, "oomScoreAdj"),
    ("podsPerCore: -1", INVALID, "podsPerCore"),
    ("port: 70000", INVALID, "port"),
    ("registryPullQPS: -1", INVALID, "registryPullQPS"),
    ("hairpinMode: x", INVALID, "hairpinMode"),
    (
        "maxParallelImagePulls: 0",
        INVALID,
        "maxParallelImagePulls 0 must be a positive number",
    ),
    (
        "shutdownGracePeriod: 10s\nshutdownGracePeriodCriticalPods: 20s",
        INVALID,
        "shutdownGracePeriodCriticalPods 20s must be <= shutdownGracePeriod 10s",
    ),
    (
        "memorySwap: {swapBehavior: x}",
        INVALID,
        "memorySwap.swapBehavior",
    ),
    (
        "memoryThrottlingFactor: 1.5",
        INVALID,
        "memoryThrottlingFactor 1.5",
    ),
    (
        "evictionHard: {nope.available: 5%}",
        RUN,
        "unsupported eviction signal nope.available",
    ),
    (
        "featureGates: {Nope: true}",
        "kubelet exited: ",
        "unrecognized feature gate: Nope",
    ),
    (
        "featureGates: {X: \"true\"}",
        MERGED,
        "string into Go struct field KubeletConfiguration.featureGates of type bool",
    ),
    (
        "clusterDNS: x",
        MERGED,
        "string into Go struct field KubeletConfiguration.clusterDNS of type []string",
    ),
    (
        "evictionHard: []",
        MERGED,
        "array into Go struct field KubeletConfiguration.evictionHard of type map[string]string",
    ),
    (
        "podPidsLimit: 5\npodPidsLimit: 6",
        "kubelet exited: failed to merge kubelet configs: failed to walk through kubelet dropin directory ",
        "\"/var/lib/rancher/k3s/agent/etc/kubelet.conf.d\"",
    ),
];

#[test]
fn fields_of_drop_ins_are_held_to_what_flags_are_held_to() {
    for (text, prefix, words) in DROP_INS {
        let reason = ending(&[], &[(DROP_IN, text)]).unwrap_or_else(|| panic!("{text}"));
        assert!(
            reason.starts_with(&format!("{prefix}{words}")),
            "{text}: {reason}"
        );
    }
}

#[test]
fn a_later_drop_in_or_a_flag_mends_what_a_drop_in_got_wrong() {
    let later = DROP_IN.replace("90-x", "91-y");
    for (wrong, right) in [
        ("evictionHard: []", "evictionHard: {memory.available: 5%}"),
        ("clusterDNS: x", "clusterDNS: [10.43.0.10]"),
        ("oomScoreAdj: 5000", "oomScoreAdj: ~"),
        ("evictionHard: {nope: 5%}", "evictionHard: {nope: ~}"),
        ("podpidslimit: x", "port: 0"),
    ] {
        assert_eq!(
            ending(&[], &[(DROP_IN, wrong), (&later, right)]),
            None,
            "{wrong}"
        );
    }
    let wrong = [(DROP_IN, "oomScoreAdj: 5000\nevictionHard: {nope: 5%}")];
    let flags = ["oom-score-adj=5", "eviction-hard=nodefs.available<5%"];
    assert_eq!(ending(&flags, &wrong), None);
}
