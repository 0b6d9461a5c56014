//! Units on disk against what systemd says that it has loaded.

use std::fs;

use super::super::{find_loaded_k3s_units, load_unit};
use super::*;
use crate::host::Root;
use crate::host::systemd::testing::status;

const UNIT: &str = "[Service]\nEnvironment=B=1\nEnvironmentFile=-/etc/k3s.env\n\
ExecStart=/k3s server \\\n\t'--node-label=a b' --x=${A} $C\n";

/// The unit of a tree with this file, as systemd with this answer would start it.
fn judged(text: &str, change: impl FnOnce(&mut UnitStatus)) -> Unit {
    let directory = tempfile::tempdir().unwrap();
    let units = directory.path().join("etc/systemd/system");
    fs::create_dir_all(&units).unwrap();
    fs::write(units.join("k3s.service"), text).unwrap();
    fs::write(directory.path().join("etc/k3s.env"), "A='p q'\nC='r s'\n").unwrap();
    let of_manager = "[Manager]\nDefaultEnvironment=B=weaker D=manager\n";
    fs::write(directory.path().join("etc/systemd/system.conf"), of_manager).unwrap();
    let root = Root::open(directory.path()).unwrap();
    let mut answer = status("/k3s server --node-label=a b --x=${A} $C");
    answer.environment = vec!["B=1".to_owned()];
    answer.environment_files = vec!["/etc/k3s.env".into()];
    change(&mut answer);
    let files = Files::new(&root);
    let mut found = find_loaded_k3s_units(&files, &|_| Some(answer.clone())).unwrap();
    found.units.swap_remove(0)
}

fn words(unit: &Unit) -> Vec<&str> {
    unit.exec_start
        .iter()
        .map(|word| word.text.as_str())
        .collect()
}

#[test]
fn a_unit_that_systemd_has_loaded_as_it_stands_keeps_its_lines() {
    for need_daemon_reload in [false, true] {
        let unit = judged(UNIT, |answer| {
            answer.need_daemon_reload = need_daemon_reload
        });
        assert_eq!(unit.loading, Loading::AsOnDisk { need_daemon_reload });
        let words = words(&unit);
        assert_eq!(words, ["server", "--node-label=a b", "--x=p q", "r", "s"]);
        assert!(unit.exec_start[1].place.to_string().ends_with(":5)"));
        assert!(unit.remarks.is_empty());
    }
}

#[test]
fn what_waits_for_a_daemon_reload_is_not_what_starts() {
    let newer = UNIT.replace("server", "agent");
    let unit = judged(&newer, |answer| {
        answer.need_daemon_reload = true;
        let exact = ["/k3s", "server", "--node-label=a b", "--x=${A}", "$C"];
        answer.exact_words = Some(exact.map(str::to_owned).into());
    });
    let Loading::Otherwise { on_disk, .. } = &unit.loading else {
        panic!("{:?}", unit.loading);
    };
    let Loaded::Unit(on_disk) = &**on_disk else {
        panic!("{on_disk:?}");
    };
    assert_eq!(words(on_disk)[0], "agent");
    assert_eq!(
        words(&unit),
        ["server", "--node-label=a b", "--x=p q", "r", "s"],
        "the environment file is read at the start"
    );
    assert_eq!(unit.environment.get("B").unwrap().value, "1");
    assert_eq!(unit.environment.get("D").unwrap().value, "manager");
    assert!(unit.remarks[0].text.contains("daemon-reload"));
}

#[test]
fn another_variable_of_the_unit_itself_is_another_unit() {
    let newer = UNIT.replace("B=1", "B=2");
    let unit = judged(&newer, |answer| answer.need_daemon_reload = true);
    assert_eq!(unit.environment.get("B").unwrap().value, "1");
    assert!(unit.on_disk().is_some());
}

#[test]
fn where_we_read_another_command_than_systemd_its_word_counts() {
    let unit = judged(UNIT, |answer| {
        answer.exec_start = vec!["/k3s server --y".to_owned()];
    });
    assert_eq!(words(&unit), ["server", "--y"]);
    assert!(unit.remarks[0].text.contains("as systemd has it"));
}

#[test]
fn a_word_with_a_line_feed_is_known_from_the_bus_alone() {
    let unit = judged("[Service]\nExecStart=/k3s server \\n\n", |answer| {
        answer.exec_start.clear();
        answer.environment.clear();
        answer.exact_words = Some(["/k3s", "server", "\n"].map(str::to_owned).into());
    });
    let need_daemon_reload = false;
    assert_eq!(unit.loading, Loading::AsOnDisk { need_daemon_reload });
    assert_eq!(words(&unit), ["server", "\n"]);
}

#[test]
fn a_unit_that_systemd_does_not_know_yet_is_read_from_its_files() {
    let unit = judged(UNIT, |answer| answer.load = LoadState::NotFound);
    assert_eq!(unit.loading, Loading::NotAsked);
    assert_eq!(words(&unit)[0], "server");
}

#[test]
fn a_unit_that_is_gone_from_the_disk_still_starts_as_it_is_loaded() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::open(directory.path()).unwrap();
    let files = Files::new(&root);
    let on_disk = load_unit(&files, "k3s.service").unwrap();
    let answer = status("/k3s agent");
    let loaded = take_over(on_disk, "k3s.service", &answer, &files).unwrap();
    let Loaded::Unit(unit) = loaded else {
        panic!("{loaded:?}");
    };
    assert_eq!(words(&unit), ["agent"]);
    assert_eq!(unit.on_disk(), Some(&Loaded::Missing));
}
