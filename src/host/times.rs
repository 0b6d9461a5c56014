//! The modification time of a directory: when a name was last added to it or removed from it.

use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::fstat;
use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT, futimens};

use super::{Entry, HostError, Kind, Root, Touches};

impl Root {
    /// Gives a directory a time of its last change, in seconds and nanoseconds since 1970; `None`: now.
    ///
    /// # Errors
    /// When no directory is there, when others write in one on the way, or when the kernel refuses.
    // The integer types of the time differ between 32 and 64 bit machines.
    #[allow(clippy::useless_conversion)]
    pub fn set_modified(&self, path: &Path, time: Option<(i64, i64)>) -> Result<(), HostError> {
        let failed = |errno| HostError::system("set the time of", path, errno);
        let located = self.located_for_change(path)?;
        let entry = self.changeable(&located, path, Kind::Directory)?;
        let entry = entry.ok_or_else(|| failed(Errno::ENOENT))?;
        let descriptor = located
            .open(OFlag::O_RDONLY | OFlag::O_DIRECTORY)
            .map_err(failed)?;
        let opened = Entry::new(&fstat(&descriptor).map_err(failed)?);
        if opened.identity != entry.identity {
            return Err(failed(Errno::EAGAIN));
        }
        let of = |seconds, nanoseconds| Timespec {
            tv_sec: seconds,
            tv_nsec: nanoseconds,
        };
        let last_modification = match time {
            None => of(0, UTIME_NOW),
            Some((seconds, nanoseconds)) => {
                let nanoseconds = nanoseconds.try_into().map_err(|_| failed(Errno::EINVAL))?;
                of(seconds, nanoseconds)
            }
        };
        let times = Timestamps {
            last_access: of(0, UTIME_OMIT),
            last_modification,
        };
        futimens(&descriptor, &times)
            .map_err(|errno| failed(Errno::from_raw(errno.raw_os_error())))
            .map_err(|error| self.explain_denial(path, Touches::Attributes, error))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    #[test]
    fn a_directory_gets_its_time_back_to_the_nanosecond_and_a_link_is_left_alone() {
        let tree = tempfile::tempdir().unwrap();
        let root = Root::open(tree.path()).unwrap();
        let directory = tree.path().join("d");
        std::fs::create_dir(&directory).unwrap();
        symlink("d", tree.path().join("link")).unwrap();
        let times = || {
            let metadata = std::fs::metadata(&directory).unwrap();
            (metadata.mtime(), metadata.mtime_nsec())
        };
        let began = times();
        root.set_modified(Path::new("/d"), Some((1_000_000_000, 123_456_789)))
            .unwrap();
        assert_eq!(times(), (1_000_000_000, 123_456_789));
        root.set_modified(Path::new("/link"), None).unwrap_err();
        root.set_modified(Path::new("/nothing"), None).unwrap_err();
        assert_eq!(times(), (1_000_000_000, 123_456_789));
        root.set_modified(Path::new("/d"), None).unwrap();
        assert!(times() >= began);
    }
}
