//! What the kubelet is given by flags.

use super::{INVALID, RUN, ending, ending_of};

/// A flag, and what the kubelet says of it.
const FLAGS: &[(&str, &str, &str)] = &[
    (
        "image-gc-low-threshold=90",
        INVALID,
        "imageGCLowThresholdPercent (--image-gc-low-threshold) 90 must be less than",
    ),
    (
        "image-gc-high-threshold=80",
        INVALID,
        "imageGCLowThresholdPercent (--image-gc-low-threshold) 80 must be less than",
    ),
    (
        "container-log-max-files=1",
        INVALID,
        "containerLogMaxFiles must be greater than 1",
    ),
    (
        "topology-manager-policy=x",
        INVALID,
        "topologyManagerPolicy (--topology-manager-policy) \"x\" must be one of",
    ),
    (
        "topology-manager-scope=x",
        INVALID,
        "topologyManagerScope (--topology-manager-scope) \"x\" must be one of",
    ),
    (
        "enforce-node-allocatable=x",
        INVALID,
        "option \"x\" specified for enforceNodeAllocatable",
    ),
    (
        "enforce-node-allocatable=none,pods",
        INVALID,
        "enforceNodeAllocatable (--enforce-node-allocatable) may not contain",
    ),
    (
        "enforce-node-allocatable=system-reserved",
        INVALID,
        "systemReservedCgroup (--system-reserved-cgroup) must be specified",
    ),
    (
        "cgroups-per-qos=false",
        INVALID,
        "cgroupsPerQOS (--cgroups-per-qos) must be set to true when \"pods\" contained in",
    ),
    (
        "cpu-cfs-quota-period=2s",
        INVALID,
        "cpuCFSQuotaPeriod (--cpu-cfs-quota-period) 2s must be between 1ms and 1sec",
    ),
    (
        "healthz-port=70000",
        INVALID,
        "healthzPort (--healthz-port) 70000 must be between 0 and 65535",
    ),
    (
        "port=0",
        INVALID,
        "port (--port) 0 must be between 1 and 65535",
    ),
    (
        "max-pods=-1",
        INVALID,
        "maxPods (--max-pods) -1 must not be a negative number",
    ),
    (
        "eviction-hard=nope.available<5%",
        RUN,
        "unsupported eviction signal nope.available",
    ),
    (
        "eviction-soft=memory.available<200Mi",
        RUN,
        "failed to create kubelet: grace period must be specified for the soft eviction threshold memory.available",
    ),
    (
        "reserved-cpus=abc",
        INVALID,
        "unable to parse reservedSystemCPUs (--reserved-cpus) abc, error: strconv.Atoi: parsing \"abc\": invalid syntax",
    ),
    (
        "reserved-cpus=0,3-1",
        INVALID,
        "unable to parse reservedSystemCPUs (--reserved-cpus) 0,3-1, error: invalid range \"3-1\" (3 > 1)",
    ),
    (
        "cpu-manager-policy=static",
        RUN,
        "[cpumanager] unable to determine reserved CPU resources",
    ),
    (
        "client-ca-file=/none",
        RUN,
        "open /none: no such file or directory",
    ),
    (
        "tls-cert-file=/none",
        RUN,
        "failed to create kubelet: failed to initialize file based certificate manager",
    ),
    (
        "allowed-unsafe-sysctls=x",
        RUN,
        "failed to create kubelet: the sysctls \"x\" are not known to be namespaced",
    ),
    (
        "kubeconfig=/none",
        RUN,
        "invalid kubeconfig: stat /none: no such file or directory",
    ),
    (
        "kubeconfig=",
        RUN,
        "no client provided, cannot use webhook authentication",
    ),
    (
        "memory-manager-policy=Static",
        RUN,
        "[memorymanager] you should specify the system reserved memory",
    ),
    (
        "cloud-provider=aws",
        RUN,
        "failed to create kubelet: cloud provider \"aws\" was specified",
    ),
    (
        "container-runtime-endpoint=",
        INVALID,
        "the containerRuntimeEndpoint was not specified or empty",
    ),
    (
        "system-reserved=memory=1GB",
        RUN,
        "--system-reserved value failed to parse: failed to parse quantity \"1GB\" for \"memory\" resource: quantities must",
    ),
    (
        "kube-reserved=gpu=1",
        RUN,
        "--kube-reserved value failed to parse: cannot reserve \"gpu\" resource",
    ),
    (
        "kube-reserved=cpu=-1",
        RUN,
        "--kube-reserved value failed to parse: resource quantity for \"cpu\" cannot be negative: -1",
    ),
    (
        "container-log-max-size=10MB",
        RUN,
        "failed to create kubelet: failed to initialize container log manager: failed to parse container log max size \"10MB\"",
    ),
    (
        "container-log-max-size=1.5Gi",
        RUN,
        "failed to create kubelet: failed to initialize container log manager: failed to parse container log max size \"1.5Gi\"",
    ),
    (
        "eviction-hard=memory.available<100MB",
        RUN,
        "quantities must match",
    ),
    (
        "eviction-hard=memory.available<0",
        RUN,
        "eviction threshold memory.available must be positive: 0",
    ),
    (
        "eviction-hard=memory.available<101%",
        RUN,
        "eviction percentage threshold memory.available must be <= 100%: 101%",
    ),
    (
        "eviction-minimum-reclaim=imagefs.available=0%",
        RUN,
        "failed to create kubelet: eviction percentage minimum reclaim imagefs.available must be positive: 0%",
    ),
    (
        "eviction-soft-grace-period=memory.available=1",
        RUN,
        "failed to create kubelet: time: missing unit in duration \"1\"",
    ),
    (
        "reserved-memory=0:memory=1GB",
        "kubelet exited: failed to parse kubelet flag: ",
        "invalid argument \"0:memory=1GB\" for \"--reserved-memory\" flag: failed to parse the quantity: 1GB",
    ),
    (
        "reserved-memory=0:cpu=1",
        "kubelet exited: failed to parse kubelet flag: ",
        "invalid argument \"0:cpu=1\" for \"--reserved-memory\" flag: memory type conversion error, unknown type: \"cpu\"",
    ),
    (
        "register-with-taints=a=b:Nope",
        "kubelet exited: failed to parse kubelet flag: ",
        "invalid argument \"a=b:Nope\" for \"--register-with-taints\" flag: invalid taint effect: Nope",
    ),
    (
        "node-labels==x",
        "kubelet exited: failed to validate kubelet flags: ",
        "invalid node labels",
    ),
    (
        "image-credential-provider-config=/none",
        "kubelet exited: ",
        "Failed to register CRI auth plugins",
    ),
];

