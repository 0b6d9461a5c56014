//! Numbers and durations of the kubelet, of flags and files alike (kubernetes `pkg/kubelet/apis/config/validation`, which
//! has had these ranges since 1.20 unless a row says otherwise).

use super::{Given, INVALID, KubeletSettings, Line, end_at, named};
use crate::k3s::Place;
use crate::k3s::component::document::Document;
use crate::k3s::go_duration::nanoseconds;
use crate::k3s::go_value::integer;

const I32: i128 = i32::MAX as i128;
const I64: i128 = i64::MAX as i128;

/// Flag, field, least, most.
const RANGES: [(&str, &str, i128, i128); 15] = [
    ("event-burst", "eventBurst", 0, I32),
    ("event-qps", "eventRecordQPS", 0, I32),
    ("healthz-port", "healthzPort", 0, 65535),
    ("image-gc-high-threshold", HIGH, 0, 100),
    ("image-gc-low-threshold", LOW, 0, 100),
    ("iptables-drop-bit", "iptablesDropBit", 0, 31),
    ("iptables-masquerade-bit", "iptablesMasqueradeBit", 0, 31),
    ("kube-api-burst", "kubeAPIBurst", 0, I32),
    ("kube-api-qps", "kubeAPIQPS", 0, I32),
    ("max-open-files", "maxOpenFiles", 0, I64),
    ("oom-score-adj", "oomScoreAdj", -1000, 1000),
    ("pods-per-core", "podsPerCore", 0, I32),
    ("port", "port", 1, 65535),
    ("registry-burst", "registryBurst", 0, I32),
    ("registry-qps", "registryPullQPS", 0, I32),
];
/// Those that [`KubeletSettings`] has.
const SETTINGS: [(&str, &str, i128, i128); 2] = [
    ("max-pods", "maxPods", 0, I32),
    ("read-only-port", "readOnlyPort", 0, 65535),
];
const HIGH: &str = "imageGCHighThresholdPercent";
const LOW: &str = "imageGCLowThresholdPercent";
const MICROSECOND_NS: i64 = 1_000;
const MILLISECOND_NS: i64 = 1_000_000;
const SECOND_NS: i64 = 1_000_000_000;

pub(super) fn judge(line: &mut Line<'_>, settings: &KubeletSettings) {
    for (flag, field, least, most) in RANGES.into_iter().chain(SETTINGS) {
        range(line, settings, (flag, field), least, most);
    }
    image_collection(line, settings);
    log_files(line, settings);
    image_pulls(line, settings);
    cpu_quota_period(line, settings);
    grace_periods(line, settings);
    throttling(line, settings);
}

/// A whole number and what gives it.
pub(super) fn number(
    line: &Line<'_>,
    settings: &KubeletSettings,
    (flag, field): (&str, &str),
) -> Option<(i128, Place)> {
    let given = Given::of(line, settings, flag, field)?;
    Some((integer(given.text())?, given.place))
}

fn range(
    line: &mut Line<'_>,
    settings: &KubeletSettings,
    names: (&str, &str),
    least: i128,
    most: i128,
) {
    let Some((number, place)) = number(line, settings, names) else {
        return;
    };
    // The kubelet fills in for a zero in a file, before it looks (config/v1beta1/defaults.go).
    let filled_in = number == 0 && matches!(place, Place::File { .. });
    if (least..=most).contains(&number) || filled_in {
        return;
    }
    let must = match (number < 0, most) {
        (true, I32 | I64) => "must not be a negative number".to_owned(),
        (_, I32 | I64) => format!("must not be above {most}"),
        _ => format!("must be between {least} and {most}, inclusive"),
    };
    let reason = format!("{INVALID}: {} {number} {must}", named(names.0, names.1));
    end_at(line, &reason, place);
}

fn image_collection(line: &mut Line<'_>, settings: &KubeletSettings) {
    let high = number(line, settings, ("image-gc-high-threshold", HIGH));
    let low = number(line, settings, ("image-gc-low-threshold", LOW));
    // The defaults of the kubelet.
    let high_percent = high.as_ref().map_or(85, |(percent, _)| *percent);
    let low_percent = low.as_ref().map_or(80, |(percent, _)| *percent);
    let Some((_, place)) = low.or(high).filter(|_| low_percent >= high_percent) else {
        return;
    };
    let reason = format!(
        "{INVALID}: {LOW} (--image-gc-low-threshold) {low_percent} must be less than {HIGH} (--image-gc-high-threshold) \
         {high_percent}"
    );
    end_at(line, &reason, place);
}

