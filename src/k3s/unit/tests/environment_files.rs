//! The environment files of whole units.

use std::fs;
use std::path::Path;

use super::Tree;
use crate::k3s::unit::Loaded;

#[test]
fn a_missing_environment_file_matters_only_without_a_dash() {
    let unit = |line: &str| format!("[Service]\nEnvironmentFile={line}\nExecStart=/k3s server\n");
    for (line, usable) in [
        ("-/etc/none", true),
        ("/etc/none", false),
        ("-/etc/none*", true),
        ("/etc/none*", false),
    ] {
        let tree = Tree::new(&[("/etc/systemd/system/k3s.service", &unit(line))]);
        assert_eq!(
            matches!(tree.load("k3s.service"), Loaded::Unit(_)),
            usable,
            "{line}"
        );
    }
}

#[test]
fn an_environment_file_that_is_named_twice_is_read_once_and_counts_as_the_later() {
    let unit = "[Service]\nEnvironmentFile=/v/e*\nEnvironmentFile=/v/f\nEnvironmentFile=-/v/e\nExecStart=/k3s server\n";
    let tree = Tree::new(&[
        ("/etc/systemd/system/k3s.service", unit),
        ("/v/e", "A=e\n"),
        ("/v/f", "A=f\nB=f\n"),
    ]);
    let unit = tree.unit("k3s.service");
    let value = |name| unit.environment.get(name).unwrap().value.as_str();
    assert_eq!((value("A"), value("B")), ("e", "f"));
    let read: Vec<_> = unit
        .inputs
        .iter()
        .skip(1)
        .map(|input| &input.path)
        .collect();
    assert_eq!(read, [Path::new("/v/f"), Path::new("/v/e")]);
}

#[test]
fn an_environment_file_that_one_line_needs_is_needed() {
    let unit = "[Service]\nEnvironmentFile=/e\nEnvironmentFile=-/e\nExecStart=/k3s server\n";
    let tree = Tree::new(&[("/etc/systemd/system/k3s.service", unit)]);
    assert!(matches!(tree.load("k3s.service"), Loaded::Unusable { .. }));
}

#[test]
fn systemd_passes_over_an_environment_file_whose_path_is_too_long() {
    let unit = |path: &str| format!("[Service]\nEnvironmentFile={path}\nExecStart=/k3s server\n");
    let passed_over = |path: &str| {
        let tree = Tree::new(&[("/etc/systemd/system/k3s.service", &unit(path))]);
        matches!(tree.load("k3s.service"), Loaded::Unit(_))
    };
    assert!(!passed_over(&format!("/{}", "a".repeat(255))));
    assert!(passed_over(&format!("/{}", "a".repeat(256))));
    assert!(passed_over(&"/a".repeat(2048)));
}

#[test]
fn patterns_of_environment_files_are_expanded_in_every_part_and_one_that_fits_nothing_fails_the_start()
 {
    let tree = Tree::new(&[]);
    fs::write(tree.path("/etc/a.env.d/1.env"), "A=1\nB=1\n").unwrap();
    fs::write(tree.path("/etc/b.env.d/2.env"), "B=2\n").unwrap();
    fs::write(tree.path("/etc/c.env.d"), "no directory").unwrap();
    let with = |line: &str| {
        let text = format!("[Service]\nEnvironmentFile={line}\nExecStart=/k3s server\n");
        fs::write(tree.path("/etc/systemd/system/k3s.service"), text).unwrap();
        tree.load("k3s.service")
    };
    let Loaded::Unit(unit) = with("/etc/*.env.d/*.env") else {
        panic!("unusable")
    };
    assert_eq!(unit.environment.get("A").unwrap().value, "1");
    assert_eq!(unit.environment.get("B").unwrap().value, "2");
    let Loaded::Unusable { problem, .. } = with("/etc/*.env.d/*.none") else {
        panic!("usable")
    };
    assert_eq!(
        problem,
        "/etc/*.env.d/*.none does not exist; put it there, or write EnvironmentFile=- before it"
    );
    assert!(matches!(with("-/etc/*.env.d/*.none"), Loaded::Unit(_)));
}