#[test]
fn flags_end_the_kubelet_as_a_real_one_does() {
    for (argument, prefix, words) in FLAGS {
        let reason = ending(&[argument], &[]).unwrap_or_else(|| panic!("{argument}"));
        let expected = format!("{prefix}{words}");
        assert!(reason.starts_with(&expected), "{argument}: {reason}");
    }
}

#[test]
fn processors_are_reserved_by_number_or_by_cgroup() {
    let both = ["reserved-cpus=0", "kube-reserved-cgroup=/kube"];
    let reason = ending(&both, &[]).unwrap_or_default();
    assert!(
        reason.contains("can't use reservedSystemCPUs (--reserved-cpus) with"),
        "{reason}"
    );
}

#[test]
fn flags_that_a_real_kubelet_lives_with_do_not_end_it() {
    for arguments in [
        &[
            "hostname-override=A_b",
            "node-ip=x",
            "cluster-dns=x",
            "resolv-conf=/none",
            "node-labels=a",
        ][..],
        &["image-gc-low-threshold=90", "image-gc-high-threshold=95"],
        &["cgroups-per-qos=false", "enforce-node-allocatable=none"],
        &["cgroups-per-qos=false", "enforce-node-allocatable="],
        &[
            "eviction-soft=memory.available<200Mi",
            "eviction-soft-grace-period=memory.available=1m",
        ],
        &[
            "eviction-soft=memory.available<0%",
            "eviction-hard=pid.available<10%",
        ],
        &[
            "cpu-manager-policy=static",
            "kube-reserved=memory=1Gi,cpu=100m",
        ],
        &["cpu-manager-policy=static", "reserved-cpus=0"],
        &["reserved-cpus="],
        &["reserved-cpus=0-1,3,5-5"],
        &["reserved-memory=0:memory=1Gi,hugepages-2Mi=1Gi;1:memory=1G"],
        &["container-log-max-size=-1"],
        &[
            "memory-manager-policy=Static",
            "reserved-memory=0:memory=1Gi",
        ],
        &["cgroup-driver=nope"],
        &["cloud-provider=external"],
        &["system-reserved=memory=0.5Gi,cpu=100m,pid=1k,ephemeral-storage=1e9"],
        &["eviction-minimum-reclaim=imagefs.available=0,nodefs.available=10.5%"],
        &[
            "enforce-node-allocatable=pods,kube-reserved",
            "kube-reserved-cgroup=/x",
        ],
        &["allowed-unsafe-sysctls=kernel.msg*,net/ipv4/ip_forward"],
        &["register-with-taints=a=b:NoSchedule,c:NoExecute"],
        &["healthz-port=0", "node-labels=,a=b"],
        &["tls-cert-file=/none", "rotate-server-certificates=true"],
    ] {
        assert_eq!(ending(arguments, &[]), None, "{arguments:?}");
    }
}

/// Asked of a real 1.31.4 and 1.36.3: what is not systemd is cgroupfs (`pkg/kubelet/cm` NewCgroupManager), or the container runtime
/// says what it is.
#[test]
fn the_kubelet_lives_with_any_driver_of_cgroups() {
    for version in ["1.24.4", "1.31.4", "1.36.3"] {
        let found = ending_of(version, &["cgroup-driver=nope"], &[]);
        assert_eq!(found, None, "{version}");
    }
}
