//! Whole hosts: what is judged, planned, changed and put back.
//!
//! Each file of `tests/hosts` is a host: `[tree]` before (format in `tests/tree`), `[arguments]` for every command,
//! `[check EXIT]` verdicts of controls with words that the findings must say, `[plan]` things in their order,
//! `[apply EXIT]` lines that differ afterwards (`+` new, `~` other),
//! `[revert EXIT]` lines that differ from the start after all (none: to the byte).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails says so by a panic"
)]
mod tree;

use std::path::{Path, PathBuf};

use tree::{Answer, Snapshot, Tree, difference};

/// K3s on etcd refuses to start when these look newer than its datastore.
const NEVER_NEWER: &str = "/var/lib/rancher/k3s/server/tls";

struct Host {
    name: String,
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

    fn section(&self, wanted: &str) -> (&str, &str) {
        let found = self.sections.iter().find(|(name, _, _)| name == wanted);
        found.map_or(("", ""), |(_, rest, body)| (rest, body))
    }

    fn lines(&self, wanted: &str) -> Vec<&str> {
        let (_, body) = self.section(wanted);
        body.lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect()
    }

    fn tree(&self) -> Tree {
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

    fn run(&self, tree: &Tree, arguments: &[&str]) -> Answer {
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

fn hosts() -> Vec<Host> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hosts");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 9, "{paths:?}");
    paths.iter().map(|path| Host::read(path)).collect()
}

/// What is not as the host's file says, in the form of that file.
#[derive(Default)]
struct Mismatches(Vec<String>);

impl Mismatches {
    fn compare(&mut self, host: &Host, section: &str, expected: &str, found: &str) {
        if expected.trim() != found.trim() {
            self.0
                .push(format!("### {} {section}\n{}\n", host.name, found.trim()));
        }
    }

    fn none(self) {
        assert!(
            self.0.is_empty(),
            "found instead of what is written:\n{}",
            self.0.join("\n")
        );
    }
}

fn verdicts(host: &Host, report: &serde_json::Value) -> String {
    let mut found = Vec::new();
    for line in host.lines("check") {
        let mut words = line.splitn(2, " | ");
        let (control, _) = words.next().unwrap().split_once(' ').unwrap();
        let controls = report["controls"].as_array().unwrap();
        let judged = controls.iter().find(|judged| judged["id"] == control);
        let judged = judged.unwrap_or_else(|| panic!("{}: no {control}", host.name));
        let verdict = judged["verdict"].as_str().unwrap();
        let said = words.next().map_or(String::new(), |words| {
            let findings = judged.to_string();
            if findings.contains(words) {
                format!(" | {words}")
            } else {
                format!(" | {findings}")
            }
        });
        found.push(format!("{control} {verdict}{said}"));
    }
    found.join("\n")
}

#[test]
fn every_host_is_judged_as_expected() {
    let mut mismatches = Mismatches::default();
    for host in hosts() {
        let tree = host.tree();
        let before = tree.snapshot();
        let answer = host.run(&tree, &["check", "--format", "json"]);
        let expected = host.lines("check").join("\n");
        mismatches.compare(&host, "check", &expected, &verdicts(&host, &answer.json()));
        mismatches.compare(&host, "check exit", host.section("check").0, &exit(&answer));
        unchanged(&host, &before, &tree);
    }
    mismatches.none();
}

#[test]
fn every_host_has_the_expected_plan() {
    let mut mismatches = Mismatches::default();
    for host in hosts() {
        let tree = host.tree();
        let before = tree.snapshot();
        let answer = host.run(&tree, &["diff", "--format", "json"]);
        let report = answer.json();
        let changes = report["changes"].as_array().unwrap();
        let things: Vec<&str> = changes
            .iter()
            .map(|change| change["thing"].as_str().unwrap())
            .collect();
        mismatches.compare(
            &host,
            "plan",
            &host.lines("plan").join("\n"),
            &things.join("\n"),
        );
        unchanged(&host, &before, &tree);
    }
    mismatches.none();
}

/// What stands in K3s's configuration is held elsewhere; here counts that there is a file of ours.
fn without_configuration(lines: Vec<String>) -> String {
    let short = |line: String| match line.split_once('\n') {
        Some((first, _)) if first.contains("/config.yaml.d/") => first.to_owned(),
        _ => line,
    };
    lines.into_iter().map(short).collect::<Vec<_>>().join("\n")
}

fn unchanged(host: &Host, before: &Snapshot, tree: &Tree) {
    let changed = difference(before, &tree.snapshot(), "/");
    assert_eq!(changed, Vec::<String>::new(), "{}", host.name);
}

fn exit(answer: &Answer) -> String {
    answer
        .code
        .map_or_else(|| "killed".to_owned(), |code| code.to_string())
}

#[test]
fn every_host_becomes_what_it_should_and_can_be_taken_back() {
    let mut mismatches = Mismatches::default();
    for host in hosts() {
        let tree = host.tree();
        let before = tree.snapshot();
        let applied = host.run(&tree, &["apply"]);
        let hardened = tree.snapshot();
        let mut compare = |section: &str, after: &Snapshot, answer: &Answer| {
            let (expected_exit, expected) = host.section(section);
            let found = without_configuration(difference(&before, after, NEVER_NEWER));
            mismatches.compare(&host, section, expected, &found);
            mismatches.compare(
                &host,
                &format!("{section} exit"),
                expected_exit,
                &exit(answer),
            );
        };
        compare("apply", &hardened, &applied);

        let again = host.run(&tree, &["apply"]);
        unchanged(&host, &hardened, &tree);
        let nothing_made = !again
            .stdout
            .lines()
            .any(|line| line.starts_with("changed "));
        assert!(nothing_made, "{}: {}", host.name, again.stdout);
        if applied.code == Some(0) {
            assert!(
                again.stdout.starts_with("Nothing to change."),
                "{}: {}",
                host.name,
                again.stdout
            );
        }
        assert_eq!(again.code, applied.code, "{}: {}", host.name, again.stdout);

        let verified = host.run(&tree, &["ledger", "--verify"]);
        assert_eq!(verified.code, Some(0), "{}: {}", host.name, verified.stdout);

        let reverted = host.run(&tree, &["revert"]);
        compare("revert", &tree.snapshot(), &reverted);
        let nothing_left = host.run(&tree, &["revert"]);
        assert!(
            nothing_left.stdout.contains("Nothing to put back."),
            "{}",
            host.name
        );
    }
    mismatches.none();
}
