//! Managers of processors and memory, images, logs, and what is told of the node. Asked of a real 1.36.3.

use super::{DROP_IN, INVALID, RUN, ending, ending_of};

/// A flag, and what the kubelet says of it.
const FLAGS: &[(&str, &str, &str)] = &[
    ("cpu-manager-policy=foo", RUN, "unknown policy: \"foo\""),
    ("cpu-manager-policy=", RUN, "unknown policy: \"\""),
    ("memory-manager-policy=foo", RUN, "unknown policy: \"foo\""),
    ("memory-manager-policy=", RUN, "unknown policy: \"\""),
    (
        "cpu-manager-policy-options=foo=bar",
        RUN,
        "new none policy error: None policy: received unsupported options=map[foo:bar]",
    ),
    (
        "system-cgroups=/x",
        INVALID,
        "systemCgroups (--system-cgroups) was specified and cgroupRoot (--cgroup-root) was not specified",
    ),
    (
        "minimum-image-ttl-duration=-1s",
        INVALID,
        "imageMinimumGCAge -1s must not be negative",
    ),
    (
        "qos-reserved=foo=50%",
        RUN,
        "--qos-reserved value failed to parse: cannot reserve \"foo\" resource",
    ),
    (
        "qos-reserved=memory=50",
        RUN,
        "--qos-reserved value failed to parse: failed to parse percentage \"50\" for \"memory\" resource: percentage expected",
    ),
    (
        "qos-reserved=memory=101%",
        RUN,
        "--qos-reserved value failed to parse: failed to parse percentage \"101%\"",
    ),
    (
        "allowed-unsafe-sysctls=net.*bad",
        RUN,
        "failed to create kubelet: sysctl \"net.*bad\" must have at most 253 characters and match regex ([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]",
    ),
    (
        "allowed-unsafe-sysctls=net.",
        RUN,
        "failed to create kubelet: sysctl \"net.\" must",
    ),
    (
        "allowed-unsafe-sysctls=net.a*b*",
        RUN,
        "failed to create kubelet: sysctl \"net.a*b*\" must",
    ),
    (
        "node-status-max-images=-2",
        INVALID,
        "nodeStatusMaxImages (--node-status-max-images) -2 must be -1 or greater",
    ),
    (
        "runonce=true",
        INVALID,
        "runOnce (--runOnce) true, Runonce mode has been deprecated",
    ),
    (
        "enforce-node-allocatable=pods,pods",
        INVALID,
        "duplicated enforcements \"pods\" in enforceNodeAllocatable (--enforce-node-allocatable)",
    ),
];

#[test]
fn flags_that_end_a_real_kubelet_end_it() {
    for (argument, prefix, words) in FLAGS {
        let reason = ending(&[argument], &[]).unwrap_or_else(|| panic!("{argument}"));
        let expected = format!("{prefix}{words}");
        assert!(reason.starts_with(&expected), "{argument}: {reason}");
    }
}

/// A drop-in, and what the kubelet says of it.
const FIELDS: &[(&str, &str, &str)] = &[
    (
        "podLogsDir: rel",
        INVALID,
        "pod logs path \"rel\" must be absolute path",
    ),
    (
        "podLogsDir: /var/log/pods/",
        INVALID,
        "pod logs path \"/var/log/pods/\" must be normalized",
    ),
    (
        "containerLogMonitorInterval: 1s",
        INVALID,
        "containerLogMonitorInterval must be",
    ),
    (
        "containerLogMonitorInterval: 0s",
        INVALID,
        "containerLogMonitorInterval must be",
    ),
    (
        "containerLogMaxWorkers: -1",
        INVALID,
        "containerLogMaxWorkers must be",
    ),
    (
        "shutdownGracePeriod: 500ms",
        INVALID,
        "shutdownGracePeriod 500ms must be either zero or otherwise >= 1 sec",
    ),
    (
        "shutdownGracePeriod: 10s\nshutdownGracePeriodCriticalPods: 500ms",
        INVALID,
        "shutdownGracePeriodCriticalPods 500ms must be either zero or otherwise >= 1 sec",
    ),
    (
        "imageMaximumGCAge: 1m",
        INVALID,
        "imageMaximumGCAge 1m0s must be greater than imageMinimumGCAge 2m0s",
    ),
    (
        "imageMaximumGCAge: -1s",
        INVALID,
        "imageMaximumGCAge -1s must not be negative",
    ),
    (
        "imageMinimumGCAge: -1s",
        INVALID,
        "imageMinimumGCAge -1s must not be negative",
    ),
    (
        "nodeLeaseDurationSeconds: -1",
        INVALID,
        "nodeLeaseDurationSeconds must be greater than 0",
    ),
    (
        "imagePullCredentialsVerificationPolicy: Foo",
        INVALID,
        "option \"Foo\" specified for imagePullCredentialsVerificationPolicy",
    ),
    (
        "memoryReservationPolicy: Foo",
        INVALID,
        "option \"Foo\" specified for memoryReservationPolicy",
    ),
    (
        "maxParallelImagePulls: 2\nserializeImagePulls: true",
        INVALID,
        "maxParallelImagePulls cannot be larger than 1 unless",
    ),
    ("nodeStatusMaxImages: -2", INVALID, "nodeStatusMaxImages"),
    ("runOnce: true", INVALID, "runOnce (--runOnce) true"),
    ("cpuManagerPolicy: foo", RUN, "unknown policy: \"foo\""),
    ("memoryManagerPolicy: foo", RUN, "unknown policy: \"foo\""),
    (
        "systemCgroups: /x",
        INVALID,
        "systemCgroups (--system-cgroups) was specified",
    ),
    (
        "cpuManagerPolicyOptions: {foo: bar}",
        RUN,
        "new none policy error: None policy: received",
    ),
    (
        "qosReserved: {foo: 50%}",
        RUN,
        "--qos-reserved value failed to parse",
    ),
];

