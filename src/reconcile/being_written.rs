//! A file in which an operator may have a content of his own, just emptied: `scp` and the like open a file before they have
//! anything to write, and would go on writing into one that is not there any more.
//!
//! What is planned is planned all the same, and `diff` shows it; whoever carries a plan out leaves such a file its moment, the
//! daemon by another look, `apply` by a wait. K3s's door does neither: that start would read the empty file and end.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::host::{Kind, Root, State, Thing};
use crate::setting::{Change, Stage};

use super::Plan;

/// Whoever has emptied it has this long to write.
const PATIENCE: Duration = Duration::from_secs(1);

/// How much longer somebody who may be writing this file is waited for; `None` where nobody is.
#[must_use]
pub fn wait(root: &Root, path: &Path) -> Option<Duration> {
    let entry = root.look(path).ok()??;
    if entry.kind != Kind::File || entry.size_bytes > 0 {
        return None;
    }
    let (seconds, nanoseconds) = entry.modified;
    let since_epoch = Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?);
    let emptied = SystemTime::UNIX_EPOCH.checked_add(since_epoch)?;
    // A time that is yet to come says nothing: the clock was set.
    let age = SystemTime::now().duration_since(emptied).ok()?;
    PATIENCE.checked_sub(age).filter(|left| !left.is_zero())
}

impl Plan {
    /// How much longer a writer is waited for before this plan is carried out; `None` where nobody is.
    #[must_use]
    pub fn waits(&self, root: &Root) -> Option<Duration> {
        self.being_written(root).map(|(_, left)| left).max()
    }

    /// Leaves out the files that are being written, and K3s's configuration, which may name them; how long that waits.
    pub fn leave_to_writers(&mut self, root: &Root) -> Option<Duration> {
        let waits = self.being_written(root);
        let waits: Vec<(PathBuf, Duration)> = waits
            .map(|(path, left)| (path.to_path_buf(), left))
            .collect();
        let longest = waits.iter().map(|(_, left)| *left).max()?;
        self.changes.retain(|planned| {
            let Change { thing, stage, .. } = &planned.change;
            let is_left = |path: &PathBuf| matches!(thing, Thing::Path(other) if other == path);
            *stage < Stage::Configuration && !waits.iter().any(|(path, _)| is_left(path))
        });
        Some(longest)
    }

    fn being_written(&self, root: &Root) -> impl Iterator<Item = (&Path, Duration)> {
        self.changes.iter().filter_map(|planned| {
            let path = replaces_nothing(&planned.change)?;
            Some((path, wait(root, path)?))
        })
    }
}

/// The file of a change, if it takes the place of an empty one. Of all changes of this stage an operator's content may stay.
fn replaces_nothing(change: &Change) -> Option<&Path> {
    match (&change.thing, &change.before) {
        (Thing::Path(path), State::File { content, .. })
            if change.stage == Stage::File && content.is_empty() =>
        {
            Some(path)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_was_emptied_within_the_last_second_is_waited_for() {
        let tree = tempfile::tempdir().unwrap();
        let root = Root::open(tree.path()).unwrap();
        let path = Path::new("/audit.yaml");
        let file = std::fs::File::create(tree.path().join("audit.yaml")).unwrap();
        let emptied = |time: SystemTime| file.set_modified(time).unwrap();
        let now = SystemTime::now();
        emptied(now);
        assert!(wait(&root, path).is_some_and(|left| left <= PATIENCE));
        emptied(now - PATIENCE);
        assert_eq!(wait(&root, path), None);
        emptied(now + Duration::from_secs(3600));
        assert_eq!(wait(&root, path), None, "the clock was set back");
        std::fs::write(tree.path().join("audit.yaml"), "x").unwrap();
        assert_eq!(wait(&root, path), None, "it has a content");
        assert_eq!(wait(&root, Path::new("/other")), None);
    }
}
