//! What stands in the way of a change, found before it is tried: the immutable attribute, a read-only mount, a directory
//! that others write.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use rustix::fs::{AtFlags, StatVfsMountFlags, StatxAttributes, StatxFlags, fstatvfs, statx};

use super::{HostError, Refusal, Root};

/// What a change touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touches {
    /// Owner and bits of what stands there.
    Attributes,
    /// The name: it is made, removed, or stands for another file afterwards.
    Name,
}

/// What the kernel says of one file or directory.
struct Marks {
    attributes: StatxAttributes,
    read_only: bool,
}

impl Root {
    /// Why the kernel, or we, would refuse a change at a path; `None` where nothing is known to stand in the way. Where
    /// nothing stands at the path, the nearest directory above is asked, since that is where something would be made.
    ///
    /// # Errors
    /// When something on the way cannot be looked at.
    pub fn obstacle(&self, path: &Path, touches: Touches) -> Result<Option<Refusal>, HostError> {
        if let Some(directory) = self.writable_parent(path)? {
            return Ok(Some(Refusal::WritableParent { directory }));
        }
        let here = self.marks(path)?;
        if let Some(refusal) = here.as_ref().and_then(|marks| self.refusal(path, marks)) {
            return Ok(Some(refusal));
        }
        if here.is_some() && touches == Touches::Attributes {
            return Ok(None);
        }
        for above in path.ancestors().skip(1) {
            let Some(mut marks) = self.marks(above)? else {
                continue;
            };
            // Names can be made in a directory that is only appended to, and files of ours are never in one by design.
            marks.attributes.remove(StatxAttributes::APPEND);
            return Ok(self.refusal(above, &marks));
        }
        Ok(None)
    }

    fn refusal(&self, path: &Path, marks: &Marks) -> Option<Refusal> {
        let owned = || path.to_path_buf();
        if marks.read_only {
            let mount = self.mount_of(path);
            Some(Refusal::ReadOnlyMount { mount })
        } else if marks.attributes.contains(StatxAttributes::IMMUTABLE) {
            Some(Refusal::Immutable { path: owned() })
        } else if marks.attributes.contains(StatxAttributes::APPEND) {
            Some(Refusal::AppendOnly { path: owned() })
        } else {
            None
        }
    }

    /// Attributes and mount of what a name stands for itself; `None` if nothing.
    fn marks(&self, path: &Path) -> Result<Option<Marks>, HostError> {
        let Some(located) = self.locate(path)? else {
            return Ok(None);
        };
        let failed = |errno| HostError::system("inspect", path, errno);
        let descriptor = match located.open(OFlag::O_PATH) {
            Ok(descriptor) => descriptor,
            Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        let errno = |errno: rustix::io::Errno| failed(Errno::from_raw(errno.raw_os_error()));
        let mount = fstatvfs(&descriptor).map_err(errno)?;
        // A kernel without statx (before 4.11) says nothing of attributes; the change then tells.
        let attributes = statx(&descriptor, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE)
            .map_or(StatxAttributes::empty(), |answer| answer.stx_attributes);
        Ok(Some(Marks {
            attributes,
            read_only: mount.f_flag.contains(StatVfsMountFlags::RDONLY),
        }))
    }

    /// Where the mount begins on which a path is.
    pub(super) fn mount_of(&self, path: &Path) -> PathBuf {
        let begins = |path: &&Path| {
            let marks = self.marks(path).ok().flatten();
            marks.is_some_and(|marks| marks.attributes.contains(StatxAttributes::MOUNT_ROOT))
        };
        let mount = path.ancestors().find(begins);
        mount.unwrap_or(Path::new("/")).to_path_buf()
    }
}
