//! What a file that takes another's place has of it beside content, owner and mode: its label, an operator's own extended
//! attributes and access control list. If they were lost with the old file, nobody could put them back.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr};
use rustix::io;

use crate::host::access_list::ACCESS_LIST;

/// Extended attribute that carries the SELinux label, selinux(8).
pub(super) const SECURITY_LABEL: &str = "security.selinux";
/// Free for everybody's use, xattr(7).
const USER: &str = "user.";

/// XATTR_SIZE_MAX and XATTR_LIST_MAX: a value that is cut off would be a wrong one.
const LONGEST_BYTES: usize = 64 * 1024;

/// Extended attributes of the file that is there.
#[derive(Debug, Default)]
pub(super) struct Carried(Vec<(String, Vec<u8>)>);

impl Carried {
    /// Reads them; none where the file system has none.
    ///
    /// # Errors
    /// When one is there and cannot be read.
    pub(super) fn of(file: &OwnedFd) -> Result<Self, Errno> {
        let mut list = vec![0_u8; LONGEST_BYTES];
        let length = match flistxattr(file, &mut list[..]) {
            Err(io::Errno::NOTSUP) => return Ok(Self::default()),
            length => length.map_err(errno)?,
        };
        list.truncate(length);
        let mut carried = Vec::new();
        for name in list.split(|byte| *byte == 0) {
            let Ok(name) = std::str::from_utf8(name) else {
                continue;
            };
            if name == SECURITY_LABEL || name == ACCESS_LIST || name.starts_with(USER) {
                let mut value = vec![0_u8; LONGEST_BYTES];
                let length = fgetxattr(file, name, &mut value[..]).map_err(errno)?;
                value.truncate(length);
                carried.push((name.to_owned(), value));
            }
        }
        Ok(Self(carried))
    }

    /// Gives a file of ours the access control list. Before its mode is set, which is the list's mask then: who may not
    /// write by the mode may not write by the list.
    pub(super) fn give_access_list(&self, file: &File) -> Result<(), Errno> {
        self.give(file, |name| name == ACCESS_LIST)
    }

    /// Gives a file the rest, which needs the right to write to it.
    pub(super) fn give_rest(&self, file: &File) -> Result<(), Errno> {
        match self.give(file, |name| name == SECURITY_LABEL) {
            // Where SELinux was turned off after the file was labelled, only CAP_SYS_ADMIN may set the label, and our unit lacks it.
            Err(Errno::EPERM | Errno::EOPNOTSUPP) if !selinux_is_on() => {}
            result => result?,
        }
        self.give(file, |name| name.starts_with(USER))
    }

    fn give(&self, file: &File, which: impl Fn(&str) -> bool) -> Result<(), Errno> {
        for (name, value) in self.0.iter().filter(|(name, _)| which(name)) {
            fsetxattr(file, name.as_str(), value, XattrFlags::empty()).map_err(errno)?;
        }
        Ok(())
    }
}

fn errno(error: io::Errno) -> Errno {
    Errno::from_raw(error.raw_os_error())
}

/// Whether this kernel enforces labels, or would: the file is only there then (selinux_getenforcemode(3)).
fn selinux_is_on() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}
