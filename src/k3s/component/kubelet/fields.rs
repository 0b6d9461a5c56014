//! The fields of a KubeletConfiguration (kubelet `config/v1beta1/types.go` of 1.36). Those that 1.20 has are so in all
//! minors; the others are surely there from the minor given on.

use crate::k3s::component::schema::{Shape, TEXTS};

const TAINT: Shape = Shape::Struct(
    "v1.Taint",
    &[
        ("key", Shape::Text),
        ("value", Shape::Text),
        ("effect", Shape::Word("v1.TaintEffect")),
        ("timeAdded", Shape::Text),
    ],
);
const TEXT_OF: Shape = Shape::Map(&Shape::Text);

/// What a kubelet's file may hold. Logging, tracing and the like have decoders of their own and are not in it.
pub(super) const CONFIGURATION: Shape = Shape::Struct(
    "v1beta1.KubeletConfiguration",
    &[
        ("apiVersion", Shape::Text),
        ("kind", Shape::Text),
        ("enableServer", Shape::Bool),
        ("staticPodPath", Shape::Text),
        ("podLogsDir", Shape::Since(32, &Shape::Text)),
        ("syncFrequency", Shape::Duration),
        ("fileCheckFrequency", Shape::Duration),
        ("httpCheckFrequency", Shape::Duration),
        ("staticPodURL", Shape::Text),
        ("staticPodURLHeader", Shape::Map(&TEXTS)),
        ("address", Shape::Text),
        ("port", Shape::Int(32)),
        ("readOnlyPort", Shape::Int(32)),
        ("tlsCertFile", Shape::Text),
        ("tlsPrivateKeyFile", Shape::Text),
        ("tlsCipherSuites", TEXTS),
        (
            "tlsCurvePreferences",
            Shape::Since(36, &Shape::List(&Shape::Int(32))),
        ),
        ("tlsMinVersion", Shape::Text),
        ("rotateCertificates", Shape::Bool),
        ("serverTLSBootstrap", Shape::Bool),
        (
            "authentication",
            Shape::Struct(
                "v1beta1.KubeletAuthentication",
                &[
                    (
                        "x509",
                        Shape::Struct(
                            "v1beta1.KubeletX509Authentication",
                            &[("clientCAFile", Shape::Text)],
                        ),
                    ),
                    (
                        "webhook",
                        Shape::Struct(
                            "v1beta1.KubeletWebhookAuthentication",
                            &[("enabled", Shape::Bool), ("cacheTTL", Shape::Duration)],
                        ),
                    ),
                    (
                        "anonymous",
                        Shape::Struct(
                            "v1beta1.KubeletAnonymousAuthentication",
                            &[("enabled", Shape::Bool)],
                        ),
                    ),
                ],
            ),
        ),
        (
            "authorization",
            Shape::Struct(
                "v1beta1.KubeletAuthorization",
                &[
                    ("mode", Shape::Word("v1beta1.KubeletAuthorizationMode")),
                    (
                        "webhook",
                        Shape::Struct(
                            "v1beta1.KubeletWebhookAuthorization",
                            &[
                                ("cacheAuthorizedTTL", Shape::Duration),
                                ("cacheUnauthorizedTTL", Shape::Duration),
                            ],
                        ),
                    ),
                ],
            ),
        ),
        ("registryPullQPS", Shape::Int(32)),
        ("registryBurst", Shape::Int(32)),
        (
            "imagePullCredentialsVerificationPolicy",
            Shape::Since(
                36,
                &Shape::Word("v1beta1.ImagePullCredentialsVerificationPolicy"),
            ),
        ),
        (
            "preloadedImagesVerificationAllowlist",
            Shape::Since(36, &TEXTS),
        ),
        ("eventRecordQPS", Shape::Int(32)),
        ("eventBurst", Shape::Int(32)),
        ("enableDebuggingHandlers", Shape::Bool),
        ("enableContentionProfiling", Shape::Bool),
        ("healthzPort", Shape::Int(32)),
        ("healthzBindAddress", Shape::Text),
        ("oomScoreAdj", Shape::Int(32)),
        ("clusterDomain", Shape::Text),
        ("clusterDNS", TEXTS),
        ("streamingConnectionIdleTimeout", Shape::Duration),
        ("nodeStatusUpdateFrequency", Shape::Duration),
        ("nodeStatusReportFrequency", Shape::Duration),
        ("nodeLeaseDurationSeconds", Shape::Int(32)),
        ("imageMinimumGCAge", Shape::Duration),
        ("imageMaximumGCAge", Shape::Since(32, &Shape::Duration)),
        ("imageGCHighThresholdPercent", Shape::Int(32)),
        ("imageGCLowThresholdPercent", Shape::Int(32)),
        ("volumeStatsAggPeriod", Shape::Duration),
        ("kubeletCgroups", Shape::Text),
        ("systemCgroups", Shape::Text),
        ("cgroupRoot", Shape::Text),
        ("cgroupsPerQOS", Shape::Bool),
        ("cgroupDriver", Shape::Text),
        ("cpuManagerPolicy", Shape::Text),
        ("singleProcessOOMKill", Shape::Since(36, &Shape::Bool)),
        ("cpuManagerPolicyOptions", Shape::Since(32, &TEXT_OF)),
        ("cpuManagerReconcilePeriod", Shape::Duration),
        ("memoryManagerPolicy", Shape::Since(32, &Shape::Text)),
        ("topologyManagerPolicy", Shape::Text),
        ("topologyManagerScope", Shape::Text),
        ("topologyManagerPolicyOptions", Shape::Since(32, &TEXT_OF)),
        ("qosReserved", TEXT_OF),
        ("runtimeRequestTimeout", Shape::Duration),
        ("hairpinMode", Shape::Text),
        ("maxPods", Shape::Int(32)),
        ("podCIDR", Shape::Text),
        ("podPidsLimit", Shape::Int(64)),
        ("resolvConf", Shape::Text),
        ("runOnce", Shape::Bool),
        ("cpuCFSQuota", Shape::Bool),
        ("cpuCFSQuotaPeriod", Shape::Duration),
        ("nodeStatusMaxImages", Shape::Int(32)),
        ("maxOpenFiles", Shape::Int(64)),
        ("contentType", Shape::Text),
        ("kubeAPIQPS", Shape::Int(32)),
        ("kubeAPIBurst", Shape::Int(32)),
        ("serializeImagePulls", Shape::Bool),
        ("maxParallelImagePulls", Shape::Since(32, &Shape::Int(32))),
        ("evictionHard", TEXT_OF),
        ("evictionSoft", TEXT_OF),
        ("evictionSoftGracePeriod", TEXT_OF),
        ("evictionPressureTransitionPeriod", Shape::Duration),
        ("evictionMaxPodGracePeriod", Shape::Int(32)),
        ("evictionMinimumReclaim", TEXT_OF),
        (
            "mergeDefaultEvictionSettings",
            Shape::Since(36, &Shape::Bool),
        ),
        ("podsPerCore", Shape::Int(32)),
        ("enableControllerAttachDetach", Shape::Bool),
        ("protectKernelDefaults", Shape::Bool),
        ("makeIPTablesUtilChains", Shape::Bool),
        ("iptablesMasqueradeBit", Shape::Int(32)),
        ("iptablesDropBit", Shape::Int(32)),
        ("featureGates", Shape::Map(&Shape::Bool)),
        ("failSwapOn", Shape::Bool),
        (
            "memorySwap",
            Shape::Since(
                32,
                &Shape::Struct(
                    "v1beta1.MemorySwapConfiguration",
                    &[("swapBehavior", Shape::Text)],
                ),
            ),
        ),
        ("containerLogMaxSize", Shape::Text),
        ("containerLogMaxFiles", Shape::Int(32)),
        ("containerLogMaxWorkers", Shape::Since(32, &Shape::Int(32))),
        (
            "containerLogMonitorInterval",
            Shape::Since(32, &Shape::Duration),
        ),
        (
            "configMapAndSecretChangeDetectionStrategy",
            Shape::Word("v1beta1.ResourceChangeDetectionStrategy"),
        ),
        ("systemReserved", TEXT_OF),
        ("kubeReserved", TEXT_OF),
        ("reservedSystemCPUs", Shape::Text),
        ("showHiddenMetricsForVersion", Shape::Text),
        ("systemReservedCgroup", Shape::Text),
        ("kubeReservedCgroup", Shape::Text),
        ("enforceNodeAllocatable", TEXTS),
        ("allowedUnsafeSysctls", TEXTS),
        ("volumePluginDir", Shape::Text),
        ("providerID", Shape::Text),
        ("kernelMemcgNotification", Shape::Bool),
        ("enableSystemLogHandler", Shape::Bool),
        ("enableSystemLogQuery", Shape::Since(32, &Shape::Bool)),
        ("shutdownGracePeriod", Shape::Duration),
        ("shutdownGracePeriodCriticalPods", Shape::Duration),
        (
            "shutdownGracePeriodByPodPriority",
            Shape::Since(
                32,
                &Shape::List(&Shape::Struct(
                    "v1beta1.ShutdownGracePeriodByPodPriority",
                    &[
                        ("priority", Shape::Int(32)),
                        ("shutdownGracePeriodSeconds", Shape::Int(64)),
                    ],
                )),
            ),
        ),
        (
            "crashLoopBackOff",
            Shape::Since(
                36,
                &Shape::Struct(
                    "v1beta1.CrashLoopBackOffConfig",
                    &[("maxContainerRestartPeriod", Shape::Duration)],
                ),
            ),
        ),
        (
            "reservedMemory",
            Shape::Since(
                32,
                &Shape::List(&Shape::Struct(
                    "v1beta1.MemoryReservation",
                    &[("numaNode", Shape::Int(32)), ("limits", Shape::Any)],
                )),
            ),
        ),
        ("enableProfilingHandler", Shape::Since(32, &Shape::Bool)),
        ("enableDebugFlagsHandler", Shape::Since(32, &Shape::Bool)),
        ("seccompDefault", Shape::Since(32, &Shape::Bool)),
        ("memoryThrottlingFactor", Shape::Since(32, &Shape::Float)),
        (
            "memoryReservationPolicy",
            Shape::Since(36, &Shape::Word("v1beta1.MemoryReservationPolicy")),
        ),
        ("registerWithTaints", Shape::Since(32, &Shape::List(&TAINT))),
        ("registerNode", Shape::Since(32, &Shape::Bool)),
        ("tracing", Shape::Since(32, &Shape::Any)),
        (
            "localStorageCapacityIsolation",
            Shape::Since(32, &Shape::Bool),
        ),
        ("containerRuntimeEndpoint", Shape::Since(32, &Shape::Text)),
        ("imageServiceEndpoint", Shape::Since(32, &Shape::Text)),
        ("failCgroupV1", Shape::Since(32, &Shape::Bool)),
        (
            "userNamespaces",
            Shape::Since(
                36,
                &Shape::Struct("v1beta1.UserNamespaces", &[("idsPerPod", Shape::Int(64))]),
            ),
        ),
    ],
);
