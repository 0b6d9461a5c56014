//! The matrix of nodes: releases × kinds of nodes × what operators have there. What K3s would run with before, the plan,
//! and what it would run with after, as text that was read line by line against the facts (`tests/matrix/expected`).
//!
//! `UPDATE_MATRIX=1 cargo test --test matrix` writes the text anew; the difference is to be read then.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

mod cell;
mod properties;
mod story;
#[path = "../tree/mod.rs"]
mod tree;

use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use cell::{Cell, Kind, Operator, VERSIONS};
use k3warden::catalogue::Catalogue;
use k3warden::k3s::Effective;

fn room() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/matrix")
}

fn operators() -> Vec<Operator> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(room().join("operators"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 8, "{paths:?}");
    paths.iter().map(|path| Operator::read(path)).collect()
}

/// The story of one operator on every node. A line that is not told of every release has those that it is told of before
/// it.
fn stories(catalogue: &Catalogue, bare: &[Effective], operator: &Operator) -> String {
    let mut text = String::new();
    let mut bare = bare.iter();
    let mut with_sqlite: Vec<String> = Vec::new();
    for kind in Kind::ALL {
        let mut sections: Vec<(&str, Union)> = Vec::new();
        for (index, version) in VERSIONS.into_iter().enumerate() {
            let cell = Cell::new(catalogue, operator, kind, version, "");
            for (place, (title, lines)) in story::tell(&cell, bare.next().unwrap())
                .into_iter()
                .enumerate()
            {
                if place == sections.len() {
                    sections.push((title, Union::default()));
                }
                sections[place].1.add(index, &lines);
            }
        }
        writeln!(text, "=== {}", kind.title()).unwrap();
        for (place, (title, union)) in sections.iter().enumerate() {
            let body = union.to_string();
            // What is the same with etcd is read once.
            if kind == Kind::Etcd && with_sqlite.get(place) == Some(&body) {
                writeln!(text, "--- {title}: as with sqlite\n").unwrap();
            } else {
                writeln!(text, "--- {title}\n{body}").unwrap();
            }
            if kind == Kind::Sqlite {
                with_sqlite.push(body);
            }
        }
    }
    text
}

/// Lines of several releases, each once.
#[derive(Default)]
struct Union(Vec<(String, BTreeSet<usize>)>);

impl Union {
    fn add(&mut self, release: usize, lines: &[String]) {
        let mut after = 0;
        for line in lines {
            let known = self
                .0
                .iter()
                .position(|(other, releases)| other == line && !releases.contains(&release));
            match known {
                Some(place) => {
                    self.0[place].1.insert(release);
                    after = place + 1;
                }
                None => {
                    self.0
                        .insert(after, (line.clone(), BTreeSet::from([release])));
                    after += 1;
                }
            }
        }
    }
}

impl fmt::Display for Union {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (line, releases) in &self.0 {
            writeln!(formatter, "{:<13}{line}", ranges(releases))?;
        }
        Ok(())
    }
}

/// `1.21..1.24` for consecutive releases of the matrix, nothing for all of them.
fn ranges(releases: &BTreeSet<usize>) -> String {
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for release in releases {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *release => *last = *release,
            _ => runs.push((*release, *release)),
        }
    }
    let minor = |release: usize| format!("1.{}", VERSIONS[release].minor);
    let newest = VERSIONS.len() - 1;
    let run = |(first, last): &(usize, usize)| match (*first, *last) {
        (0, last) if last == newest => String::new(),
        (0, last) => format!("..{}", minor(last)),
        (first, last) if last == newest => format!("{}..", minor(first)),
        (first, last) if first == last => minor(first),
        (first, last) => format!("{}..{}", minor(first), minor(last)),
    };
    runs.iter().map(run).collect::<Vec<_>>().join(" ")
}

/// Every kind of node without an operator, each release.
fn bare(catalogue: &Catalogue) -> Vec<Effective> {
    let operator = Operator::bare();
    let of_kind = |kind| {
        let operator = &operator;
        VERSIONS.map(|version| Cell::new(catalogue, operator, kind, version, "").effective())
    };
    Kind::ALL.into_iter().flat_map(of_kind).collect()
}

#[test]
fn every_node_is_told_as_expected() {
    let catalogue = Catalogue::built_in().unwrap();
    let bare = bare(&catalogue);
    let mut wrong = Vec::new();
    for operator in operators() {
        let found = stories(&catalogue, &bare, &operator);
        let path = room().join(format!("expected/{}.txt", operator.name));
        if std::env::var_os("UPDATE_MATRIX").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if found != expected {
            wrong.push(first_difference(&operator.name, &expected, &found));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn first_difference(name: &str, expected: &str, found: &str) -> String {
    let at = expected
        .lines()
        .zip(found.lines())
        .take_while(|(one, other)| one == other)
        .count();
    let line = |text: &str| text.lines().nth(at).unwrap_or("(end)").to_owned();
    let (expected, found) = (line(expected), line(found));
    format!(
        "{name}.txt:{}: expected\n    {expected}\nfound\n    {found}",
        at + 1
    )
}
