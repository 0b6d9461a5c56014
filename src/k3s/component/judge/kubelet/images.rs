//! Images that the kubelet pulls and collects (kubernetes `pkg/kubelet/apis/config/validation`).

use super::numbers::number;
use super::{Given, INVALID, KubeletSettings, Line, end_at};
use crate::k3s::Place;
use crate::k3s::component::document::Document;
use crate::k3s::go_duration::{nanoseconds, print};
use crate::k3s::go_value::boolean;

const OLDEST: &str = "imageMaximumGCAge";
const YOUNGEST: (&str, &str) = ("minimum-image-ttl-duration", "imageMinimumGCAge");
const DEFAULT_YOUNGEST_NS: i64 = 120_000_000_000;
const PARALLEL: &str = "maxParallelImagePulls";
/// Read in the sources of 1.31.4 and 1.36.3; 1.24 has none of these.
const SINCE_MINOR: u16 = 31;
const CREDENTIALS: &str = "imagePullCredentialsVerificationPolicy";
const VERIFICATIONS: [&str; 4] = [
    "NeverVerify",
    "NeverVerifyPreloadedImages",
    "NeverVerifyAllowlistedImages",
    "AlwaysVerify",
];

pub(super) fn judge(line: &mut Line<'_>, settings: &KubeletSettings) {
    if line.minor() >= SINCE_MINOR {
        oldest(line, settings);
        one_by_one(line, settings);
    }
    // Of releases between, nobody looked.
    if line.minor() == 36 {
        youngest(line, settings);
        credentials(line, settings);
    }
}

/// A time in a flag or in a file behind K3s's own, which gives both; a zero in a file is none.
fn period(
    line: &Line<'_>,
    settings: &KubeletSettings,
    (flag, field): (&str, &str),
) -> Option<(i64, Place)> {
    if let Some(argument) = line.last(flag) {
        return Some((nanoseconds(&argument.value)?, argument.place.clone()));
    }
    let (value, place) = settings.over_k3s_file(field)?;
    let period_ns = nanoseconds(value.shown())?;
    (period_ns != 0).then_some((period_ns, place))
}

fn youngest(line: &mut Line<'_>, settings: &KubeletSettings) {
    if let Some((age_ns, place)) = period(line, settings, YOUNGEST)
        && age_ns < 0
    {
        let age = print(age_ns);
        let reason = format!("{INVALID}: {} {age} must not be negative", YOUNGEST.1);
        end_at(line, &reason, place);
    }
}

fn oldest(line: &mut Line<'_>, settings: &KubeletSettings) {
    let Some((oldest_ns, place)) = period(line, settings, ("", OLDEST)) else {
        return;
    };
    let youngest = period(line, settings, YOUNGEST);
    let youngest_ns = youngest.map_or(DEFAULT_YOUNGEST_NS, |(age_ns, _)| age_ns);
    let age = print(oldest_ns);
    let reason = if oldest_ns < 0 {
        format!("{INVALID}: {OLDEST} {age} must not be negative")
    } else if oldest_ns <= youngest_ns {
        let youngest = print(youngest_ns);
        format!(
            "{INVALID}: {OLDEST} {age} must be greater than {} {youngest}",
            YOUNGEST.1
        )
    } else {
        return;
    };
    end_at(line, &reason, place);
}

/// Without a word on it, several at once are not one by one.
fn one_by_one(line: &mut Line<'_>, settings: &KubeletSettings) {
    let of_file = || settings.over_k3s_file("serializeImagePulls");
    let is_serial = match line.last("serialize-image-pulls") {
        Some(argument) => boolean(&argument.value) == Some(true),
        None => matches!(of_file(), Some((Document::Bool(true), _))),
    };
    if let Some((count, place)) = number(line, settings, ("", PARALLEL))
        && count > 1
        && is_serial
    {
        let reason = format!(
            "{INVALID}: {PARALLEL} cannot be larger than 1 unless SerializeImagePulls (--serialize-image-pulls) is set to false"
        );
        end_at(line, &reason, place);
    }
}

/// With its gate off it may not be given at all.
fn credentials(line: &mut Line<'_>, settings: &KubeletSettings) {
    let Some(given) = Given::of(line, settings, "", CREDENTIALS) else {
        return;
    };
    let text = given.text();
    if !text.is_empty() && !VERIFICATIONS.contains(&text) {
        let reason = format!(
            "{INVALID}: option {text:?} specified for {CREDENTIALS}. Valid options are {VERIFICATIONS:?}"
        );
        end_at(line, &reason, given.place);
    }
}
