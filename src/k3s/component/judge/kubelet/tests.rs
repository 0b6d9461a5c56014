mod managed;

use std::fs;

use crate::host::Root;
use crate::k3s::component::{Facts, Node, start};
use crate::k3s::{Files, Merge, Place, Role, SetOption, Sourced};

const DROP_IN: &str = "var/lib/rancher/k3s/agent/etc/kubelet.conf.d/90-x.conf";
const HEAD: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";

/// The first ending of a 1.36.3 whose kubelet is given these arguments and drop-ins.
fn ending(arguments: &[&str], drop_ins: &[(&str, &str)]) -> Option<String> {
    ending_of("1.36.3", arguments, drop_ins)
}

/// The same of another release.
fn ending_of(version: &str, arguments: &[&str], drop_ins: &[(&str, &str)]) -> Option<String> {
    let tree = tempfile::tempdir().unwrap();
    for (name, text) in drop_ins {
        let path = tree.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{HEAD}{text}\n")).unwrap();
    }
    let values = arguments.iter().map(|argument| Sourced {
        value: (*argument).to_owned(),
        place: Place::ExecStart {
            unit: "k3s.service".to_owned(),
        },
    });
    let mut merge = Merge::default();
    merge.options.insert(
        "kubelet-arg".to_owned(),
        SetOption {
            list: true,
            values: values.collect(),
            overrode: Vec::new(),
            outranked_by: None,
        },
    );
    let node = Node {
        version: version.parse().unwrap(),
        role: Role::Server,
        data_dir: "/var/lib/rancher/k3s".into(),
    };
    let root = Root::open(tree.path()).unwrap();
    let start = start(&merge, &node, &Facts::default(), &Files::new(&root));
    start.endings.into_iter().next().map(|ending| ending.reason)
}

const INVALID: &str =
    "kubelet exited: failed to validate kubelet configuration, error: invalid configuration: ";
const RUN: &str = "kubelet exited: failed to run Kubelet: ";
const MERGED: &str = "kubelet exited: failed to merge kubelet configs: failed to unmarshal merged JSON into kubelet configuration: json: cannot unmarshal ";

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