#[test]
fn fields_that_end_a_real_kubelet_end_it() {
    for (text, prefix, words) in FIELDS {
        let reason = ending(&[], &[(DROP_IN, text)]).unwrap_or_else(|| panic!("{text}"));
        let expected = format!("{prefix}{words}");
        assert!(reason.starts_with(&expected), "{text}: {reason}");
    }
}

#[test]
fn what_a_real_kubelet_lives_with_does_not_end_it() {
    for argument in [
        "node-status-max-images=-1",
        "qos-reserved=memory=50%",
        "minimum-image-ttl-duration=0",
        "allowed-unsafe-sysctls=net/ipv4/*",
        "runonce=false",
        "cpu-manager-policy=none",
        "memory-manager-policy=None",
    ] {
        assert_eq!(ending(&[argument], &[]), None, "{argument}");
    }
    for text in [
        "nodeLeaseDurationSeconds: 0",
        "maxParallelImagePulls: 2",
        "maxParallelImagePulls: 2\nserializeImagePulls: false",
        "podLogsDir: ''",
        "podLogsDir: /var/log/pods",
        "imagePullCredentialsVerificationPolicy: ''",
        "imagePullCredentialsVerificationPolicy: AlwaysVerify",
        "memoryReservationPolicy: None",
        "cpuManagerPolicy: ''",
        "shutdownGracePeriod: 1s",
        "imageMaximumGCAge: 3m",
        "imageMaximumGCAge: 0s",
        "systemCgroups: /x\ncgroupRoot: /",
    ] {
        assert_eq!(ending(&[], &[(DROP_IN, text)]), None, "{text}");
    }
}

/// Go prints a time that is not set too, and so K3s's own file replaces those of a file before it.
#[test]
fn a_time_before_k3s_s_own_file_does_not_count() {
    let before = DROP_IN.replace("90-x", "00-a");
    for text in [
        "shutdownGracePeriod: 500ms",
        "imageMinimumGCAge: -1s",
        "imageMaximumGCAge: 1m",
    ] {
        assert_eq!(ending(&[], &[(&before, text)]), None, "{text}");
    }
}

#[test]
fn an_older_kubelet_refuses_less() {
    for (version, argument, ends) in [
        ("1.23.4", "system-cgroups=/x", false),
        ("1.24.4", "system-cgroups=/x", true),
        ("1.24.4", "node-status-max-images=-2", true),
        ("1.24.4", "cpu-manager-policy=foo", false),
        ("1.26.4", "cpu-manager-policy=foo", true),
        ("1.31.4", "memory-manager-policy=foo", false),
        ("1.32.1", "memory-manager-policy=foo", true),
        ("1.30.4", "enforce-node-allocatable=pods,pods", false),
        ("1.31.4", "enforce-node-allocatable=pods,pods", true),
        ("1.31.4", "minimum-image-ttl-duration=-1s", false),
        ("1.31.4", "runonce=true", false),
        ("1.24.4", "allowed-unsafe-sysctls=net.*bad", true),
    ] {
        let found = ending_of(version, &[argument], &[]);
        assert_eq!(found.is_some(), ends, "{version} {argument}: {found:?}");
    }
}
