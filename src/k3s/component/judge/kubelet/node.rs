//! What the kubelet tells of its node, and how it runs there (kubernetes `pkg/kubelet/apis/config/validation`).

use super::numbers::number;
use super::{Given, INVALID, KubeletSettings, Line, end_at};
use crate::k3s::go_value::boolean;

/// Read in the sources of 1.24.4, 1.31.4 and 1.36.3.
const SINCE_MINOR: u16 = 24;

pub(super) fn judge(line: &mut Line<'_>, settings: &KubeletSettings) {
    if line.minor() >= SINCE_MINOR {
        lease(line, settings);
        images_told(line, settings);
        cgroup_of_system(line, settings);
    }
    // 1.31.4 does not refuse it; of the releases between, nobody looked.
    if line.minor() == 36 {
        runs_once(line, settings);
    }
}

/// The kubelet fills in for a zero.
fn lease(line: &mut Line<'_>, settings: &KubeletSettings) {
    if let Some((seconds, place)) = number(line, settings, ("", "nodeLeaseDurationSeconds"))
        && seconds < 0
    {
        let reason = format!("{INVALID}: nodeLeaseDurationSeconds must be greater than 0");
        end_at(line, &reason, place);
    }
}

fn images_told(line: &mut Line<'_>, settings: &KubeletSettings) {
    let names = ("node-status-max-images", "nodeStatusMaxImages");
    if let Some((count, place)) = number(line, settings, names)
        && count < -1
    {
        let reason = format!(
            "{INVALID}: nodeStatusMaxImages (--node-status-max-images) {count} must be -1 or greater"
        );
        end_at(line, &reason, place);
    }
}

fn cgroup_of_system(line: &mut Line<'_>, settings: &KubeletSettings) {
    let given = |flag: &str, field: &str| {
        Given::of(line, settings, flag, field).filter(|given| !given.text().is_empty())
    };
    let root = given("cgroup-root", "cgroupRoot");
    let system = given("system-cgroups", "systemCgroups");
    if let (Some(system), None) = (system, root) {
        let reason = format!(
            "{INVALID}: systemCgroups (--system-cgroups) was specified and cgroupRoot (--cgroup-root) was not specified"
        );
        end_at(line, &reason, system.place);
    }
}

fn runs_once(line: &mut Line<'_>, settings: &KubeletSettings) {
    if let Some(given) = Given::of(line, settings, "runonce", "runOnce")
        && boolean(given.text()) == Some(true)
    {
        let reason = format!(
            "{INVALID}: runOnce (--runOnce) true, Runonce mode has been deprecated and should not be set"
        );
        end_at(line, &reason, given.place);
    }
}
