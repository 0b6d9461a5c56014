//! The rooms of the house depend on each other in one direction only, as docs/ARCHITECTURE.md draws it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const LINE_START: &str = "cli -> ";

/// The rooms in the order of the drawing, the highest first.
fn drawn() -> Vec<String> {
    let text = fs::read_to_string("docs/ARCHITECTURE.md").unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with(LINE_START))
        .unwrap();
    line.split(" -> ").map(str::to_owned).collect()
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Every name that follows `crate::` in a text, alone or in braces.
fn used_rooms(text: &str) -> BTreeSet<&str> {
    let mut used = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        assert!(
            !rest.starts_with('{'),
            "write `use crate::room::...` one room a line, so that this test sees it"
        );
        let end = rest
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(rest.len());
        used.insert(&rest[..end]);
    }
    used
}

#[test]
fn every_room_of_the_source_is_drawn() {
    let drawn = drawn();
    for entry in fs::read_dir("src").unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let room = path.file_name().unwrap().to_str().unwrap().to_owned();
            assert!(
                drawn.contains(&room),
                "{room} is not in docs/ARCHITECTURE.md"
            );
        }
    }
}

#[test]
fn no_room_uses_one_that_stands_above_it() {
    let drawn = drawn();
    let mut back = Vec::new();
    for (height, room) in drawn.iter().enumerate() {
        let directory = Path::new("src").join(room);
        if !directory.is_dir() {
            continue;
        }
        let mut files = Vec::new();
        rust_files(&directory, &mut files);
        for file in files {
            let text = fs::read_to_string(&file).unwrap();
            for used in used_rooms(&text) {
                if drawn[..height].iter().any(|above| above == used) {
                    back.push(format!("{} uses {used}", file.display()));
                }
            }
        }
    }
    assert!(back.is_empty(), "{}", back.join("\n"));
}
