//! The root directory as a capability: every path is resolved below it.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{SFlag, fstat};

use super::{HostError, Refusal};

/// What kind of thing a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A FIFO, socket or device.
    Special,
}

/// A directory that is the machine: `/`, an image or a test tree.
#[derive(Debug)]
pub struct Root {
    descriptor: OwnedFd,
    directory: PathBuf,
}

impl Root {
    /// Opens a directory as the root of a machine.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn open(directory: &Path) -> Result<Self, HostError> {
        let descriptor = nix::fcntl::open(
            directory,
            OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC,
            nix::sys::stat::Mode::empty(),
        )
        .map_err(|errno| system("open", directory, errno))?;
        Ok(Self {
            descriptor,
            directory: directory.to_path_buf(),
        })
    }

    /// Whether this is the running machine itself.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.directory == Path::new("/")
    }

    /// Reads a whole regular file, following links inside the root; `None` if there is none.
    ///
    /// # Errors
    /// When it is no regular file, larger than the limit, or cannot be read.
    pub fn read(&self, path: &Path, limit_bytes: u64) -> Result<Option<Vec<u8>>, HostError> {
        let Some(descriptor) = self.open_existing(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?
        else {
            return Ok(None);
        };
        let stat = fstat(&descriptor).map_err(|errno| system("inspect", path, errno))?;
        let kind = SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits());
        if kind != SFlag::S_IFREG {
            let found = if kind == SFlag::S_IFDIR {
                "directory"
            } else {
                "special file"
            };
            return Err(refused(
                path,
                Refusal::Kind {
                    found,
                    expected: "file",
                },
            ));
        }
        let mut content = Vec::new();
        let mut file = File::from(descriptor).take(limit_bytes + 1);
        file.read_to_end(&mut content)
            .map_err(|error| system("read", path, errno_of(&error)))?;
        if content.len() as u64 > limit_bytes {
            return Err(refused(path, Refusal::TooLarge { limit_bytes }));
        }
        Ok(Some(content))
    }

    /// Names in a directory, byte-sorted; `None` if there is no such directory.
    ///
    /// # Errors
    /// When it is no directory or cannot be read.
    pub fn names(&self, path: &Path) -> Result<Option<Vec<OsString>>, HostError> {
        use std::os::unix::ffi::OsStrExt;
        let Some(descriptor) = self.open_existing(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?
        else {
            return Ok(None);
        };
        let mut directory =
            nix::dir::Dir::from_fd(descriptor).map_err(|errno| system("list", path, errno))?;
        let mut names = Vec::new();
        for entry in directory.iter() {
            let entry = entry.map_err(|errno| system("list", path, errno))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(std::ffi::OsStr::from_bytes(name).to_os_string());
            }
        }
        names.sort();
        Ok(Some(names))
    }

    /// What a path names, following links inside the root; `None` if nothing.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn kind(&self, path: &Path) -> Result<Option<Kind>, HostError> {
        let Some(descriptor) = self.open_existing(path, OFlag::O_PATH)? else {
            return Ok(None);
        };
        let stat = fstat(&descriptor).map_err(|errno| system("inspect", path, errno))?;
        Ok(Some(kind_of_mode(stat.st_mode)))
    }

    /// What a name itself is, a link not followed at the end; `None` if there is no such name.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn kind_of_name(&self, path: &Path) -> Result<Option<Kind>, HostError> {
        let Some(descriptor) = self.open_existing(path, OFlag::O_PATH | OFlag::O_NOFOLLOW)? else {
            return Ok(None);
        };
        let stat = fstat(&descriptor).map_err(|errno| system("inspect", path, errno))?;
        Ok(Some(kind_of_mode(stat.st_mode)))
    }

    /// Where a symbolic link points, as written in it; `None` if the name is none.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn link_target(&self, path: &Path) -> Result<Option<PathBuf>, HostError> {
        if self.kind_of_name(path)? != Some(Kind::Link) {
            return Ok(None);
        }
        let Some(descriptor) = self.open_existing(path, OFlag::O_PATH | OFlag::O_NOFOLLOW)? else {
            return Ok(None);
        };
        // An empty name reads the link that the descriptor itself stands for.
        nix::fcntl::readlinkat(&descriptor, "")
            .map(|target| Some(target.into()))
            .map_err(|errno| system("read link", path, errno))
    }

    fn open_existing(&self, path: &Path, flags: OFlag) -> Result<Option<OwnedFd>, HostError> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() {
            Path::new(".")
        } else {
            relative
        };
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        match openat2(&self.descriptor, relative, how) {
            Ok(descriptor) => Ok(Some(descriptor)),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
            Err(errno) => Err(system("open", path, errno)),
        }
    }
}

fn kind_of_mode(mode: nix::libc::mode_t) -> Kind {
    match SFlag::from_bits_truncate(mode & SFlag::S_IFMT.bits()) {
        SFlag::S_IFREG => Kind::File,
        SFlag::S_IFDIR => Kind::Directory,
        SFlag::S_IFLNK => Kind::Link,
        _ => Kind::Special,
    }
}

fn system(operation: &'static str, path: &Path, errno: Errno) -> HostError {
    HostError::System {
        operation,
        path: path.to_path_buf(),
        errno,
    }
}

fn refused(path: &Path, reason: Refusal) -> HostError {
    HostError::Refused {
        path: path.to_path_buf(),
        reason,
    }
}

fn errno_of(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO))
}
