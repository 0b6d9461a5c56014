//! Tests: which file wins, and what the packaged file says.

use std::collections::BTreeMap;
use std::path::PathBuf;

use proptest::prelude::*;

use super::sample::{catalogue, policy};
use super::{Policy, PolicyError, keys};
use crate::catalogue::Catalogue;

/// Keys of the property: some text that sets them to one of two values, and how to read the line that won.
const LINES: &[(&str, [&str; 2])] = &[
    ("mode", ["\"enforce\"", "\"observe\""]),
    ("unit_override", ["true", "false"]),
    ("sysctl_interval", ["\"10s\"", "\"20s\""]),
    ("restart.per_day", ["1", "2"]),
    ("control.sample-file.state", ["\"off\"", "\"observe\""]),
    ("control.sample-file.max_age", ["1", "2"]),
];

/// Value and place of a key of [`LINES`] in a loaded policy, as text.
fn found(policy: &Policy, key: &str) -> Option<(String, String)> {
    macro_rules! shown {
        ($given:expr) => {{
            let given = $given;
            let place = given.place.as_ref()?;
            (format!("{:?}", given.value), place.to_string())
        }};
    }
    let rules = policy.controls().values().next();
    Some(match key {
        "mode" => shown!(&policy.mode),
        "unit_override" => shown!(&policy.unit_override),
        "sysctl_interval" => shown!(&policy.sysctl_interval),
        "restart.per_day" => shown!(&policy.restart.per_day),
        "control.sample-file.state" => shown!(rules?.state.as_ref()?),
        _ => shown!(rules?.parameters.get("max_age")?),
    })
}

