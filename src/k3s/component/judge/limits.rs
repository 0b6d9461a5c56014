//! Numbers, sizes and formats of kube-apiserver's own options (`cmd/kube-apiserver/app/options/validation.go`, apiserver
//! `pkg/server/options`). Held to a real one of 1.20 by `tests/kubernetes`.

use super::{Line, common, metrics, origins};
use crate::k3s::component::minors;
use crate::k3s::component::value::port_range;
use crate::k3s::go_duration::nanoseconds;
use crate::k3s::go_value::{boolean, float};

/// Durations that may not be negative.
const DURATIONS: [&str; 5] = [
    "request-timeout",
    "livez-grace-period",
    "shutdown-delay-duration",
    "shutdown-watch-termination-grace-period",
    "storage-initialization-timeout",
];
/// From here on the checks that every apiserver has are called, which older ones have too (kubernetes
/// `pkg/controlplane/apiserver/options/validation.go`; not called in 1.20, 1.24.4, 1.25.16, 1.26.0, 1.29.0 and 1.30.0).
pub(super) const CHECKED_SINCE_MINOR: u16 = 31;
/// From here on a real one was asked (1.24.4, 1.31.4, 1.36.3).
const SEEN_SINCE_MINOR: u16 = 24;
const HOUR_NS: i64 = 3_600_000_000_000;
const SECOND_NS: i64 = 1_000_000_000;

pub(super) fn judge(line: &mut Line<'_>) {
    common::no_insecure_port(line, &["insecure-port", "port"]);
    common::range(line, "secure-port", 1, 65535);
    common::range(line, "kubernetes-service-node-port", 0, 65535);
    if line.minor() >= CHECKED_SINCE_MINOR {
        of_every_server(line);
        transport_security(line);
    }
    for flag in ["apiserver-count", "identity-lease-duration-seconds"] {
        let reason =
            |number| format!("--{flag} should be a positive number, but value '{number}' provided");
        at_least_one(line, flag, reason);
    }
    token_expiration(line);
    no_time(line);
    requests_in_flight(line);
    metrics::hidden_metrics(line);
    common::one_of(
        line,
        "storage-media-type",
        &[
            "",
            "application/json",
            "application/yaml",
            "application/vnd.kubernetes.protobuf",
        ],
    );
    if let Some(argument) = line.given("endpoint-reconciler-type")
        && !["master-count", "lease", "none"].contains(&argument.value.as_str())
    {
        let reason = format!("Reconciler not implemented: {}", argument.value);
        line.end(&reason, Some(argument));
    }
    node_port(line);
    origins::judge(line);
    storage(line);
    audit_batches(line);
}

/// That the port lies in the range is asked in the sources of 1.24.4 to 1.36.3; of older ones nobody looked.
fn node_port(line: &mut Line<'_>) {
    let flag = "kubernetes-service-node-port";
    let Some((number, argument)) = line.flags.number(line.arguments, flag) else {
        return;
    };
    let range = line.given("service-node-port-range");
    let range = range.map_or("30000-32767", |argument| argument.value.as_str());
    let Some((first, last)) = port_range(range) else {
        return;
    };
    let is_outside = number > 0 && !(i128::from(first)..=i128::from(last)).contains(&number);
    if is_outside && line.minor() >= SEEN_SINCE_MINOR {
        let reason = format!("kubernetes service node port range {range} doesn't contain {number}");
        line.end(&reason, Some(argument));
    }
}

fn of_every_server(line: &mut Line<'_>) {
    for flag in [
        "max-requests-inflight",
        "max-mutating-requests-inflight",
        "min-request-timeout",
    ] {
        common::range(line, flag, 0, i128::from(i64::MAX));
    }
    for flag in DURATIONS {
        if let Some(argument) = line.last(flag)
            && nanoseconds(&argument.value).is_some_and(i64::is_negative)
        {
            let reason = format!("--{flag} can not be negative value");
            line.end(&reason, Some(argument));
        }
    }
    if let Some(argument) = line.last("goaway-chance")
        // No number at all is neither less nor greater.
        && float(&argument.value).is_some_and(|chance| !chance.is_nan() && !(0.0..=0.02).contains(&chance))
    {
        line.end(
            "--goaway-chance can not be less than 0 or greater than 0.02",
            Some(argument),
        );
    }
}

/// Zero is no time, and not any: all that the apiserver asks of itself at its start fails (apiserver
/// `pkg/endpoints/filters/request_deadline.go`), in one release at this, in another at that.
fn no_time(line: &mut Line<'_>) {
    if let Some(argument) = line.last("request-timeout")
        && nanoseconds(&argument.value) == Some(0)
        && (SEEN_SINCE_MINOR..=minors::NEWEST).contains(&line.minor())
    {
        line.end(
            "--request-timeout of zero leaves no request any time: unable to add default system priority classes: timed out \
             waiting for the condition",
            Some(argument),
        );
    }
}

/// Both limits together are what priorities are shared from (apiserver `pkg/server/options/feature.go`).
fn requests_in_flight(line: &mut Line<'_>) {
    let number = |flag: &str| line.flags.number(line.arguments, flag);
    let reads = number("max-requests-inflight");
    let writes = number("max-mutating-requests-inflight");
    let shares = line.last("enable-priority-and-fairness");
    if shares.is_some_and(|argument| boolean(&argument.value) == Some(false)) {
        return;
    }
    if let (Some((0, argument)), Some((0, _))) = (reads, writes) {
        line.end(
            "invalid configuration: MaxRequestsInFlight=0 and MaxMutatingRequestsInFlight=0; they must add up to something positive",
            Some(argument),
        );
    }
}

