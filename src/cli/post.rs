//! The daemon's post, which one process has at a time: two daemons would repair each other's work and take it for somebody
//! else's.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::exit::CliError;
use crate::host::{HostError, Opening, OwnPlace, Root, Writing};

const FILE: &str = "watch.lock";
/// A process id and a line end.
const HOLDER_LIMIT_BYTES: u64 = 32;

/// The right to be the daemon. It ends with the process, however that ends. The lock for changes is another one: it is
/// held for one change, this one for all the daemon's life.
#[derive(Debug)]
pub(super) struct Post {
    _held: Flock<File>,
}

impl Post {
    /// Takes the post.
    ///
    /// # Errors
    /// When another daemon has it, or the file cannot be used.
    pub(super) fn take(root: &Root) -> Result<Self, CliError> {
        let directory = OwnPlace::runtime(root)?.create()?;
        loop {
            let Some(opened) = directory.open_file(FILE, Writing::Anywhere, Opening::OrCreate)?
            else {
                continue;
            };
            let (identity, path) = (opened.identity(), opened.path().to_path_buf());
            match Flock::lock(opened.into_file(), FlockArg::LockExclusiveNonblock) {
                // Somebody may have removed the file meanwhile; a lock on a nameless file keeps nobody out.
                Ok(held) if directory.identity(FILE)? == Some(identity) => {
                    // A courtesy to those who are refused: a full disk keeps nobody from the post.
                    let _ = held.set_len(0);
                    let _ = held.write_all_at(format!("{}\n", std::process::id()).as_bytes(), 0);
                    return Ok(Self { _held: held });
                }
                Ok(_) | Err((_, Errno::EINTR)) => {}
                Err((file, Errno::EWOULDBLOCK)) => return Err(taken(file).into()),
                Err((_, errno)) => {
                    let operation = "lock";
                    return Err(HostError::System {
                        operation,
                        path,
                        errno,
                    }
                    .into());
                }
            }
        }
    }
}

fn taken(file: File) -> String {
    let mut text = String::new();
    let read = file.take(HOLDER_LIMIT_BYTES).read_to_string(&mut text);
    let pid = read.ok().and_then(|_| text.trim_end().parse::<u32>().ok());
    let who = pid.map_or_else(String::new, |pid| format!(" (pid {pid})"));
    format!(
        "another daemon{who} holds this node already: `systemctl status k3warden` shows the service, and two would take each \
         other's repairs for somebody else's changes"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_refused_by_name_until_the_first_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let first = Post::take(&root).unwrap();
        let said = Post::take(&root).unwrap_err().to_string();
        let pid = std::process::id();
        let expected = format!("another daemon (pid {pid}) holds this node already");
        assert!(said.starts_with(&expected), "{said}");
        drop(first);
        Post::take(&root).unwrap();
    }

    #[test]
    fn a_post_whose_file_was_removed_can_be_taken_anew() {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        let _first = Post::take(&root).unwrap();
        std::fs::remove_file(directory.path().join("run/k3warden/watch.lock")).unwrap();
        let _second = Post::take(&root).unwrap();
        assert!(Post::take(&root).is_err());
    }
}
