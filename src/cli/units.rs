//! Unit files of ours that a command has changed.

use std::path::Path;

use super::session::Session;
use crate::host::Thing;
use crate::host::systemd::{ServiceManager, Systemd};
use crate::reconcile::sandbox;

impl Session {
    /// Has systemd read its units again if a unit file of ours is among these things; nothing where none runs.
    pub(super) fn read_units_again<'t>(&self, changed: impl IntoIterator<Item = &'t Thing>) {
        let here = self.node.surroundings.is_machine() && Path::new("/run/systemd/system").exists();
        if !here || !changed.into_iter().any(sandbox::is_drop_in) {
            return;
        }
        let answer = Systemd::of_machine().map(|systemd| systemd.reload_units());
        let error = match answer {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        eprintln!("k3warden: run `systemctl daemon-reload`; it could not be done here: {error}");
    }
}
