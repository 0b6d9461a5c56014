//! What can go wrong on a machine, always with the operation and the path.

use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::Kind;

/// A failed operation on the host. Reads as one sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// The kernel refused the operation.
    #[error("cannot {operation} {}: {}", path.display(), errno.desc())]
    System {
        /// What was tried, as a verb: `read`, `replace`, `create directory`.
        operation: &'static str,
        /// The path as seen inside the root.
        path: PathBuf,
        /// The kernel's answer.
        errno: Errno,
    },
    /// We refused, because what is there is not what it should be.
    #[error("{} is left untouched: {reason}", path.display())]
    Refused {
        /// The path as seen inside the root.
        path: PathBuf,
        /// Why.
        reason: Refusal,
    },
    /// The kernel took a write of a parameter and says something else afterwards.
    #[error("{} was set to {wanted:?} but the kernel says {observed:?}", path.display())]
    NotTaken {
        /// The parameter's path.
        path: PathBuf,
        /// The value that was written.
        wanted: String,
        /// The value that was read back.
        observed: String,
    },
}

/// Why a thing on the host is left untouched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A symbolic link stands where a file or directory is expected.
    #[error("it is a symbolic link to {}", target.display())]
    SymbolicLink {
        /// Where the link points.
        target: PathBuf,
    },
    /// The file has more names than one; changing it would change the others too.
    #[error("it has {count} hard links")]
    HardLinks {
        /// Number of names.
        count: u64,
    },
    /// Something else than expected stands there: a FIFO, a device, a socket, a directory.
    #[error("it is a {found} where a {expected} is expected")]
    Kind {
        /// What is there.
        found: &'static str,
        /// What should be.
        expected: &'static str,
    },
    /// The file is larger than anything we would write or read there.
    #[error("it is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit_bytes: u64,
    },
    /// Somebody else than root can exchange the file under our hands.
    #[error("{} is writable by others than root", directory.display())]
    WritableParent {
        /// The directory as seen inside the root.
        directory: PathBuf,
    },
    /// The mount is read-only.
    #[error("it is on a read-only mount, {}", mount.display())]
    ReadOnlyMount {
        /// Where the mount begins, as seen inside the root.
        mount: PathBuf,
    },
    /// The file, or the directory that holds it, has the immutable attribute.
    #[error("{0} is immutable; `chattr -i {0}` would let it be changed", path.display())]
    Immutable {
        /// What has the attribute, as seen inside the root.
        path: PathBuf,
    },
    /// The file can only be appended to.
    #[error("{0} can only be appended to; `chattr -a {0}` would let it be changed", path.display())]
    AppendOnly {
        /// What has the attribute, as seen inside the root.
        path: PathBuf,
    },
    /// A kernel parameter in a container.
    #[error("the kernel belongs to the machine around this container: set it there")]
    OtherKernel,
    /// A kernel parameter of a namespace that is another one here than the host's.
    #[error(
        "each {namespace} namespace has its own, and this service is in another one than the host; `k3warden check` on \
         the command line sees the host's"
    )]
    OtherNamespace {
        /// `network` or `host name`.
        namespace: &'static str,
    },
}

impl HostError {
    /// The kernel's answer to an operation on a path.
    #[must_use]
    pub fn system(operation: &'static str, path: &Path, errno: Errno) -> Self {
        Self::System {
            operation,
            path: path.to_path_buf(),
            errno,
        }
    }

    /// The same from a standard library error.
    #[must_use]
    pub fn io(operation: &'static str, path: &Path, error: &std::io::Error) -> Self {
        let errno = match (error.raw_os_error(), error.kind()) {
            (Some(raw), _) => Errno::from_raw(raw),
            // A short write has no errno of its own.
            (None, std::io::ErrorKind::WriteZero) => Errno::ENOSPC,
            (None, _) => Errno::EIO,
        };
        Self::system(operation, path, errno)
    }

    /// A refusal to touch a path.
    #[must_use]
    pub fn refused(path: &Path, reason: Refusal) -> Self {
        Self::Refused {
            path: path.to_path_buf(),
            reason,
        }
    }

    /// Whether a directory stands where a file is expected.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                reason: Refusal::Kind { found, .. },
                ..
            } if *found == Kind::Directory.name()
        )
    }

    /// Whether it is a lack of privilege rather than of anything on the machine.
    #[must_use]
    pub const fn is_permission_denied(&self) -> bool {
        matches!(
            self,
            Self::System {
                errno: Errno::EACCES | Errno::EPERM,
                ..
            }
        )
    }

    /// The sentence for somebody who looks, with what they can do where privilege is missing.
    #[must_use]
    pub fn with_mend(&self) -> String {
        match self.is_permission_denied() {
            true => format!("{self} (run as root to see it)"),
            false => self.to_string(),
        }
    }
}
