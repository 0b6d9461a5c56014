//! One change at a time, whoever makes it: the daemon, the command line or K3s's door.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::host::{FileIdentity, HostError, Opening, OwnDirectory, OwnPlace, Root, Writing};

/// Between two attempts. A change takes some milliseconds.
const PAUSE: Duration = Duration::from_millis(10);

/// The lock file names its holder in one short line.
const HOLDER_LIMIT_BYTES: u64 = 4096;

/// The right to change the machine and to write the ledger. Ends when dropped, also when the process is killed.
/// It is held for one change, never for a wait.
#[derive(Debug)]
pub struct Lock {
    /// `None` where nobody can change anything.
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    file: Flock<File>,
    identity: FileIdentity,
    directory: OwnDirectory,
}

/// Who holds the lock, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Process id, as its own pid namespace counts.
    pub pid: u32,
    /// The command, as in `k3warden watch`.
    pub command: String,
    /// Since when.
    pub held_for: Duration,
}

/// Why the lock was not given.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LockError {
    /// Another process is changing something, and did not end within the time limit.
    #[error("another change is under way: the lock is held by {}; waited {} s", describe(.holder.as_ref()), waited.as_secs())]
    Held {
        /// Who, if it has said so.
        holder: Option<Holder>,
        /// How long we waited.
        waited: Duration,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    Host(#[from] HostError),
}

impl Lock {
    /// Waits for the lock: `/run/k3warden/lock` on a live root, else `/var/lib/k3warden/lock` below the directory
    /// (an image's `/run` is no place for state). `who` is the command that others will read.
    ///
    /// On a directory that is mounted read-only nobody can change anything, so no lock is needed to look.
    ///
    /// # Errors
    /// When the timeout passes, or the lock file cannot be created.
    pub fn acquire(root: &Root, timeout: Duration, who: &str) -> Result<Self, LockError> {
        let place = if root.is_live() {
            OwnPlace::runtime(root)
        } else {
            OwnPlace::state(root)
        }?;
        let acquired = place
            .create()
            .map_err(LockError::from)
            .and_then(|directory| Self::acquire_in(directory, timeout, who));
        match acquired {
            Err(LockError::Host(HostError::System {
                errno: Errno::EROFS,
                ..
            })) if !root.is_live() => Ok(Self { held: None }),
            other => other,
        }
    }

    /// Lets others have their turn between two changes, and takes the lock again. The same as dropping and acquiring
    /// it, without opening every directory on the way anew.
    ///
    /// # Errors
    /// When somebody who took the turn does not end within the timeout.
    pub fn between_changes(mut self, timeout: Duration, who: &str) -> Result<Self, LockError> {
        let Some(held) = self.held.take() else {
            return Ok(self);
        };
        let Held {
            file,
            identity,
            directory,
        } = held;
        // A file that cannot be unlocked is closed, which unlocks it too.
        if let Ok(file) = file.unlock()
            && let Ok(file) = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            && directory.identity("lock")? == Some(identity)
        {
            // Over our own line, which is never longer: only the time in it grows.
            let _ = file.write_all_at(line(who).as_bytes(), 0);
            let held = Some(Held {
                file,
                identity,
                directory,
            });
            return Ok(Self { held });
        }
        Self::acquire_in(directory, timeout, who)
    }

    fn acquire_in(
        directory: OwnDirectory,
        timeout: Duration,
        who: &str,
    ) -> Result<Self, LockError> {
        let start = Instant::now();
        loop {
            let Some(opened) = directory.open_file("lock", Writing::Anywhere, Opening::OrCreate)?
            else {
                continue;
            };
            let identity = opened.identity();
            let path = opened.path().to_path_buf();
            let file = match Flock::lock(opened.into_file(), FlockArg::LockExclusiveNonblock) {
                // Somebody may have removed the file while we waited; a lock on a nameless file excludes nobody.
                Ok(held) if directory.identity("lock")? == Some(identity) => {
                    return Ok(Self::taken(held, identity, directory, who));
                }
                Ok(_) => continue,
                Err((file, Errno::EWOULDBLOCK | Errno::EINTR)) => file,
                Err((_, errno)) => {
                    return Err(LockError::Host(HostError::System {
                        operation: "lock",
                        path,
                        errno,
                    }));
                }
            };
            let waited = start.elapsed();
            if waited >= timeout {
                let holder = read_holder(&file);
                return Err(LockError::Held { holder, waited });
            }
            std::thread::sleep(PAUSE.min(timeout.saturating_sub(waited)));
        }
    }

    /// The name is a courtesy to those who wait: a full disk must not stop us here.
    fn taken(
        file: Flock<File>,
        identity: FileIdentity,
        directory: OwnDirectory,
        who: &str,
    ) -> Self {
        let _ = file.set_len(0);
        let _ = file.write_all_at(line(who).as_bytes(), 0);
        let held = Some(Held {
            file,
            identity,
            directory,
        });
        Self { held }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            let _ = held.file.set_len(0);
        }
    }
}

