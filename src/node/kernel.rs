//! What the kernel tells that decides whether a kubelet starts.

use std::collections::BTreeMap;
use std::path::Path;

use crate::host::{Host, SysctlKey};
use crate::k3s::component::{CgroupVersion, Facts, KERNEL_PARAMETERS};

/// Cgroup hierarchy and live kernel values; everything is unknown where the machine is not running.
#[must_use]
pub fn facts(host: &Host) -> Facts {
    let Some(live) = &host.live else {
        return Facts::default();
    };
    let kernel: BTreeMap<String, Option<i64>> = KERNEL_PARAMETERS
        .iter()
        .filter_map(|(name, _)| {
            let key = SysctlKey::parse(name).ok()?;
            let value = live.read(&key).ok().flatten();
            Some((
                (*name).to_owned(),
                value.and_then(|value| value.trim().parse().ok()),
            ))
        })
        .collect();
    // The unified hierarchy has this file at its top (cgroups(7)); a hybrid one is v1 to the kubelet.
    let unified = host
        .root
        .kind(Path::new("/sys/fs/cgroup/cgroup.controllers"));
    let cgroup = match unified {
        Ok(Some(_)) => Some(CgroupVersion::V2),
        Ok(None) => Some(CgroupVersion::V1),
        Err(_) => None,
    };
    Facts { cgroup, kernel }
}
