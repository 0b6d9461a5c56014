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
    /// All of that was written.
    is_written: bool,
    /// Where metrics of ours may lie, an earlier run's too.
    metrics_places: Vec<PathBuf>,
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
            metrics_places: metrics_file::noted(&root),
            root,
            published: None,
            is_written: false,
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

    /// Whether the published sentence has these words.
    #[must_use]
    pub fn has_said(&self, words: &str) -> bool {
        let published = self.published.as_ref();
        published.is_some_and(|status| status.sentence.contains(words))
    }

    /// When to publish.
    #[must_use]
    pub const fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Publishes, if it is not what is published already. What could not be written is written with the next occasion.
    ///
    /// # Errors
    /// When a file cannot be written. The other one is written all the same.
    pub fn publish(
        &mut self,
        status: Status,
        metrics_file: Option<&Path>,
    ) -> Result<(), HostError> {
        self.due = None;
        let moved = !self.metrics_places.iter().eq(metrics_file);
        if self.published.as_ref() == Some(&status) && self.is_written && !moved {
            return Ok(());
        }
        let _ = sd_notify::notify(&[NotifyState::Status(&status.sentence)]);
        let written = OwnPlace::runtime(&self.root)
            .and_then(|place| place.create())
            .and_then(|_| self.write(Path::new(status::FILE), &to_json(&status)));
        let metrics_written = self.publish_metrics(&status, metrics_file);
        self.published = Some(status);
        let all = written.and(metrics_written);
        self.is_written = all.is_ok();
        all
    }

    fn publish_metrics(&mut self, status: &Status, path: Option<&Path>) -> Result<(), HostError> {
        let tidied = metrics_file::keep_only(&self.root, &mut self.metrics_places, path);
        let written = path.map_or(Ok(()), |path| self.write(path, &metrics(status)));
        written.and(tidied)
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

    /// A machine with metrics, seen by runs of the daemon.
    struct Machine(tempfile::TempDir, Root);

    impl Machine {
        fn new() -> Self {
            let kept = tempfile::tempdir().unwrap();
            let root = Root::open(kept.path()).unwrap();
            Self(kept, root)
        }

        fn daemon(&self) -> Publisher {
            Publisher::new(&self.1).unwrap()
        }

        fn is_there(&self, name: &str) -> bool {
            self.0.path().join(name).exists()
        }

        fn withdrawn(&self) -> Vec<PathBuf> {
            let all = metrics_file::withdraw(&self.1).into_iter();
            all.map(Result::unwrap).collect()
        }
    }

    fn publish(daemon: &mut Publisher, path: Option<&str>) -> Result<(), HostError> {
        daemon.publish(status("x"), path.map(Path::new))
    }

    /// A collector would go on reading what nobody writes any more.
    #[test]
    fn metrics_that_are_written_elsewhere_or_nowhere_by_now_are_not_left_behind() {
        let machine = Machine::new();
        let mut daemon = machine.daemon();
        publish(&mut daemon, Some("/one.prom")).unwrap();
        assert!(machine.is_there("one.prom"));
        publish(&mut daemon, Some("/two.prom")).unwrap();
        assert!(!machine.is_there("one.prom") && machine.is_there("two.prom"));
        std::fs::write(machine.0.path().join("two.prom"), "somebody's own\n").unwrap();
        publish(&mut daemon, None).unwrap();
        assert!(machine.is_there("two.prom"), "it is not ours any more");
    }

    /// The policy was changed while no daemon ran.
    #[test]
    fn metrics_of_an_earlier_run_are_not_left_behind() {
        let machine = Machine::new();
        publish(&mut machine.daemon(), Some("/one.prom")).unwrap();
        publish(&mut machine.daemon(), Some("/two.prom")).unwrap();
        assert!(!machine.is_there("one.prom") && machine.is_there("two.prom"));
        publish(&mut machine.daemon(), None).unwrap();
        assert!(!machine.is_there("two.prom"));
        assert!(!machine.is_there("var/lib/k3warden/metrics-file.json"));
    }

    /// As in a sandbox that was built for the new place.
    #[test]
    fn metrics_that_cannot_be_removed_yet_are_not_forgotten() {
        let machine = Machine::new();
        let directory = machine.0.path().join("old");
        std::fs::create_dir(&directory).unwrap();
        publish(&mut machine.daemon(), Some("/old/one.prom")).unwrap();
        let away = machine.0.path().join("away");
        std::fs::rename(&directory, &away).unwrap();
        std::os::unix::fs::symlink("old", &directory).unwrap();
        let mut daemon = machine.daemon();
        assert!(publish(&mut daemon, Some("/two.prom")).is_err());
        assert!(machine.is_there("two.prom"));
        std::fs::remove_file(&directory).unwrap();
        std::fs::rename(&away, &directory).unwrap();
        assert_eq!(
            machine.withdrawn(),
            [Path::new("/two.prom"), Path::new("/old/one.prom")]
        );
        assert!(!machine.is_there("old/one.prom"));
    }

    #[test]
    fn a_status_that_could_not_be_written_is_written_when_it_can_be() {
        let machine = Machine::new();
        std::fs::create_dir_all(machine.0.path().join("run")).unwrap();
        let in_the_way = machine.0.path().join("run/k3warden");
        std::fs::write(&in_the_way, "").unwrap();
        let mut daemon = machine.daemon();
        for _ in 0..2 {
            assert!(publish(&mut daemon, None).is_err(), "it is still missing");
        }
        std::fs::remove_file(in_the_way).unwrap();
        publish(&mut daemon, None).unwrap();
        assert!(machine.is_there("run/k3warden/status.json"));
    }

    #[test]
    fn a_note_that_cannot_be_written_costs_no_metrics() {
        let machine = Machine::new();
        std::fs::create_dir_all(machine.0.path().join("var/lib")).unwrap();
        std::fs::write(machine.0.path().join("var/lib/k3warden"), "").unwrap();
        let mut daemon = machine.daemon();
        assert!(publish(&mut daemon, Some("/one.prom")).is_err());
        assert!(machine.is_there("one.prom"));
        std::fs::remove_file(machine.0.path().join("var/lib/k3warden")).unwrap();
        publish(&mut daemon, Some("/one.prom")).unwrap();
        assert_eq!(machine.withdrawn(), [Path::new("/one.prom")]);
    }

    /// A revert beside the daemon, and then a purge.
    #[test]
    fn metrics_that_are_written_again_are_withdrawn_again() {
        let machine = Machine::new();
        let mut daemon = machine.daemon();
        publish(&mut daemon, Some("/one.prom")).unwrap();
        assert_eq!(machine.withdrawn(), [Path::new("/one.prom")]);
        assert!(machine.withdrawn().is_empty());
        daemon
            .publish(status("y"), Some(Path::new("/one.prom")))
            .unwrap();
        drop(daemon);
        assert_eq!(machine.withdrawn(), [Path::new("/one.prom")]);
        assert!(!machine.is_there("one.prom"));
    }
}
