//! Unit files of ours that a command has changed.

use super::session::Session;
use crate::host::Thing;
use crate::host::systemd::{ServiceManager, Systemd};
use crate::reconcile::{sandbox, unit_override};

impl Session {
    /// Has systemd read its units again if a unit file of ours is among these things; where none runs the files alone say
    /// what a unit is. True if one is: the node has to be looked at again.
    pub(super) fn read_units_again<'t>(
        &self,
        changed: impl IntoIterator<Item = &'t Thing>,
    ) -> bool {
        if !changed.into_iter().any(is_unit_file) {
            return false;
        }
        if !self.node.surroundings.has_systemd() {
            return true;
        }
        let answer = Systemd::of_machine().map(|systemd| systemd.reload_units());
        let error = match answer {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        eprintln!("k3warden: run `systemctl daemon-reload`; it could not be done here: {error}");
        true
    }
}

fn is_unit_file(thing: &Thing) -> bool {
    let is_command = matches!(thing, Thing::Path(path) if unit_override::is_ours(path));
    is_command || sandbox::is_drop_in(thing)
}