fn line(who: &str) -> String {
    format!("{} {} {who}\n", std::process::id(), now_millis())
}

fn read_holder(mut file: &File) -> Option<Holder> {
    let mut text = String::new();
    Read::by_ref(&mut file)
        .take(HOLDER_LIMIT_BYTES)
        .read_to_string(&mut text)
        .ok()?;
    let mut words = text.trim_end().splitn(3, ' ');
    let pid = words.next()?.parse().ok()?;
    let since: u64 = words.next()?.parse().ok()?;
    Some(Holder {
        pid,
        command: words.next()?.to_owned(),
        held_for: Duration::from_millis(now_millis().saturating_sub(since)),
    })
}

/// The monotonic clock is the same for all processes of one boot, and a holder is always of this boot.
fn now_millis() -> u64 {
    let clock = nix::time::ClockId::CLOCK_MONOTONIC;
    nix::time::clock_gettime(clock)
        .map(|now| Duration::from(now).as_millis())
        .ok()
        .and_then(|millis| u64::try_from(millis).ok())
        .unwrap_or(0)
}

fn describe(holder: Option<&Holder>) -> String {
    match holder {
        Some(holder) => format!(
            "`{}` (pid {}) for {} s",
            holder.command,
            holder.pid,
            holder.held_for.as_secs()
        ),
        None => "a process that has not said its name".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    const SHORT: Duration = Duration::from_millis(30);

    fn root() -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        let root = Root::open(directory.path()).unwrap();
        (directory, root)
    }

    #[test]
    fn second_taker_is_told_who_holds_it_and_since_when() {
        let (_directory, root) = root();
        let _held = Lock::acquire(&root, SHORT, "k3warden watch").unwrap();
        let error = Lock::acquire(&root, SHORT, "k3warden apply").unwrap_err();
        let LockError::Held { holder, waited } = &error else {
            panic!("{error}")
        };
        let holder = holder.as_ref().unwrap();
        assert_eq!(holder.command, "k3warden watch");
        assert_eq!(holder.pid, std::process::id());
        assert!(holder.held_for >= SHORT && *waited >= SHORT);
        let text = error.to_string();
        let (pid, seconds) = (std::process::id(), holder.held_for.as_secs());
        let said = format!("held by `k3warden watch` (pid {pid}) for {seconds} s");
        assert!(text.contains(&said), "{text}");
    }

    #[test]
    fn waiting_ends_when_the_holder_lets_go() {
        let (_directory, root) = root();
        let held = Lock::acquire(&root, SHORT, "first").unwrap();
        let waiter = std::thread::spawn(move || {
            Lock::acquire(&root, Duration::from_secs(20), "second").map(|_| ())
        });
        std::thread::sleep(SHORT);
        drop(held);
        waiter.join().unwrap().unwrap();
    }

    #[test]
    fn lock_of_an_image_is_private_and_in_its_state_directory() {
        let (directory, root) = root();
        let _held = Lock::acquire(&root, SHORT, "first").unwrap();
        let place = directory.path().join("var/lib/k3warden");
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode(&place), 0o700);
        assert_eq!(mode(&place.join("lock")), 0o600);
        assert!(!directory.path().join("run").exists());
    }

    #[test]
    fn removed_lock_file_does_not_let_a_stale_lock_count() {
        let (directory, root) = root();
        let old = Lock::acquire(&root, SHORT, "old").unwrap();
        std::fs::remove_file(directory.path().join("var/lib/k3warden/lock")).unwrap();
        let _new = Lock::acquire(&root, SHORT, "new").unwrap();
        drop(old);
        assert!(matches!(
            Lock::acquire(&root, SHORT, "third").unwrap_err(),
            LockError::Held { .. }
        ));
    }

    #[test]
    fn link_in_place_of_the_lock_is_refused() {
        let (directory, root) = root();
        let place = directory.path().join("var/lib/k3warden");
        std::fs::create_dir_all(&place).unwrap();
        let victim = directory.path().join("victim");
        std::fs::write(&victim, "stays").unwrap();
        std::os::unix::fs::symlink(&victim, place.join("lock")).unwrap();
        assert!(matches!(
            Lock::acquire(&root, SHORT, "x").unwrap_err(),
            LockError::Host(HostError::Refused { .. })
        ));
        assert_eq!(std::fs::read_to_string(victim).unwrap(), "stays");
    }
}
