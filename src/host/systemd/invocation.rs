//! The links `/run/systemd/units/invocation:UNIT`, by which systemd tells everybody the current run of a unit (they are
//! how journald finds it). Reading one costs no process; inotify on their directory sees a start.

use std::path::Path;

use super::{InvocationId, UnitName};
use crate::host::{HostError, Root};

/// The directory of the links.
pub const INVOCATIONS: &str = "/run/systemd/units";

/// The name of a unit's link in [`INVOCATIONS`].
#[must_use]
pub fn link_name(unit: &UnitName) -> String {
    format!("invocation:{unit}")
}

/// The current run of a unit; `None` while it does not run, or systemd does not say it.
///
/// # Errors
/// When the link is there and cannot be read.
pub fn invocation(root: &Root, unit: &UnitName) -> Result<Option<InvocationId>, HostError> {
    let target = root.read_link(&Path::new(INVOCATIONS).join(link_name(unit)))?;
    let text = target.as_deref().and_then(Path::to_str);
    Ok(text.and_then(|text| text.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_names_the_run() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let unit: UnitName = "k3s.service".parse().unwrap();
        assert_eq!(invocation(&root, &unit).unwrap(), None);
        let links = directory.path().join("run/systemd/units");
        std::fs::create_dir_all(&links).unwrap();
        let link = links.join("invocation:k3s.service");
        let id = "0123456789abcdef0123456789abcdef";
        std::os::unix::fs::symlink(id, &link).unwrap();
        assert_eq!(invocation(&root, &unit).unwrap().unwrap().as_str(), id);
        std::fs::remove_file(&link).unwrap();
        std::os::unix::fs::symlink("/etc/shadow", &link).unwrap();
        assert_eq!(invocation(&root, &unit).unwrap(), None);
    }
}
