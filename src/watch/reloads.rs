//! Unit files of ours that systemd has not read: it is told to, also after the run that wrote them has died.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::agent::Agent;
use super::starts::AGAIN;
use crate::host::systemd::{ServiceError, UnitName, UnitStatus};
use crate::host::{Root, Thing};
use crate::reconcile::restart::gate::Brake;
use crate::reconcile::{sandbox, unit_override};

/// Where our drop-ins for units are.
const DROP_INS: &str = "/etc/systemd/system";

/// A file and its modification time.
pub type Dated = (PathBuf, (i64, i64));

impl Agent<'_> {
    /// What our own unit is: asked once, at the start.
    pub(super) fn on_own_unit_shown(
        &mut self,
        status: Result<UnitStatus, ServiceError>,
        now: Instant,
    ) {
        let Ok(status) = status else {
            self.keeper.own_unit = Some(now + AGAIN);
            return;
        };
        let is_ours = |path: &Path| sandbox::is_drop_in(&Thing::Path(path.to_path_buf()));
        if self.reload_if_ours_is_unread(sandbox::DAEMON, &status, &is_ours, now) {
            // This run was started with the old unit too.
            self.rebuild_once_read(now);
        }
    }

    /// What K3s's unit is.
    pub(super) fn on_k3s_unit_unread(
        &mut self,
        unit: &UnitName,
        status: &UnitStatus,
        now: Instant,
    ) {
        self.reload_if_ours_is_unread(unit.as_str(), status, &unit_override::is_ours, now);
    }

    /// What K3s's unit is where systemd sees no change of a file and has another command loaded all the same: something older is back
    /// in the place of a drop-in of ours, such as after a mount over it.
    pub(super) fn on_k3s_unit_loaded_otherwise(&mut self, unit: &UnitName, now: Instant) {
        let node = &self.ground.node;
        let is_otherwise = node
            .unit
            .as_ref()
            .is_some_and(|unit| unit.on_disk().is_some());
        if !is_otherwise {
            self.keeper.reloaded_for.remove(unit.as_str());
        } else if self.brake() == Brake::Free {
            let ours = drop_ins(
                &self.ground.host.root,
                unit.as_str(),
                &unit_override::is_ours,
            );
            if !ours.is_empty() {
                self.reload_once_for(unit.as_str(), ours, now);
            }
        }
    }

    /// Once for each state of what is ours: systemd may have its own view of a file for ever.
    fn reload_once_for(&mut self, unit: &str, ours: Vec<Dated>, now: Instant) -> bool {
        if self.keeper.reloaded_for.get(unit) == Some(&ours) {
            return false;
        }
        self.keeper.reloaded_for.insert(unit.to_owned(), ours);
        self.keeper.reload_units_at(now);
        true
    }

    /// What an operator has changed in a unit he has systemd read himself; ours is read now. Once for each state of it: a
    /// file that is dated in the future is unread for ever.
    fn reload_if_ours_is_unread(
        &mut self,
        unit: &str,
        status: &UnitStatus,
        is_ours: &dyn Fn(&Path) -> bool,
        now: Instant,
    ) -> bool {
        if !status.need_daemon_reload || self.brake() != Brake::Free {
            return false;
        }
        let ours = drop_ins(&self.ground.host.root, unit, is_ours);
        if !is_unread(&self.ground.host.root, status, &ours, is_ours) {
            return false;
        }
        self.reload_once_for(unit, ours, now)
    }
}

/// Our drop-ins of a unit as they are on disk.
fn drop_ins(root: &Root, unit: &str, is_ours: &dyn Fn(&Path) -> bool) -> Vec<Dated> {
    let directory = Path::new(DROP_INS).join(format!("{unit}.d"));
    let names = root.names(&directory).ok().flatten().unwrap_or_default();
    let paths = names.into_iter().map(|name| directory.join(name));
    paths
        .filter(|path| is_ours(path))
        .filter_map(|path| {
            let modified = root.look(&path).ok()??.modified;
            Some((path, modified))
        })
        .collect()
}

/// Whether what systemd has not read yet is ours: a drop-in of ours came or went since, or is the newest of the unit's
/// files (systemd compares the times of their last changes, `unit_need_daemon_reload`).
fn is_unread(
    root: &Root,
    status: &UnitStatus,
    ours: &[Dated],
    is_ours: &dyn Fn(&Path) -> bool,
) -> bool {
    let loaded = status.drop_ins.iter().filter(|path| is_ours(path));
    let is_there = |path: &&PathBuf| ours.iter().any(|(there, _)| there == *path);
    if loaded.clone().count() != ours.len() || !loaded.clone().all(|path| is_there(&path)) {
        return true;
    }
    let others = status.fragment.iter().chain(&status.drop_ins);
    let others = others.filter(|path| !is_ours(path));
    let modified = |path: &PathBuf| Some(root.look(path).ok()??.modified);
    let newest = ours.iter().map(|(_, modified)| *modified).max();
    newest.is_some_and(|newest| others.filter_map(modified).all(|other| other <= newest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::systemd::testing::status;

    const OURS: &str = "/etc/systemd/system/k3s.service.d/zz-k3warden.conf";
    const OPERATORS: &str = "/etc/systemd/system/k3s.service.d/10-x.conf";

    #[test]
    fn only_what_is_ours_and_unread_is_a_reason() {
        for (name, on_disk, loaded, expected) in [
            ("ours came", &[OURS][..], &[][..], true),
            ("ours went", &[], &[OURS], true),
            (
                "ours is the newest",
                &[OPERATORS, OURS],
                &[OPERATORS, OURS],
                true,
            ),
            (
                "an operator's is newer",
                &[OURS, OPERATORS],
                &[OURS, OPERATORS],
                false,
            ),
            ("an operator's came", &[OPERATORS], &[], false),
            ("none is ours", &[], &[], false),
        ] {
            let kept = tempfile::tempdir().unwrap();
            let root = Root::open(kept.path()).unwrap();
            // The oldest first.
            for (path, seconds) in on_disk.iter().zip(1_000..) {
                let path = kept.path().join(path.trim_start_matches('/'));
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
                std::fs::File::create(&path)
                    .unwrap()
                    .set_modified(time)
                    .unwrap();
            }
            let status = UnitStatus {
                drop_ins: loaded.iter().map(PathBuf::from).collect(),
                ..status("")
            };
            let ours = drop_ins(&root, "k3s.service", &unit_override::is_ours);
            let found = is_unread(&root, &status, &ours, &unit_override::is_ours);
            assert_eq!(found, expected, "{name}");
        }
    }
}
