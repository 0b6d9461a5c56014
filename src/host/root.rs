//! The root directory as a capability: every path is resolved below it.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, readlinkat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat};

use super::look::Look;
use super::resolve::Located;
use super::{Attributes, Entry, Found, HostError, Kind, Refusal, Space};

/// The largest file that is ever read whole. K3s's own configuration is a few KiB.
pub const READ_LIMIT_BYTES: u64 = 1024 * 1024;

/// Whether writes reach the disk before they count as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Files and directories are synced.
    #[default]
    Synced,
    /// The page cache is good enough: image builds that sync once at the end, measurements.
    PageCache,
}

/// A directory that is the machine: `/`, an image or a test tree.
///
/// Paths are given as they are seen inside the root and never lead out of it, whatever links say.
/// A clone is the same root: it shares the descriptor.
#[derive(Debug, Clone)]
pub struct Root {
    pub(super) descriptor: Arc<OwnedFd>,
    directory: PathBuf,
    /// Who counts as root here, user and group: 0 on the machine itself, the owner of the top directory in a tree, so that an
    /// image unpacked by a build user and a test tree are judged by the same rules.
    superuser: (u32, u32),
    pub(super) sealed: Option<PathBuf>,
    /// Openat2 is not there: an older kernel, or a filter; learnt at the first attempt.
    pub(super) without_openat2: Arc<AtomicBool>,
    pub(super) durability: Durability,
    /// Pretends that the file system has no O_TMPFILE, as NFS, vfat and 9p have none. Tests only.
    pub(super) without_unnamed_files: bool,
    /// Directories that were looked at already, where this root is for one look alone.
    pub(super) look: Option<Arc<Look>>,
    /// What every file system has. Tests only.
    pub(super) pretended_space: Option<Space>,
}

