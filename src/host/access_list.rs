//! Access control lists (acl(5)): where there is one, the group's bits of the mode are only the most that anybody named in the
//! list may do, and the list says who is.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;
use rustix::fs::fgetxattr;
use rustix::io;

use super::{Attributes, Root};

/// As getxattr(2) gives it.
pub(super) const ACCESS_LIST: &str = "system.posix_acl_access";

/// What the group's bits may hide, and whether it is there.
enum List {
    /// The bits of the mode tell all.
    Absent,
    Entries(Vec<Entry>),
    /// Nobody knows.
    Unread,
}

/// `linux/posix_acl_xattr.h`: tag, permissions, id, behind a version of four bytes.
struct Entry {
    tag: u16,
    writes: bool,
    id: u32,
}

const VERSION: [u8; 4] = 2_u32.to_le_bytes();
const ENTRY_BYTES: usize = 8;
const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
const GROUP: u16 = 0x08;
/// Far more names than anybody lists. XATTR_SIZE_MAX is 64 KiB.
const LONGEST_BYTES: usize = 64 * 1024;

impl Root {
    /// Whether somebody else than root can make, exchange or remove what is in a directory. `attributes` are its owner and
    /// bits, or those that it is taken to have.
    pub(super) fn others_write(&self, directory: impl AsFd, attributes: &Attributes) -> bool {
        let by_mode = !self.only_root_writes(attributes);
        let is_for_the_list =
            attributes.uid == self.superuser().0 && attributes.mode.bits() & 0o022 == 0o020;
        if !is_for_the_list {
            return by_mode;
        }
        let (user, group) = self.superuser();
        let is_other = |entry: &Entry| match entry.tag {
            USER => entry.id != user,
            OWNING_GROUP => attributes.gid != group,
            GROUP => entry.id != group,
            _ => false,
        };
        match read(directory) {
            List::Absent => by_mode,
            List::Entries(entries) => entries.iter().any(|entry| entry.writes && is_other(entry)),
            List::Unread => true,
        }
    }
}

/// A descriptor that only names a directory gives no attributes, so it is opened once more.
fn read(directory: impl AsFd) -> List {
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let opened = match openat(directory, ".", flags, Mode::empty()) {
        Ok(opened) => opened,
        // Whoever may not even read it changes nothing in it; the bits then have to do.
        Err(Errno::EACCES) => return List::Absent,
        Err(_) => return List::Unread,
    };
    let mut value = vec![0_u8; LONGEST_BYTES];
    match fgetxattr(&opened, ACCESS_LIST, &mut value[..]) {
        Ok(length) => parsed(value.get(..length).unwrap_or_default()),
        Err(io::Errno::NODATA | io::Errno::NOTSUP) => List::Absent,
        Err(_) => List::Unread,
    }
}

fn parsed(value: &[u8]) -> List {
    let Some(entries) = value.strip_prefix(&VERSION) else {
        return List::Unread;
    };
    let (entries, rest) = entries.as_chunks::<ENTRY_BYTES>();
    let entry = |&[tag0, tag1, bits, _, a, b, c, d]: &[u8; ENTRY_BYTES]| Entry {
        tag: u16::from_le_bytes([tag0, tag1]),
        writes: bits & 0o2 != 0,
        id: u32::from_le_bytes([a, b, c, d]),
    };
    match rest.is_empty() {
        true => List::Entries(entries.iter().map(entry).collect()),
        false => List::Unread,
    }
}