/// 1.36 has it in its validation; before, the log manager of every runtime but dockershim, gone in 1.24, would not be made.
fn log_files(line: &mut Line<'_>, settings: &KubeletSettings) {
    let names = ("container-log-max-files", "containerLogMaxFiles");
    let Some((number, place)) = number(line, settings, names) else {
        return;
    };
    if number <= 1 && line.minor() >= 24 {
        let reason = format!("{INVALID}: containerLogMaxFiles must be greater than 1");
        end_at(line, &reason, place);
    }
}

fn image_pulls(line: &mut Line<'_>, settings: &KubeletSettings) {
    let field = "maxParallelImagePulls";
    if let Some((number, place)) = number(line, settings, ("", field))
        && number < 1
        && line.minor() >= 32
    {
        end_at(
            line,
            &format!("{INVALID}: {field} {number} must be a positive number"),
            place,
        );
    }
}

/// With its gate off, which it is not in 1.36, anything but 100ms ends it; with it on, 1.20 took a microsecond.
fn cpu_quota_period(line: &mut Line<'_>, settings: &KubeletSettings) {
    let (flag, field) = ("cpu-cfs-quota-period", "cpuCFSQuotaPeriod");
    let (least, shown) = match line.minor() {
        ..36 => (MICROSECOND_NS, "1usec"),
        _ => (MILLISECOND_NS, "1ms"),
    };
    if let Some(given) = Given::of(line, settings, flag, field)
        && let Some(period) = nanoseconds(given.text())
        && !(least..=SECOND_NS).contains(&period)
    {
        let (name, text) = (named(flag, field), given.text());
        let reason =
            format!("{INVALID}: {name} {text} must be between {shown} and 1sec, inclusive");
        end_at(line, &reason, given.place);
    }
}

/// With the gate GracefulNodeShutdown off they may not be given at all. That they are no part of a second was read in the
/// sources of 1.24.4, 1.31.4 and 1.36.3.
fn grace_periods(line: &mut Line<'_>, settings: &KubeletSettings) {
    let period = |field: &str| {
        // K3s's own file gives both.
        let (value, place) = settings.over_k3s_file(field)?;
        let period_ns = nanoseconds(value.shown())?;
        Some((field.to_owned(), period_ns, value.shown().to_owned(), place))
    };
    let all = period("shutdownGracePeriod");
    let critical = period("shutdownGracePeriodCriticalPods");
    let all_ns = all.as_ref().map_or(0, |(_, period_ns, _, _)| *period_ns);
    let all_shown = all.as_ref().map_or("0s", |(_, _, shown, _)| shown);
    let (reason, place) = match &critical {
        Some((field, critical_ns, shown, place)) if *critical_ns > 0 && *critical_ns > all_ns => (
            format!("{field} {shown} must be <= shutdownGracePeriod {all_shown}"),
            place.clone(),
        ),
        _ => {
            let is_part = |period_ns: i64| (1..SECOND_NS).contains(&period_ns);
            let mut periods = [&all, &critical].into_iter().flatten();
            let part = periods.find(|(_, period_ns, _, _)| is_part(*period_ns));
            let Some((field, _, shown, place)) = part.filter(|_| line.minor() >= 24) else {
                return;
            };
            (
                format!("{field} {shown} must be either zero or otherwise >= 1 sec"),
                place.clone(),
            )
        }
    };
    end_at(line, &format!("{INVALID}: {reason}"), place);
}

fn throttling(line: &mut Line<'_>, settings: &KubeletSettings) {
    let Some((Document::Number(text), place)) = settings.of_files("memoryThrottlingFactor") else {
        return;
    };
    if text
        .parse()
        .is_ok_and(|factor: f64| factor <= 0.0 || factor > 1.0)
        && line.minor() >= 32
    {
        let reason = format!(
            "{INVALID}: memoryThrottlingFactor {text} must be greater than 0 and less than or equal to 1.0"
        );
        end_at(line, &reason, place);
    }
}
