//! Whether the audit logs that our lines allow fit on their disk.
//!
//! The apiserver keeps `audit-log-maxbackup` old files beside the one that it writes, each of up to `audit-log-maxsize`
//! MiB. Where that leaves less free room than the kubelet's eviction threshold, the node would evict its pods for the
//! sake of the logs, weeks after it was hardened.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::catalogue::ControlId;
use crate::host::Root;
use crate::k3s::component::{Component, Eviction, InForce, integer};
use crate::k3s::{Effective, K3sVersion};
use crate::setting::configuration::Line;

use super::super::Pass;

const MIB: u64 = 1 << 20;
/// The apiserver's size of a file where none is given, or 0 up to 1.35.
const DEFAULT_SIZE_MIB: u64 = 100;
/// From here on a size of 0 means that the file grows for ever; before, the library that rotates it takes 0 for its default.
const ZERO_IS_ENDLESS: K3sVersion = K3sVersion::new(36, 0);

/// The most that audit logs can come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Most {
    /// There is no log.
    Nothing,
    Bytes(u64),
    Endless,
}

/// Why the audit logs would be too large with these lines; `None` if they fit, if nobody can tell (an image), or if
/// they could come to as much without these lines.
pub(super) fn refuses(
    pass: &Pass<'_>,
    lines: &BTreeMap<Line, ControlId>,
    base: &Effective,
    after: &Effective,
) -> Option<String> {
    let directory = log_path(after)?.parent()?.to_path_buf();
    let root = &pass.host.root;
    let space = root.space(&directory).ok().flatten()?;
    let used_bytes = used(root, &log_path(after)?);
    // Lines of ours that K3s has written logs with stay: without them the logs that matter then would end.
    let standing = match pass.effective() {
        Ok(present) if used_bytes > 0 => most(present),
        _ => Most::Nothing,
    };
    let most = most(after);
    if most <= standing.max(self::most(base)) {
        return None;
    }
    let eviction = after
        .start
        .kubelet
        .as_ref()
        .map_or_else(Eviction::default, |kubelet| kubelet.eviction);
    let threshold_bytes = eviction.bytes_of(space.total_bytes);
    let room_bytes = space
        .available_bytes
        .saturating_add(used_bytes)
        .saturating_sub(threshold_bytes);
    let could = match most {
        Most::Bytes(bytes) if bytes <= room_bytes => return None,
        Most::Bytes(bytes) => format!("to {} MiB", bytes.div_ceil(MIB)),
        Most::Endless => "without end".to_owned(),
        Most::Nothing => return None,
    };
    Some(format!(
        "the audit logs in {} could grow {could}; {} MiB are free there, and below {} MiB the kubelet evicts pods; {}",
        directory.display(),
        space.available_bytes / MIB,
        threshold_bytes / MIB,
        way_out(room_bytes, lines)
    ))
}

/// Smaller values that fit, and the exceptions that they need.
fn way_out(room_bytes: u64, lines: &BTreeMap<Line, ControlId>) -> String {
    const GUIDE_BACKUPS: u64 = 10;
    let room_mib = room_bytes / MIB;
    let (backups, size_mib) = match room_mib / (GUIDE_BACKUPS + 1) {
        0 => (room_mib.saturating_sub(1), 1),
        size_mib => (GUIDE_BACKUPS, size_mib),
    };
    if backups == 0 {
        return "no audit log fits there: give it another disk with audit-log-path".to_owned();
    }
    let control = |wanted: &str| {
        lines.iter().find_map(|(line, control)| match line {
            Line::Argument {
                component: Component::Apiserver,
                flag,
                ..
            } if flag == wanted => Some(control.as_str()),
            _ => None,
        })
    };
    let size = control("audit-log-maxsize").filter(|_| size_mib < DEFAULT_SIZE_MIB);
    let number = control("audit-log-maxbackup").filter(|_| backups < GUIDE_BACKUPS);
    let exceptions: Vec<&str> = size.into_iter().chain(number).collect();
    let fits = format!(
        "what fits: audit-log-maxbackup={backups} and audit-log-maxsize={size_mib} in kube-apiserver-arg of a file of your own"
    );
    match exceptions.is_empty() {
        true => fits,
        false => format!("{fits}, and an exception for {}", exceptions.join(" and ")),
    }
}

fn most(effective: &Effective) -> Most {
    if log_path(effective).is_none() {
        return Most::Nothing;
    }
    let number = |flag| value(effective, flag).and_then(|text| u64::try_from(integer(&text)?).ok());
    let size_mib = match number("audit-log-maxsize") {
        Some(0) if effective.version >= ZERO_IS_ENDLESS => return Most::Endless,
        None | Some(0) => DEFAULT_SIZE_MIB,
        Some(size_mib) => size_mib,
    };
    match number("audit-log-maxbackup") {
        None | Some(0) => Most::Endless,
        Some(backups) => Most::Bytes(
            backups
                .saturating_add(1)
                .saturating_mul(size_mib)
                .saturating_mul(MIB),
        ),
    }
}

/// The file that the audit log is written to; `None` where there is none, or it goes to standard output.
fn log_path(effective: &Effective) -> Option<PathBuf> {
    let path = value(effective, "audit-log-path")?;
    (!path.is_empty() && path != "-").then(|| effective.named_file(&path))
}

fn value(effective: &Effective, flag: &str) -> Option<String> {
    match effective
        .start
        .in_force(Component::Apiserver, flag, effective.version)
    {
        InForce::One { value, .. } => Some(value),
        _ => None,
    }
}

/// What the log and its old files take now: `audit.log`, `audit-2026-01-02T03-04-05.678.log`.
fn used(root: &Root, log: &Path) -> u64 {
    let (Some(directory), Some(stem)) = (log.parent(), log.file_stem()) else {
        return 0;
    };
    let stem = stem.to_string_lossy();
    let names = root.names(directory).ok().flatten().unwrap_or_default();
    let of_the_log = names
        .iter()
        .filter(|name| name.to_string_lossy().starts_with(&*stem));
    of_the_log
        .filter_map(|name| root.look(&directory.join(name)).ok().flatten())
        .map(|entry| entry.size_bytes)
        .sum()
}
