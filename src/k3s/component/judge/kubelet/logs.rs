//! Where the logs of containers lie and how they are rotated (kubernetes `pkg/kubelet/apis/config/validation`).

use super::numbers::number;
use super::{Given, INVALID, KubeletSettings, Line, end_at};
use crate::k3s::go_duration::nanoseconds;

/// Read in the sources of 1.31.4 and 1.36.3; 1.24 has none of these.
const SINCE_MINOR: u16 = 31;
const LEAST_INTERVAL_NS: i64 = 3_000_000_000;

pub(super) fn judge(line: &mut Line<'_>, settings: &KubeletSettings) {
    if line.minor() >= SINCE_MINOR {
        directory(line, settings);
        interval(line, settings);
        workers(line, settings);
    }
}

/// Its path is part of metrics, so it is absolute, as Go's `filepath.Clean` prints it, and in ASCII.
fn directory(line: &mut Line<'_>, settings: &KubeletSettings) {
    let Some(given) = Given::of(line, settings, "", "podLogsDir") else {
        return;
    };
    let path = given.text();
    let is_absolute = path.starts_with('/');
    let mut parts = path.split('/').skip(1);
    let is_clean = path == "/" || !parts.any(|part| matches!(part, "" | "." | ".."));
    let must = match (is_absolute, is_clean, path.is_ascii()) {
        // The kubelet fills in.
        _ if path.is_empty() => return,
        (false, _, _) => "must be absolute path",
        (_, false, _) => "must be normalized",
        (_, _, false) => "mut contains ASCII characters only",
        _ => return,
    };
    let reason = format!("{INVALID}: pod logs path {path:?} {must}");
    end_at(line, &reason, given.place);
}

fn interval(line: &mut Line<'_>, settings: &KubeletSettings) {
    let Some(given) = Given::of(line, settings, "", "containerLogMonitorInterval") else {
        return;
    };
    if nanoseconds(given.text()).is_some_and(|interval_ns| interval_ns < LEAST_INTERVAL_NS) {
        let reason = format!(
            "{INVALID}: containerLogMonitorInterval must be a positive time duration greater than or equal to 3s"
        );
        end_at(line, &reason, given.place);
    }
}

fn workers(line: &mut Line<'_>, settings: &KubeletSettings) {
    if let Some((count, place)) = number(line, settings, ("", "containerLogMaxWorkers"))
        && count < 1
    {
        let reason =
            format!("{INVALID}: containerLogMaxWorkers must be greater than or equal to 1");
        end_at(line, &reason, place);
    }
}
