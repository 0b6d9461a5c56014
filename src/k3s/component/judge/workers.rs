//! How many things the controllers of the controller manager do at once (kubernetes
//! `cmd/kube-controller-manager/app/options/*controller.go` Validate; asked whether or not the controller runs).
//!
//! Other `concurrent-*-syncs` may be nothing or negative: that controller does nothing then.

use super::Line;

/// Flag, least, most, and the first minor whose source was read.
const WORKERS: [(&str, i128, i128, u16); 12] = [
    ("concurrent-cron-job-syncs", 1, ANY, 31),
    ("concurrent-daemonset-syncs", 1, ANY, 36),
    ("concurrent-device-taint-eviction-syncs", 1, ANY, 36),
    ("concurrent-ephemeralvolume-syncs", 1, ANY, 24),
    ("concurrent-horizontal-pod-autoscaler-syncs", 1, ANY, 31),
    ("concurrent-job-syncs", 1, ANY, 31),
    ("concurrent-resourceclaim-syncs", 1, ANY, 36),
    ("concurrent-service-endpoint-syncs", 1, 50, 24),
    ("concurrent-statefulset-syncs", 1, ANY, 24),
    ("max-endpoints-per-slice", 1, 1000, 24),
    ("mirroring-concurrent-service-endpoint-syncs", 1, 50, 24),
    ("mirroring-max-endpoints-per-subset", 1, 1000, 24),
];
const ANY: i128 = i32::MAX as i128;

/// Judges them.
pub(super) fn judge(line: &mut Line<'_>) {
    for (flag, least, most, since_minor) in WORKERS {
        let Some((number, argument)) = line.flags.number(line.arguments, flag) else {
            continue;
        };
        let must = match most {
            _ if line.minor() < since_minor => continue,
            _ if (least..=most).contains(&number) => continue,
            ANY => "must be greater than 0".to_owned(),
            _ if number < least => format!("must not be less than {least}"),
            _ => format!("must not be more than {most}"),
        };
        let reason = format!("{flag} {must}, but got {number}");
        line.end(&reason, Some(argument));
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{ending, with};

    /// Asked of a real 1.36.3.
    #[test]
    fn some_controllers_want_something_to_do_it_with() {
        let of = |item: &str| ending("kube-controller-manager-arg", &[item]).unwrap_or_default();
        for (item, words) in [
            (
                "concurrent-cron-job-syncs=0",
                "must be greater than 0, but got 0",
            ),
            (
                "concurrent-job-syncs=-1",
                "must be greater than 0, but got -1",
            ),
            ("concurrent-statefulset-syncs=0", "must be greater than 0"),
            (
                "concurrent-ephemeralvolume-syncs=0",
                "must be greater than 0",
            ),
            (
                "concurrent-horizontal-pod-autoscaler-syncs=0",
                "must be greater than 0",
            ),
            (
                "concurrent-service-endpoint-syncs=0",
                "must not be less than 1",
            ),
            (
                "mirroring-concurrent-service-endpoint-syncs=-1",
                "must not be less than 1",
            ),
            (
                "mirroring-max-endpoints-per-subset=0",
                "must not be less than 1",
            ),
            (
                "max-endpoints-per-slice=0",
                "must not be less than 1, but got 0",
            ),
            (
                "max-endpoints-per-slice=1001",
                "must not be more than 1000, but got 1001",
            ),
        ] {
            let found = of(item);
            assert!(found.contains(words), "{item}: {found}");
        }
        for item in [
            "concurrent-deployment-syncs=0",
            "concurrent-endpoint-syncs=0",
            "concurrent-gc-syncs=-1",
            "concurrent-namespace-syncs=0",
            "concurrent-replicaset-syncs=-1",
            "concurrent-resource-quota-syncs=-1",
            "concurrent-service-syncs=0",
            "concurrent-validating-admission-policy-status-syncs=0",
            "max-endpoints-per-slice=1000",
        ] {
            assert_eq!(of(item), "", "{item}");
        }
    }

    #[test]
    fn what_was_not_read_in_a_release_is_not_judged_there() {
        let ends = |item: &str, version: &str| {
            let option = vec![("kube-controller-manager-arg", vec![item])];
            !with(option, version, Role::Server).endings.is_empty()
        };
        for (item, version, expected) in [
            ("concurrent-job-syncs=0", "1.28.5", false),
            ("concurrent-job-syncs=0", "1.31.4", true),
            ("concurrent-statefulset-syncs=0", "1.23.5", false),
            ("concurrent-statefulset-syncs=0", "1.24.4", true),
            ("concurrent-daemonset-syncs=0", "1.35.1", false),
            ("concurrent-daemonset-syncs=0", "1.36.3", true),
        ] {
            assert_eq!(ends(item, version), expected, "{item} {version}");
        }
    }
}
