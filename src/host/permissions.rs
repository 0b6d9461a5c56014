//! Owner and permission bits of what stands there, changed on the descriptor.

use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fchmod, fstat};
use nix::unistd::{Gid, Uid, fchown};

use super::located::Located;
use super::{Attributes, Entry, FileMode, HostError, Kind, Root, Step, Touches};

impl Root {
    /// Gives a file or directory this owner and these bits. Content and its time are not touched: K3s refuses to
    /// start when files below `server/tls` look newer than its datastore.
    ///
    /// # Errors
    /// When nothing is there, when it is a link or of another kind, or when the kernel refuses.
    pub fn set_attributes(
        &self,
        path: &Path,
        kind: Kind,
        attributes: &Attributes,
    ) -> Result<(), HostError> {
        let located = self.located_for_change(path)?;
        let absent = || HostError::system("change", path, Errno::ENOENT);
        let entry = self.changeable(&located, path, kind)?.ok_or_else(absent)?;
        self.change_entry(&located, path, &entry, attributes)
    }

    /// The same, if owner and bits are still these.
    ///
    /// # Errors
    /// As [`Root::set_attributes`].
    pub fn exchange_attributes(
        &self,
        path: &Path,
        from: &Attributes,
        to: &Attributes,
    ) -> Result<Step, HostError> {
        let Some(located) = self.located_for_removal(path)? else {
            return Ok(Step::Overtaken);
        };
        let Some(entry) = located.look(path)? else {
            return Ok(Step::Overtaken);
        };
        let kind = match entry.kind {
            Kind::Directory => Kind::Directory,
            _ => Kind::File,
        };
        if let Some(reason) = self.hazard(&entry, path, kind)? {
            return Err(HostError::refused(path, reason));
        }
        if entry.attributes == *to {
            return Ok(Step::AlreadyThere);
        }
        if entry.attributes != *from {
            return Ok(Step::Overtaken);
        }
        self.change_entry(&located, path, &entry, to)?;
        Ok(Step::Made)
    }

    fn change_entry(
        &self,
        located: &Located,
        path: &Path,
        entry: &Entry,
        attributes: &Attributes,
    ) -> Result<(), HostError> {
        let descriptor = located
            .open(OFlag::O_RDONLY | OFlag::O_NONBLOCK)
            .map_err(|errno| HostError::system("open", path, errno))?;
        if Entry::of(&descriptor, path)?.identity != entry.identity {
            return Err(HostError::system("change", path, Errno::EAGAIN));
        }
        change(&descriptor, &entry.attributes, attributes)
            .map_err(|errno| HostError::system("change", path, errno))
            .map_err(|error| self.explain_denial(path, Touches::Attributes, error))
    }

    /// Creates a directory with this owner and these bits. Its parent must exist.
    ///
    /// # Errors
    /// When something is there already or the kernel refuses.
    pub fn create_directory(&self, path: &Path, attributes: &Attributes) -> Result<(), HostError> {
        let located = self.located_for_change(path)?;
        let failed = |errno| {
            let error = HostError::system("create directory", path, errno);
            self.explain_denial(path, Touches::Name, error)
        };
        // Where it is born to another owner than it shall have, it is born with no bits for others: the window before
        // chown and chmod shows nothing. Else it is born as it shall be, so that being killed here leaves nothing half.
        let ours = attributes.uid == nix::unistd::geteuid().as_raw();
        let birth = if ours {
            Mode::from_bits_truncate(attributes.mode.bits())
        } else {
            Mode::S_IRWXU
        };
        nix::sys::stat::mkdirat(&located.parent, located.name.as_os_str(), birth)
            .map_err(failed)?;
        let descriptor = located
            .open(OFlag::O_RDONLY | OFlag::O_DIRECTORY)
            .map_err(failed)?;
        // The umask, and a parent with the set-group-ID bit, have their say at the birth.
        let born = Entry::new(&fstat(&descriptor).map_err(failed)?).attributes;
        change(&descriptor, &born, attributes).map_err(failed)?;
        self.sync_directory(&located.parent, path)
    }
}

/// Changes owner and bits without a moment in which someone has more than before and after: first what both grant,
/// then the owner, then the final bits (systemd-tmpfiles does the same).
fn change(descriptor: &OwnedFd, old: &Attributes, new: &Attributes) -> Result<(), Errno> {
    let mode = |mode: FileMode| Mode::from_bits_truncate(mode.bits());
    let same_owner = old.uid == new.uid && old.gid == new.gid;
    if same_owner {
        return if old.mode == new.mode {
            Ok(())
        } else {
            fchmod(descriptor, mode(new.mode))
        };
    }
    let narrow = old.mode.intersection(new.mode);
    if narrow != old.mode {
        fchmod(descriptor, mode(narrow))?;
    }
    let (uid, gid) = (Uid::from_raw(new.uid), Gid::from_raw(new.gid));
    if let Err(errno) = fchown(descriptor, Some(uid), Some(gid)) {
        // Back to what it was. If this fails too it stays narrower than before, never wider.
        let _ = fchmod(descriptor, mode(old.mode));
        return Err(errno);
    }
    fchmod(descriptor, mode(new.mode))
}

#[cfg(test)]
mod tests;