impl Root {
    /// Opens a directory as the root of a machine.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn open(directory: &Path) -> Result<Self, HostError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let descriptor = nix::fcntl::open(directory, flags, Mode::empty())
            .map_err(|errno| HostError::system("open", directory, errno))?;
        let top =
            fstat(&descriptor).map_err(|errno| HostError::system("inspect", directory, errno))?;
        let directory = directory
            .canonicalize()
            .unwrap_or_else(|_| directory.to_path_buf());
        let live = directory == Path::new("/");
        Ok(Self {
            descriptor: Arc::new(descriptor),
            directory,
            superuser: if live {
                (0, 0)
            } else {
                (top.st_uid, top.st_gid)
            },
            sealed: None,
            without_openat2: Arc::new(AtomicBool::new(false)),
            durability: Durability::Synced,
            without_unnamed_files: false,
            look: None,
            pretended_space: None,
        })
    }

    /// Below this directory (the K3s data dir) no link is followed when something is changed.
    #[must_use]
    pub fn sealed_below(mut self, directory: &Path) -> Self {
        self.sealed = Some(directory.to_path_buf());
        self
    }

    pub(super) fn with_look(&self, look: Option<Look>) -> Self {
        Self {
            look: look.map(Arc::new),
            ..self.clone()
        }
    }

    /// Chooses whether writes are synced.
    #[must_use]
    pub const fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Resolves paths component by component, as on a kernel without openat2.
    #[must_use]
    pub fn without_openat2(self) -> Self {
        self.without_openat2.store(true, Ordering::Relaxed);
        self
    }

    /// Whether this is `/` and not a directory given by the operator.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.directory == Path::new("/")
    }

    /// The directory outside, for messages about the root itself.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// User and group that count as root below this directory.
    #[must_use]
    pub const fn superuser(&self) -> (u32, u32) {
        self.superuser
    }

    /// Reads a whole regular file, following links inside the root; `None` if there is none.
    ///
    /// # Errors
    /// When it is no regular file, larger than the limit, or cannot be read.
    pub fn read(&self, path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, HostError> {
        let read = self.read_with_attributes(path, limit_bytes)?;
        Ok(read.map(|(content, _)| content))
    }

    /// Like [`Root::read`], with owner and bits of the very file that was read, so that nobody can exchange it between
    /// the look and the reading.
    ///
    /// # Errors
    /// When it is no regular file, larger than the limit, or cannot be read.
    pub fn read_with_attributes(
        &self,
        path: &Path,
        limit_bytes: u64,
    ) -> Result<Option<(Vec<u8>, Attributes)>, HostError> {
        // O_NONBLOCK: opening a FIFO must not wait for a writer.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK;
        match self.open_following(path, flags) {
            Ok(Some(descriptor)) => read_regular(descriptor, path, limit_bytes).map(Some),
            Ok(None) => Ok(None),
            Err(error) => Err(self.explain_unopened(path, error)),
        }
    }

    /// A socket, and a device without a driver, cannot be opened at all (ENXIO); what they are says more.
    fn explain_unopened(&self, path: &Path, error: HostError) -> HostError {
        let unopened = matches!(
            &error,
            HostError::System {
                errno: Errno::ENXIO,
                ..
            }
        );
        match self.kind(path) {
            Ok(Some(found)) if unopened && found != Kind::File => HostError::refused(
                path,
                Refusal::Kind {
                    found: found.name(),
                    expected: Kind::File.name(),
                },
            ),
            _ => error,
        }
    }

    /// Reads a whole regular file that is no link; `None` if nothing is there.
    ///
    /// # Errors
    /// When it is no regular file, larger than the limit, or cannot be read.
    pub fn read_here(&self, path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, HostError> {
        let Some(located) = self.locate(path)? else {
            return Ok(None);
        };
        match located.open(OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
            Ok(descriptor) => {
                read_regular(descriptor, path, limit_bytes).map(|(content, _)| Some(content))
            }
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(HostError::system("open", path, errno)),
        }
    }

    /// A descriptor that names a directory and what it is, links to it followed inside the root; `None` if there is no
    /// such directory. It can be watched, not read.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn directory_descriptor(&self, path: &Path) -> Result<Option<(OwnedFd, Entry)>, HostError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
        let Some(descriptor) = self.open_following(path, flags)? else {
            return Ok(None);
        };
        let stat = fstat(&descriptor).map_err(|errno| HostError::system("inspect", path, errno))?;
        let entry = Entry::new(&stat);
        Ok((entry.kind == Kind::Directory).then_some((descriptor, entry)))
    }

    /// Where a directory really is, all links on the way followed inside the root; `None` if there is no such directory.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn real_directory(&self, path: &Path) -> Result<Option<PathBuf>, HostError> {
        let Some((descriptor, _)) = self.directory_descriptor(path)? else {
            return Ok(None);
        };
        // The kernel's own name for an open directory, proc_pid_fd(5).
        let name = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
        let real = std::fs::read_link(name).map_err(|error| HostError::io("find", path, &error))?;
        let inside = real.strip_prefix(&self.directory).ok();
        Ok(inside.map(|inside| Path::new("/").join(inside)))
    }

    /// What kind of thing a path names, following links inside the root; `None` if nothing.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn kind(&self, path: &Path) -> Result<Option<Kind>, HostError> {
        Ok(self.look_through(path)?.map(|entry| entry.kind))
    }

    /// What a name itself is, found as K3s finds it, a link not followed at the end; `None` if there is no such name.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn kind_of_name(&self, path: &Path) -> Result<Option<Kind>, HostError> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let Some(descriptor) = self.open_following(path, flags)? else {
            return Ok(None);
        };
        let stat = fstat(&descriptor).map_err(|errno| HostError::system("inspect", path, errno))?;
        Ok(Some(Entry::new(&stat).kind))
    }

    /// Where a symbolic link points, found as systemd finds it; `None` if the name is none.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn link_target(&self, path: &Path) -> Result<Option<PathBuf>, HostError> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let Some(descriptor) = self.open_following(path, flags)? else {
            return Ok(None);
        };
        // An empty name reads the link that the descriptor itself stands for; EINVAL and ENOENT: it is none.
        match readlinkat(&descriptor, "") {
            Ok(target) => Ok(Some(target.into())),
            Err(Errno::EINVAL | Errno::ENOENT) => Ok(None),
            Err(errno) => Err(HostError::system("read link", path, errno)),
        }
    }

    /// What a path names, following links inside the root; `None` if nothing.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn look_through(&self, path: &Path) -> Result<Option<Entry>, HostError> {
        let Some(descriptor) = self.open_following(path, OFlag::O_PATH)? else {
            return Ok(None);
        };
        let stat = fstat(&descriptor).map_err(|errno| HostError::system("inspect", path, errno))?;
        Ok(Some(Entry::new(&stat)))
    }

    /// What stands at a path itself: a link is a link; `None` if nothing.
    ///
    /// # Errors
    /// When it cannot be looked at, or a link on the way may not be followed.
    pub fn look(&self, path: &Path) -> Result<Option<Entry>, HostError> {
        let Some(located) = self.locate(path)? else {
            return Ok(None);
        };
        Ok(located.stat(path)?.map(|stat| Entry::new(&stat)))
    }

    /// The same, with who else could exchange it: one way there for both answers.
    ///
    /// # Errors
    /// As [`Root::look`] and [`Root::writable_parent`].
    pub fn find(&self, path: &Path) -> Result<Option<Found>, HostError> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            let exchangeable_in = self.writable_parent(path)?;
            let entry = self.look(path)?;
            return Ok(entry.map(|entry| Found {
                entry,
                exchangeable_in,
            }));
        };
        let way = match &self.look {
            Some(look) => look.way_into(directory, || self.way_to(path))?,
            None => self.way_to(path)?,
        };
        let Some(parent) = way.parent else {
            return Ok(None);
        };
        let name = name.to_os_string();
        let stat = Located { parent, name }.stat(path)?;
        Ok(stat.map(|stat| Found {
            entry: Entry::new(&stat),
            exchangeable_in: way.writable,
        }))
    }

    /// Where a link points; `None` if nothing is there.
    ///
    /// # Errors
    /// When it is no link or cannot be read.
    pub fn read_link(&self, path: &Path) -> Result<Option<PathBuf>, HostError> {
        let Some(located) = self.locate(path)? else {
            return Ok(None);
        };
        match readlinkat(&located.parent, located.name.as_os_str()) {
            Ok(target) => Ok(Some(PathBuf::from(target))),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(HostError::system("read link", path, errno)),
        }
    }

    /// Whether nobody but root can make, exchange or remove what is in a directory with this owner and these bits.
    #[must_use]
    pub fn only_root_writes(&self, attributes: &Attributes) -> bool {
        let mode = attributes.mode.bits();
        let group_is_root = attributes.gid == self.superuser.1;
        attributes.uid == self.superuser.0
            && mode & 0o002 == 0
            && (mode & 0o020 == 0 || group_is_root)
    }
}

