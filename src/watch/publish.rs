//! Status file, metrics and the sentence for systemd: written when something has changed, and not more often than that
//! is of use to anyone.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::host::{Attributes, Durability, FileMode, HostError, OwnPlace, Root};
use crate::report::status::{self, Status};
use crate::report::{metrics, to_json};

use super::metrics_file;

/// Changes within this time are published together.
const TOGETHER: Duration = Duration::from_millis(200);
const LIMIT_BYTES: u64 = 1 << 20;

/// Publishes what the daemon knows.
#[derive(Debug)]
pub struct Publisher {
    /// Like the machine's root, without waiting for the disk: what is published is of no use after a crash.
    root: Root,
    published: Option<Status>,
    /// Where metrics were written, by an earlier run too.
    metrics_file: Option<PathBuf>,
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
            metrics_file: metrics_file::noted(&root),
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
        let moved = self.metrics_file.as_deref() != metrics_file;
        if self.published.as_ref() == Some(&status) && !moved {
            return Ok(());
        }
        let _ = sd_notify::notify(&[NotifyState::Status(&status.sentence)]);
        let written = OwnPlace::runtime(&self.root)
            .and_then(|place| place.create())
            .and_then(|_| self.write(Path::new(status::FILE), &to_json(&status)));
        let metrics_written = self.publish_metrics(&status, metrics_file);
        self.published = Some(status);
        written.and(metrics_written)
    }

    fn publish_metrics(&mut self, status: &Status, path: Option<&Path>) -> Result<(), HostError> {
        let mut removed = Ok(false);
        if self.metrics_file.as_deref() != path {
            if let Some(left) = &self.metrics_file {
                removed = metrics_file::remove(&self.root, left);
            }
            // Before the first is written: what nobody knows of would outlive us.
            metrics_file::note(&self.root, path)?;
            self.metrics_file = path.map(Path::to_path_buf);
        }
        let written = path.map_or(Ok(()), |path| self.write(path, &metrics(status)));
        written.and(removed.map(|_| ()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn status(sentence: &str) -> Status {
        let status = serde_json::json!({
            "format": "", "k3warden_version": "", "pid": 1, "started": 0, "sentence": sentence,
            "last_full_pass": 0, "summary": {
                "compliant": 0, "divergent": 0, "excepted": 0, "not-applicable": 0, "unknown": 0
            },
            "k3s": { "restarts": {} }, "contention": [], "lost_events": 0, "controls": []
        });
        serde_json::from_value(status).unwrap()
    }

    /// A collector would go on reading what nobody writes any more.
    #[test]
    fn metrics_that_are_written_elsewhere_or_nowhere_by_now_are_not_left_behind() {
        let kept = tempfile::tempdir().unwrap();
        let root = Root::open(kept.path()).unwrap();
        let mut publisher = Publisher::new(&root).unwrap();
        let is_there = |name: &str| kept.path().join(name).exists();
        let mut publish = |path: Option<&str>| {
            publisher.publish(status("x"), path.map(Path::new)).unwrap();
        };
        publish(Some("/one.prom"));
        assert!(is_there("one.prom"));
        publish(Some("/two.prom"));
        assert_eq!((is_there("one.prom"), is_there("two.prom")), (false, true));
        std::fs::write(kept.path().join("two.prom"), "somebody's own\n").unwrap();
        publish(None);
        assert!(is_there("two.prom"), "it is not ours any more");
    }

    /// The policy was changed while no daemon ran.
    #[test]
    fn metrics_of_an_earlier_run_are_not_left_behind() {
        let kept = tempfile::tempdir().unwrap();
        let root = Root::open(kept.path()).unwrap();
        let publish = |path: Option<&str>| {
            let mut publisher = Publisher::new(&root).unwrap();
            publisher.publish(status("x"), path.map(Path::new)).unwrap();
        };
        let is_there = |name: &str| kept.path().join(name).exists();
        publish(Some("/one.prom"));
        publish(Some("/two.prom"));
        assert_eq!((is_there("one.prom"), is_there("two.prom")), (false, true));
        publish(None);
        assert!(!is_there("two.prom"));
        assert!(!is_there("var/lib/k3warden/metrics-file.json"));
    }
}
