//! A file of the operator's own that he is about to write.

use std::fs::File;
use std::time::{Duration, Instant, SystemTime};

use super::bench::*;
use super::tree::DROP_IN;
use crate::watch::signals::Signals;

const AUDIT: &str = "var/lib/rancher/k3s/server/audit.yaml";

/// Emptied just now, whatever pass comes upon it first; the daemon looks again by itself.
#[test]
fn no_pass_replaces_a_file_that_somebody_has_just_emptied_or_has_k3s_read_it() {
    let is_waited_for = || {
        let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
        let mut bench = Bench::new(&tree, &signals);
        let size = || std::fs::metadata(tree.path(AUDIT)).unwrap().len();
        tree.write(AUDIT, "");
        let emptied = Instant::now();
        bench.begin();
        let is_left = size() == 0;
        let due = bench.agent.due.full_pass;
        if !is_left || due.is_none() {
            // Only a machine that took longer than the writer has.
            assert!(emptied.elapsed() > Duration::from_millis(900), "{due:?}");
            return false;
        }
        assert!(!tree.path(DROP_IN).exists(), "it may name that file");
        assert!(due.unwrap() <= bench.now + Duration::from_secs(1));

        // The time is over, and nobody wrote.
        let file = File::options().write(true).open(tree.path(AUDIT)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(1))
            .unwrap();
        bench.agent.full_pass(bench.now);
        assert!(size() > 0 && tree.path(DROP_IN).exists());
        true
    };
    assert!((0..10).any(|_| is_waited_for()));
}