fn file(index: usize, text: String) -> (PathBuf, String) {
    (PathBuf::from(format!("/{index}.toml")), text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_last_file_that_names_a_key_wins_and_keys_that_none_names_keep_their_default(
        layers in proptest::collection::vec(
            proptest::collection::vec(proptest::option::of(0..2_usize), LINES.len()),
            0..5,
        ),
    ) {
        let catalogue = catalogue();
        let mut files = Vec::new();
        let mut expected = BTreeMap::new();
        for (index, choices) in layers.iter().enumerate() {
            let mut text = String::new();
            let mut line = 0;
            for ((key, values), choice) in LINES.iter().zip(choices) {
                if let Some(choice) = choice {
                    line += 1;
                    let entry = format!("{key} = {}\n", values[*choice]);
                    text.push_str(&entry);
                    expected.insert(*key, (entry, format!("/{index}.toml:{line}")));
                }
            }
            files.push(file(index, text));
        }
        let policy = Policy::from_files(&files, catalogue).unwrap();
        for (key, _) in LINES {
            let winner = expected.get(key).map(|(entry, place)| {
                let alone = Policy::from_files(&[file(9, entry.clone())], catalogue).unwrap();
                (found(&alone, key).unwrap().0, place.clone())
            });
            prop_assert_eq!(found(&policy, key), winner, "{}", key);
        }
        let untouched = Policy::default();
        prop_assert_eq!(&policy.full_pass_interval, &untouched.full_pass_interval);
        prop_assert_eq!(&policy.restart.jitter, &untouched.restart.jitter);
    }

    #[test]
    fn no_text_makes_the_reader_panic_and_every_problem_prints(text in "\\PC*|(.|\n){0,200}") {
        let _ = policy(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn no_text_that_looks_like_a_policy_makes_the_reader_panic(
        parts in proptest::collection::vec(
            prop_oneof![
                Just("mode"), Just("[restart]\n"), Just("windows"), Just("[control"), Just("."),
                Just("sample-file"), Just("max_age"), Just("]\n"), Just("[[exception]]\n"), Just("expires"),
                Just(" = "), Just("\n"), Just("\""), Just("2027-02-30"), Just("99999999999999999999"), Just("-1"),
                Just("0x"), Just("1e400"), Just("nan"), Just("true"), Just("{"), Just("}"), Just("["), Just(","),
                Just("\u{e4}"), Just("\u{0}"), Just("\r\n"), Just("'''"),
            ],
            0..40,
        ),
    ) {
        let _ = policy(&parts.concat()).map_err(|error| error.to_string());
    }
}

#[test]
fn the_digest_changes_with_every_word_and_the_file_it_stands_in_and_with_no_comment() {
    let both = |files: &[(&str, &str)]| {
        let files: Vec<(PathBuf, String)> = files
            .iter()
            .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
            .collect();
        let policy = Policy::from_files(&files, catalogue()).unwrap();
        (
            policy.digest().to_owned(),
            policy.operators_digest().to_owned(),
        )
    };
    let digest = |files: &[(&str, &str)]| both(files).0;
    const OBSERVE: &str = "mode = \"observe\"\n";
    const ENFORCE: &str = "mode = \"enforce\"\n";
    let digests = [
        digest(&[]),
        digest(&[("/a", OBSERVE)]),
        digest(&[("/b", OBSERVE)]),
        digest(&[("/a", ENFORCE)]),
        digest(&[("/a", OBSERVE), ("/b", ENFORCE)]),
        digest(&[("/a", ENFORCE), ("/b", OBSERVE)]),
    ];
    let distinct: std::collections::BTreeSet<&String> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len());
    let commented = format!("# A new release explains more.\n\n{OBSERVE}# and more\n");
    assert_eq!(
        digest(&[("/a", &commented), ("/c", "# nothing\n")]),
        digests[1]
    );
    assert_eq!(digests[0].len(), 64);
    let vendor = both(&[("/usr/lib/k3warden/defaults.toml", OBSERVE)]);
    assert_ne!(vendor.0, digests[0]);
    assert_eq!(
        vendor.1,
        both(&[]).1,
        "what a package brings is not the operator's"
    );
}

#[test]
fn an_exception_in_a_later_file_is_a_duplicate_too() {
    let text = "[[exception]]\ncontrol = \"sample-file\"\nreason = \"r\"\nowner = \"o\"\nexpires = 2020-01-31\n";
    let files = [file(1, text.to_owned()), file(2, text.to_owned())];
    let message = Policy::from_files(&files, catalogue())
        .unwrap_err()
        .to_string();
    let expected = "/2.toml:2:11: control `sample-file` has an exception already\n\
        2 | control = \"sample-file\"\n\
        \u{20} |           ^^^^^^^^^^^^^ the first is at /1.toml:1; keep one of them";
    assert_eq!(message, expected);
}

const PACKAGED: &str = include_str!("../../packaging/config.toml");

/// The packaged file with every key in force: settings follow their `#` at once, explanations after a space.
fn uncommented() -> String {
    let lines = PACKAGED.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_packaged_policy_says_nothing_until_someone_takes_a_comment_away() {
    assert!(
        PACKAGED
            .lines()
            .all(|line| line.is_empty() || line.starts_with('#'))
    );
}

#[test]
fn the_packaged_policy_shows_every_key_with_its_default() -> Result<(), PolicyError> {
    let text = uncommented();
    let packaged = Policy::from_files(&[file(0, text.clone())], &Catalogue::built_in()?)?;
    let default = Policy::default();
    assert_eq!(packaged.mode.value, default.mode.value);
    assert_eq!(packaged.unit_override.value, default.unit_override.value);
    assert_eq!(packaged.on_disable.value, default.on_disable.value);
    assert_eq!(
        packaged.sysctl_interval.value,
        default.sysctl_interval.value
    );
    assert_eq!(
        packaged.full_pass_interval.value,
        default.full_pass_interval.value
    );
    assert_eq!(packaged.ledger_limit.value, default.ledger_limit.value);
    let (rules, usual) = (&packaged.restart, &default.restart);
    assert_eq!(rules.minimum_interval.value, usual.minimum_interval.value);
    assert_eq!(rules.per_day.value, usual.per_day.value);
    assert_eq!(rules.settle_time.value, usual.settle_time.value);
    assert_eq!(rules.settle_limit.value, usual.settle_limit.value);
    assert_eq!(rules.jitter.value, usual.jitter.value);
    let exempt = packaged.controls().values().next().unwrap();
    let catalogue = Catalogue::built_in()?;
    let control = catalogue.control("pod-security-configuration").unwrap();
    let parameter = &control.parameters["namespaces"];
    assert_eq!(exempt.parameters["namespaces"].value, parameter.default);
    for key in keys::TOP.iter().chain(keys::RESTART).chain(keys::EXCEPTION) {
        let stands = |line: &str| {
            line.starts_with(&format!("{key} = ")) || line.trim_start_matches('[').starts_with(*key)
        };
        assert!(
            text.lines().any(stands),
            "`{key}` is not in packaging/config.toml"
        );
    }
    Ok(())
}
