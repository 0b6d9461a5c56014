//! An operator who stops the daemon while it is about to change something.

use std::time::Duration;

use super::bench::*;
use crate::watch::Pause;
use crate::watch::signals::Signals;

const AUDIT: &str = "var/lib/rancher/k3s/server/audit.yaml";

#[test]
fn an_event_of_the_kill_switch_or_a_pause_that_nobody_has_read_yet_stops_the_next_change() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.settled_server();
    let all_is_read = |bench: &mut Bench<'_>| {
        while bench.agent.eyes.has_unread() {
            bench.agent.on_events(bench.now).unwrap();
        }
    };
    for file in ["etc/k3warden/disabled", "run/k3warden/pause.json"] {
        all_is_read(&mut bench);
        std::fs::remove_file(tree.path(AUDIT)).unwrap();
        if file.contains("pause") {
            let root = &bench.agent.ground.host.root;
            Pause::begin(root, Duration::from_secs(60), "new disk").unwrap();
        } else {
            tree.write(file, "");
        }
        assert!(bench.agent.suspension.is_none(), "{file} is not known yet");
        bench.agent.full_pass(bench.now);
        assert!(!tree.path(AUDIT).exists(), "{file} stands");
        all_is_read(&mut bench);
        assert!(bench.agent.suspension.is_some(), "{file}");
        std::fs::remove_file(tree.path(file)).unwrap();
        all_is_read(&mut bench);
        assert!(tree.path(AUDIT).exists(), "{file} is gone");
    }
}
