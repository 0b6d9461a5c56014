//! The files of sysctl.d, in the order in which systemd reads them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;

use crate::host::{HostError, Kind, Root};

/// Where systemd looks, the first directory that has a name wins it (sysctl.d(5)). `/lib` counts on machines where it
/// is not `/usr/lib`; where it is, every name there has been seen already.
pub const DIRECTORIES: [&str; 5] = [
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
];

/// systemd has no limit; a larger file is a mistake that we would rather report than hold in memory.
const FILE_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// As many links as the kernel follows.
const LINK_LIMIT: usize = 40;

/// A file name of sysctl.d and what it stands for.
#[derive(Debug, Clone)]
pub(super) struct DropIn {
    /// The path that wins the name, as seen inside the root.
    pub path: PathBuf,
    /// What is in it; `None` for a mask, which only hides files of the same name in later directories.
    pub content: Option<Vec<u8>>,
}

/// Every `*.conf` by its name, in reading order.
pub(super) fn read_all(root: &Root) -> Result<BTreeMap<OsString, DropIn>, HostError> {
    let mut found: BTreeMap<OsString, DropIn> = BTreeMap::new();
    for directory in DIRECTORIES.map(Path::new) {
        let names = match root.names(directory) {
            Ok(names) => names.unwrap_or_default(),
            // Links in a circle: systemd finds nothing there either.
            Err(error) if is_circle(&error) => Vec::new(),
            Err(error) => return Err(error),
        };
        for name in names {
            let listed = name.as_bytes().ends_with(b".conf") && !name.as_bytes().starts_with(b".");
            if listed && !found.contains_key(&name) {
                let path = directory.join(&name);
                let content = read_one(root, &path)?;
                found.insert(name, DropIn { path, content });
            }
        }
    }
    Ok(found)
}

/// The content of a file as systemd reads it; `None` if it is a mask.
///
/// A link to `/dev/null` and an empty file are masks by intention (sysctl.d(5)). A dangling link and a directory have
/// the same effect: the name is taken before the file is opened (systemd `src/basic/conf-files.c`, `files_add`).
pub(super) fn read_one(root: &Root, path: &Path) -> Result<Option<Vec<u8>>, HostError> {
    if leads_to_null(root, path)? {
        return Ok(None);
    }
    match root.kind(path) {
        Ok(None | Some(Kind::Directory)) => return Ok(None),
        Err(error) if is_circle(&error) => return Ok(None),
        Ok(Some(_)) => {}
        Err(error) => return Err(error),
    }
    let content = root.read(path, FILE_LIMIT_BYTES)?;
    Ok(content.filter(|bytes| !bytes.is_empty()))
}

/// Whether a path is a link that ends at `/dev/null`. In an image there may be no device to look at.
fn leads_to_null(root: &Root, path: &Path) -> Result<bool, HostError> {
    let mut at = path.to_path_buf();
    for _ in 0..LINK_LIMIT {
        let Some(entry) = root.look(&at)? else { break };
        if entry.kind != Kind::Link {
            break;
        }
        let Some(target) = root.read_link(&at)? else {
            break;
        };
        at = resolved(at.parent().unwrap_or(Path::new("/")), &target);
        if at == Path::new("/dev/null") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where a link's target leads, by its text.
fn resolved(directory: &Path, target: &Path) -> PathBuf {
    let mut path = PathBuf::from("/");
    for component in directory.join(target).components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}

const fn is_circle(error: &HostError) -> bool {
    matches!(
        error,
        HostError::System {
            errno: Errno::ELOOP,
            ..
        }
    )
}
