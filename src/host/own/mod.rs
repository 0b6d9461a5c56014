//! Files of our own below the root: in directories that only their owner enters, appended to, synced, never through a link.

mod directory;
mod file;
mod place;

use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;
use nix::sys::stat::{FileStat, Mode, fchmod};

pub use directory::{Opening, OwnDirectory, Writing};
pub use file::{FileIdentity, FileState, OwnFile};
pub use place::OwnPlace;

use super::{FileMode, HostError};

/// What outlives a reboot, and what only root may read; also the unit's `StateDirectory=`.
pub const STATE: &str = "/var/lib/k3warden";
/// What is gone with the boot, and what everybody may read; also the unit's `RuntimeDirectory=`.
pub const RUNTIME: &str = "/run/k3warden";

/// Takes away what is granted beyond the limit. Only the owner can; anybody else sees what there is to see.
fn tighten(
    opened: impl AsFd,
    stat: &FileStat,
    limit: FileMode,
    path: &Path,
) -> Result<(), HostError> {
    let mode = FileMode::new(stat.st_mode);
    if mode.within(limit) || stat.st_uid != nix::unistd::geteuid().as_raw() {
        return Ok(());
    }
    let tight = Mode::from_bits_truncate(mode.intersection(limit).bits());
    match fchmod(opened, tight) {
        Err(errno) if errno != Errno::EROFS => {
            Err(HostError::system("change the mode of", path, errno))
        }
        _ => Ok(()),
    }
}
