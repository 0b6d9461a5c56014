//! The hosts of `tests/hosts`, read; what stands in them `tests/hosts.rs` says.

#![allow(dead_code)]

use std::path::{Path, PathBuf};

use crate::tree::{Answer, Tree};

/// One of them.
pub struct Host {
    pub name: String,
    sections: Vec<(String, String, String)>,
}

impl Host {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut sections: Vec<(String, String, String)> = Vec::new();
        for line in text.lines() {
            if let Some(title) = line
                .strip_prefix('[')
                .and_then(|line| line.strip_suffix(']'))
            {
                let (name, rest) = title.split_once(' ').unwrap_or((title, ""));
                sections.push((name.to_owned(), rest.to_owned(), String::new()));
            } else if let Some((_, _, body)) = sections.last_mut() {
                body.push_str(line);
                body.push('\n');
            }
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        Self { name, sections }
    }

    pub fn section(&self, wanted: &str) -> (&str, &str) {
        let found = self.sections.iter().find(|(name, _, _)| name == wanted);
        found.map_or(("", ""), |(_, rest, body)| (rest, body))
    }

    pub fn lines(&self, wanted: &str) -> Vec<&str> {
        let (_, body) = self.section(wanted);
        body.lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect()
    }

    pub fn tree(&self) -> Tree {
        let tree = Tree::new();
        for line in self
            .lines("tree")
            .iter()
            .filter(|line| line.starts_with("include"))
        {
            let (how, file) = line.split_once(' ').unwrap();
            tree.add(&recorded(file, how == "include-loosened"));
        }
        let (_, body) = self.section("tree");
        let own: String = body
            .lines()
            .filter(|line| !line.starts_with("include"))
            .map(|line| format!("{line}\n"))
            .collect();
        tree.add(&own);
        tree
    }

    pub fn run(&self, tree: &Tree, arguments: &[&str]) -> Answer {
        let (_, given) = self.section("arguments");
        let mut all: Vec<&str> = given.split_whitespace().collect();
        all.extend(arguments);
        tree.run(&all)
    }
}

/// The files that a real K3s made, with its modes, or with all that a careless umask would leave.
fn recorded(file: &str, loosened: bool) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/recorded")
        .join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    let mut tree = String::new();
    for line in text.lines() {
        let (mode, rest) = line.split_once(' ').unwrap();
        let rest = match rest.rsplit_once(' ') {
            Some((link, target)) if rest.contains(" l ") => format!("{link} -> {target}"),
            _ => rest.to_owned(),
        };
        let mode = match rest.split(' ').nth(1) {
            Some("d") if loosened => "755",
            Some("f") if loosened => "644",
            _ => mode,
        };
        tree.push_str(&format!("{mode} {rest}\n"));
    }
    tree
}

/// All of them, by name.
pub fn hosts() -> Vec<Host> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 9, "{paths:?}");
    paths.iter().map(|path| Host::read(path)).collect()
}
