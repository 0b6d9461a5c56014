//! Tests: what an operator reads about a broken policy, to the letter.

use super::sample::policy;
use super::{Policy, PolicyError};
use crate::catalogue::Problem;

const CASES: &str = include_str!("broken_policies.txt");

fn message(text: &str) -> String {
    let error = policy(text).expect_err(text).to_string();
    error.replace("/etc/k3warden/config.toml", "CONFIG")
}

#[test]
fn every_broken_policy_is_refused_with_its_place_and_its_mend() {
    let mut cases = CASES.split("====\n");
    let about = cases.next().unwrap();
    assert!(about.starts_with("Broken policies"));
    let mut count = 0;
    for case in cases {
        let (text, expected) = case.split_once("\n----\n").unwrap();
        assert_eq!(message(text), expected.trim_end(), "{text}");
        count += 1;
    }
    assert_eq!(count, 66, "every case was read");
}

#[test]
fn an_edition_must_be_one_of_the_catalogue() {
    let newest = policy("edition = \"2.1\"").unwrap().edition.unwrap();
    assert_eq!(
        (newest.value.as_str(), newest.place.unwrap().line),
        ("2.1", 1)
    );
    for (text, found) in [("\"9.9\"", "\"9.9\""), ("2.1", "the number 2.1")] {
        let message = message(&format!("edition = {text}"));
        let first = message.lines().next().unwrap();
        assert!(
            first.starts_with("CONFIG:1:11: `edition` takes \""),
            "{first}"
        );
        assert!(first.ends_with(&format!(", not {found}")), "{first}");
    }
}

/// The apiserver refuses a namespace of another form in the Pod Security configuration, and K3s ends.
#[test]
fn a_namespace_must_have_a_name_that_one_can_have() {
    for (control, name) in [
        ("pod-security-configuration", "Kube_System"),
        ("pod-security-configuration", "kube.system"),
        ("pod-security-configuration", ""),
        // K3s would try such a file again every 15 s, or take it for another one's.
        ("network-policy-extra-namespaces", "Team.x"),
    ] {
        let text = format!("[control.{control}]\nnamespaces = [\"kube-system\", \"{name}\"]\n");
        let files = [("/etc/k3warden/config.toml".into(), text)];
        let catalogue = crate::catalogue::Catalogue::built_in().unwrap();
        let said = Policy::from_files(&files, &catalogue)
            .unwrap_err()
            .to_string();
        let start = "/etc/k3warden/config.toml:2:30: `namespaces` takes a namespace's name";
        assert!(said.starts_with(start), "{said}");
    }
}

/// With the policy for namespaces of one's own kube-system would answer nobody's questions for names.
#[test]
fn a_namespace_that_another_control_answers_for_is_refused() {
    let text =
        "[control.network-policy-extra-namespaces]\nnamespaces = [\"team\", \"kube-system\"]\n";
    let files = [("/etc/k3warden/config.toml".into(), text.to_owned())];
    let catalogue = crate::catalogue::Catalogue::built_in().unwrap();
    let said = Policy::from_files(&files, &catalogue)
        .unwrap_err()
        .to_string();
    let start = "/etc/k3warden/config.toml:2:23: `namespaces` takes names other than default, kube-public, kube-system, not \"kube-system\"";
    assert!(said.starts_with(start), "{said}");
    assert!(
        said.contains("another control answers for that one"),
        "{said}"
    );
}

#[test]
fn reading_stops_after_ten_problems_and_says_so() {
    let text: String = (0..50_000).map(|key| format!("k{key} = 1\n")).collect();
    let Err(PolicyError::Invalid(problems)) = policy(&text) else {
        panic!("unknown keys were taken");
    };
    assert_eq!(problems.all().len(), 10);
    let lines: Vec<usize> = problems
        .all()
        .iter()
        .map(|problem: &Problem| problem.line)
        .collect();
    assert!(lines.is_sorted(), "{lines:?}");
    let text = problems.to_string();
    assert!(text.ends_with("\nthere may be more problems; reading stopped here"));
}

#[test]
fn an_expired_exception_is_no_error() {
    let text = "[[exception]]\ncontrol = \"sample-file\"\nreason = \"r\"\nowner = \"o\"\nexpires = 1999-12-31";
    let policy: Policy = policy(text).unwrap();
    assert_eq!(policy.exceptions().count(), 1);
}