fn read_regular(
    descriptor: OwnedFd,
    path: &Path,
    limit_bytes: u64,
) -> Result<(Vec<u8>, Attributes), HostError> {
    let stat = fstat(&descriptor).map_err(|errno| HostError::system("inspect", path, errno))?;
    let entry = Entry::new(&stat);
    if entry.kind != Kind::File {
        let reason = Refusal::Kind {
            found: entry.kind.name(),
            expected: Kind::File.name(),
        };
        return Err(HostError::refused(path, reason));
    }
    let mut content =
        Vec::with_capacity(usize::try_from(entry.size_bytes.min(limit_bytes)).unwrap_or(0));
    File::from(descriptor)
        .take(limit_bytes.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|error| HostError::io("read", path, &error))?;
    if content.len() as u64 > limit_bytes {
        return Err(HostError::refused(path, Refusal::TooLarge { limit_bytes }));
    }
    Ok((content, entry.attributes))
}

impl Located {
    pub(super) fn open(&self, flags: OFlag) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        nix::fcntl::openat(&self.parent, self.name.as_os_str(), flags, Mode::empty())
    }

    pub(super) fn stat(&self, path: &Path) -> Result<Option<FileStat>, HostError> {
        match fstatat(
            self.parent.as_fd(),
            self.name.as_os_str(),
            AtFlags::AT_SYMLINK_NOFOLLOW,
        ) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(HostError::system("inspect", path, errno)),
        }
    }
}