fn transport_security(line: &mut Line<'_>) {
    let is_directive = |word: &str| {
        matches!(word, "includeSubDomains" | "preload")
            || word
                .strip_prefix("max-age=")
                .is_some_and(|age| !age.contains('='))
    };
    let words = line.words("strict-transport-security-directives");
    let wrong = words.iter().find(|(word, _)| !is_directive(word));
    if let Some((_, argument)) = wrong {
        line.end(
            "--strict-transport-security-directives invalid, allowed values: max-age=expireTime, includeSubDomains, preload",
            Some(argument),
        );
    }
}

fn at_least_one(line: &mut Line<'_>, flag: &str, reason: impl Fn(i128) -> String) {
    if let Some((number, argument)) = line.flags.number(line.arguments, flag)
        && number < 1
    {
        line.end(&reason(number), Some(argument));
    }
}

fn token_expiration(line: &mut Line<'_>) {
    if let Some(argument) = line.last("service-account-max-token-expiration")
        && let Some(time) = nanoseconds(&argument.value).filter(|time| *time != 0)
        && !(HOUR_NS..=(1 << 32) * SECOND_NS).contains(&time)
    {
        line.end(
            "the serviceaccount max expiration must be between 1 hour to 2^32 seconds",
            Some(argument),
        );
    }
}

fn storage(line: &mut Line<'_>) {
    let sizes = line.words("watch-cache-sizes");
    let is_size = |word: &str| {
        word.split_once('#')
            .is_some_and(|(_, size)| size.parse::<u32>().is_ok())
    };
    if let Some((word, argument)) = sizes.iter().find(|(word, _)| !is_size(word)) {
        let reason = format!("invalid value of watch cache size: {word}");
        line.end(&reason, Some(argument));
    }
    let overrides = line.words("etcd-servers-overrides");
    let is_override = |word: &str| {
        word.split_once('#')
            .is_some_and(|(resource, _)| resource.split('/').count() == 2)
    };
    if let Some((_, argument)) = overrides.iter().find(|(word, _)| !is_override(word)) {
        line.end(
            "--etcd-servers-overrides invalid, must be of format: group/resource#servers, where servers are URLs, \
             semicolon separated",
            Some(argument),
        );
    }
}

/// Only a back end that is on is looked at.
fn audit_batches(line: &mut Line<'_>) {
    for (backend, on, batches) in [
        ("log", "audit-log-path", "batch"),
        ("webhook", "audit-webhook-config-file", "batch"),
    ] {
        if line.given(on).is_none() {
            continue;
        }
        // A log is written at once unless told otherwise, a webhook is called in batches.
        let mode = line.given(&format!("audit-{backend}-mode"));
        let in_batches = mode.map_or(backend == "webhook", |mode| mode.value == batches);
        for (flag, what) in [
            ("batch-buffer-size", "buffer size"),
            ("batch-max-size", "max batch size"),
        ] {
            let reason = |number| {
                format!("invalid audit batch {backend} {what} {number}, must be a positive number")
            };
            if in_batches {
                at_least_one(line, &format!("audit-{backend}-{flag}"), reason);
            }
        }
        truncation(line, backend);
    }
}

/// Judged also where nothing is truncated (apiserver `pkg/server/options/audit.go` AuditTruncateOptions.Validate).
fn truncation(line: &mut Line<'_>, backend: &str) {
    let flag = |name: &str| format!("audit-{backend}-truncate-{name}");
    let number = |name: &str| line.flags.number(line.arguments, &flag(name));
    let batch = number("max-batch-size");
    let event = number("max-event-size");
    // The defaults of the apiserver.
    let batch_bytes = batch.map_or(10 << 20, |(bytes, _)| bytes);
    let event_bytes = event.map_or(100 << 10, |(bytes, _)| bytes);
    if event_bytes <= 0 {
        let reason = format!(
            "invalid audit truncate {backend} max event size {event_bytes}, must be a positive number"
        );
        line.end(&reason, event.map(|(_, argument)| argument));
        return;
    }
    if batch_bytes < event_bytes {
        let reason = format!(
            "invalid audit truncate {backend} max batch size {batch_bytes}, must be greater than max event size \
             ({event_bytes})"
        );
        line.end(&reason, batch.or(event).map(|(_, argument)| argument));
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::component::tests::reason;

    /// Asked of a real 1.24.4, 1.31.4 and 1.36.3, which ended within half a minute.
    #[test]
    fn requests_have_some_time() {
        for version in ["1.24.4", "1.31.4", "1.36.3"] {
            for (item, ends) in [
                ("request-timeout=0", true),
                ("request-timeout=0s", true),
                ("request-timeout=1m", false),
            ] {
                let found = reason(version, &[("kube-apiserver-arg", item)]);
                assert_eq!(!found.is_empty(), ends, "{version} {item}: {found}");
            }
        }
        let unasked = reason("1.23.4", &[("kube-apiserver-arg", "request-timeout=0")]);
        assert_eq!(unasked, "");
    }

    /// Asked of a real 1.24.4, 1.31.4 and 1.36.3.
    #[test]
    fn the_port_of_the_service_kubernetes_lies_in_the_range() {
        let range = ("service-node-port-range", "31000-32000");
        for version in ["1.24.4", "1.31.4", "1.36.3"] {
            for (port, more, ends) in [
                ("99", None, true),
                ("30001", None, false),
                ("30001", Some(range), true),
                ("0", None, false),
            ] {
                let item = format!("kubernetes-service-node-port={port}");
                let mut options = vec![("kube-apiserver-arg", item.as_str())];
                options.extend(more);
                let found = reason(version, &options);
                assert_eq!(
                    found.contains("doesn't contain"),
                    ends,
                    "{version} {port}: {found}"
                );
            }
        }
    }
}
