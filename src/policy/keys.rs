//! The keys that a policy file may have, by where they stand.

/// The keys above the first section, and the sections.
pub(super) const TOP: &[&str] = &[
    "mode",
    "role",
    "unit",
    "k3s_version",
    "edition",
    "new_cluster",
    "unit_override",
    "on_disable",
    "sysctl_interval",
    "full_pass_interval",
    "metrics_file",
    "ledger_limit",
    "restart",
    "control",
    "exception",
];

/// The keys of `[restart]`.
pub(super) const RESTART: &[&str] = &[
    "mode",
    "windows",
    "minimum_interval",
    "per_day",
    "settle_time",
    "settle_limit",
    "jitter",
];

/// The keys of an `[[exception]]`.
pub(super) const EXCEPTION: &[&str] = &["control", "reason", "owner", "expires"];
