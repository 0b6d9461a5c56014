//! Removing a file or an empty directory.

use std::path::Path;

use nix::unistd::{UnlinkatFlags, unlinkat};

use super::{HostError, Kind, Root, Touches};

impl Root {
    /// Removes a file; nothing there is as good.
    ///
    /// # Errors
    /// As for [`Root::replace`].
    pub fn remove_file(&self, path: &Path) -> Result<(), HostError> {
        self.remove(path, Kind::File, "remove", UnlinkatFlags::NoRemoveDir)
    }

    /// Removes an empty directory; nothing there is as good.
    ///
    /// # Errors
    /// When it is not empty, no directory, or the kernel refuses.
    pub fn remove_directory(&self, path: &Path) -> Result<(), HostError> {
        let how = UnlinkatFlags::RemoveDir;
        self.remove(path, Kind::Directory, "remove directory", how)
    }

    fn remove(
        &self,
        path: &Path,
        kind: Kind,
        action: &'static str,
        how: UnlinkatFlags,
    ) -> Result<(), HostError> {
        let Some(located) = self.located_for_removal(path)? else {
            return Ok(());
        };
        if self.changeable(&located, path, kind)?.is_none() {
            return Ok(());
        }
        unlinkat(&located.parent, located.name.as_os_str(), how)
            .map_err(|errno| HostError::system(action, path, errno))
            .map_err(|error| self.explain_denial(path, Touches::Name, error))?;
        self.sync_directory(&located.parent, path)
    }
}
