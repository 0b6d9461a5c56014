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
mod host_files;
mod tree;

use host_files::{Host, hosts};
use tree::{Answer, Snapshot, Tree, difference};

/// K3s on etcd refuses to start when these look newer than its datastore.
const NEVER_NEWER: &str = "/var/lib/rancher/k3s/server/tls";

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
