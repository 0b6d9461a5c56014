//! Somebody undoes again and again what the daemon repairs.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::bench::*;
use crate::report::event::Kind;
use crate::watch::Pause;
use crate::watch::signals::Signals;

const SERVER: &str = "var/lib/rancher/k3s/server";

fn open_up(tree: &Tree) {
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(tree.path(SERVER), mode).unwrap();
}

#[test]
fn what_is_still_undone_is_not_said_to_be_left_alone() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    for _ in 0..5 {
        open_up(&tree);
        bench.now += Duration::from_secs(60);
        bench.agent.full_pass(bench.now);
    }
    assert_eq!(bench.told(Kind::ContentionBegins).len(), 1);
    let root = &bench.agent.ground.host.root;
    Pause::begin(root, Duration::from_secs(3600), "new disk").unwrap();
    bench.agent.look_for_suspension(bench.now);
    open_up(&tree);
    let quiet_for = |bench: &mut Bench<'_>, seconds: u64| {
        bench.now += Duration::from_secs(seconds);
        bench.agent.full_pass(bench.now);
        bench.agent.look_for_quiet(bench.now);
        bench.told(Kind::ContentionEnds).len()
    };
    assert_eq!(quiet_for(&mut bench, 1300), 0, "nobody repairs it");
    Pause::end(&bench.agent.ground.host.root).unwrap();
    bench.agent.look_for_suspension(bench.now);
    assert_eq!(quiet_for(&mut bench, 600), 0, "it holds since a moment");
    let mode = std::fs::metadata(tree.path(SERVER)).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o700);
    assert_eq!(quiet_for(&mut bench, 610), 1);
}

#[test]
fn what_is_undone_every_half_minute_is_repaired_less_and_less_often_and_told_once() {
    let (tree, signals) = (Tree::server(""), Signals::catch().unwrap());
    let mut bench = Bench::new(&tree, &signals);
    bench.begin();
    let is_open = || {
        let found = std::fs::metadata(tree.path(SERVER)).unwrap();
        found.permissions().mode() & 0o777 == 0o755
    };
    let (mut repairs, mut left_alone, mut longest) = (0, 0, 0);
    for _ in 0..3600 / 30 {
        if !is_open() {
            open_up(&tree);
        }
        bench.now += Duration::from_secs(30);
        bench.agent.full_pass(bench.now);
        if is_open() {
            left_alone += 30;
            longest = longest.max(left_alone);
        } else {
            repairs += 1;
            left_alone = 0;
        }
    }
    assert!((58..=72).contains(&repairs), "{repairs} repairs in an hour");
    assert!((270..=300).contains(&longest), "{longest} s left alone");
    assert_eq!(bench.told(Kind::ContentionBegins).len(), 1);
}
