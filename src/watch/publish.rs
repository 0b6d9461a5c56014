//! Status file, metrics and the sentence for systemd: written when something has changed, and not more often than that
//! is of use to anyone.

use std::path::Path;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::host::{Attributes, Durability, FileMode, HostError, OwnPlace, Root};
use crate::report::status::{self, Status};
use crate::report::{metrics, to_json};

/// Changes within this time are published together.
const TOGETHER: Duration = Duration::from_millis(200);
const LIMIT_BYTES: u64 = 1 << 20;

/// Publishes what the daemon knows.
#[derive(Debug)]
pub struct Publisher {
    /// Like the machine's root, without waiting for the disk: what is published is of no use after a crash.
    root: Root,
    published: Option<Status>,
    due: Option<Instant>,
}

impl Publisher {
    /// For a root.
    ///
    /// # Errors
    /// When the root cannot be opened again.
    pub fn new(root: &Root) -> Result<Self, HostError> {
        let root = Root::open(root.directory())?.with_durability(Durability::PageCache);
        Ok(Self {
            root,
            published: None,
            due: None,
        })
    }

    /// What an earlier run of the daemon has published since the boot.
    #[must_use]
    pub fn earlier(&self) -> Option<Status> {
        let text = self
            .root
            .read_here(Path::new(status::FILE), LIMIT_BYTES)
            .ok()??;
        serde_json::from_slice(&text).ok()
    }

    /// Something has changed.
    pub fn wake(&mut self, now: Instant) {
        self.due.get_or_insert(now + TOGETHER);
    }

    /// When to publish.
    #[must_use]
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Publishes, if it is not what is published already.
    ///
    /// # Errors
    /// When a file cannot be written. The other one is written all the same.
    pub fn publish(
        &mut self,
        status: Status,
        metrics_file: Option<&Path>,
    ) -> Result<(), HostError> {
        self.due = None;
        if self.published.as_ref() == Some(&status) {
            return Ok(());
        }
        let _ = sd_notify::notify(&[NotifyState::Status(&status.sentence)]);
        let written = OwnPlace::runtime(&self.root)
            .and_then(|place| place.create())
            .and_then(|_| self.write(Path::new(status::FILE), &to_json(&status)));
        let metrics_written =
            metrics_file.map_or(Ok(()), |path| self.write(path, &metrics(&status)));
        self.published = Some(status);
        written.and(metrics_written)
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), HostError> {
        let (uid, gid) = self.root.superuser();
        let attributes = Attributes {
            mode: FileMode::new(0o644),
            uid,
            gid,
        };
        self.root.replace(path, text.as_bytes(), &attributes)
    }
}
