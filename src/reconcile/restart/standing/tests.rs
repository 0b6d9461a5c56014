use super::super::inputs::Reading;
use super::*;
use crate::host::testing::{until_files_have_a_later_second, until_files_have_a_later_time};
use crate::k3s::component::Component;
use crate::reconcile::ledger::Hash;

fn arguments(words: &[&str]) -> Arguments {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    Arguments::from([(Component::Apiserver, words)])
}

fn digest(text: &str) -> InputDigest {
    let content = Some(Hash::of(text.as_bytes()));
    InputDigest::default().with_file(Path::new("/c/config.yaml"), Reading::Merged, content)
}

fn ages(merged: i64, loaded: i64) -> Ages {
    let changed = |path: &str, at_seconds| {
        vec![Changed {
            path: path.into(),
            at_seconds,
        }]
    };
    Ages {
        started_seconds: 100,
        merged: changed("/c/config.yaml", merged),
        loaded: changed("/c/audit.yaml", loaded),
    }
}

#[test]
fn the_doors_digest_decides_whatever_the_rest_says() {
    let (before, same, other) = (digest("a"), digest("a"), digest("b"));
    let (running, next) = (arguments(&["--a=1"]), arguments(&["--a=2"]));
    let new = ages(500, 500);
    let evidence = Evidence {
        door: Some(&before),
        arguments: Some((&running, &next)),
        ages: Some(&new),
        ..Evidence::default()
    };
    assert_eq!(evidence.standing(&same), Standing::InStep(Source::Door));
    assert!(
        matches!(evidence.standing(&other), Standing::Differs(Source::Door, found) if found.len() == 1)
    );
}

#[test]
fn what_was_something_else_before_k3s_was_ready_is_no_proof_that_it_is_what_was_read() {
    let (door, other) = (digest("a"), digest("b"));
    let (running, next) = (arguments(&["--a=1"]), arguments(&["--a=2"]));
    let evidence = |door, ages, next| Evidence {
        door: Some(door),
        overtaken: true,
        arguments: Some((&running, next)),
        ages: Some(ages),
        ..Evidence::default()
    };
    let (old, new) = (ages(0, 0), ages(100, 0));
    let here = digest("a");
    let standing = |door, ages, next| evidence(door, ages, next).standing(&here);
    assert!(matches!(
        standing(&other, &old, &running),
        Standing::Differs(Source::Door, _)
    ));
    assert!(matches!(
        standing(&door, &new, &next),
        Standing::Differs(Source::Journal, _)
    ));
    assert!(matches!(
        standing(&door, &new, &running),
        Standing::Unknown(_)
    ));
}

#[test]
fn without_the_door_the_journals_arguments_tell_and_ages_tell_of_the_files_that_they_name() {
    let running = arguments(&["--a=1"]);
    for (name, next, ages, expected) in [
        (
            "other arguments",
            arguments(&["--a=2"]),
            Some(ages(0, 0)),
            "differs",
        ),
        (
            "same arguments, old files",
            arguments(&["--a=1"]),
            Some(ages(99, 99)),
            "in step",
        ),
        (
            "same arguments, newer audit policy",
            arguments(&["--a=1"]),
            Some(ages(0, 100)),
            "unknown",
        ),
        (
            "same arguments, newer configuration: not every option is an argument",
            arguments(&["--a=1"]),
            Some(ages(100, 0)),
            "unknown",
        ),
        (
            "same arguments, no ages",
            arguments(&["--a=1"]),
            None,
            "unknown",
        ),
    ] {
        let evidence = Evidence {
            arguments: Some((&running, &next)),
            ages: ages.as_ref(),
            ..Evidence::default()
        };
        let standing = evidence.standing(&digest("x"));
        let word = match standing {
            Standing::Differs(Source::Journal, _) => "differs",
            Standing::InStep(Source::Journal) => "in step",
            Standing::Unknown(_) => "unknown",
            _ => "wrong source",
        };
        assert_eq!(word, expected, "{name}");
    }
}

#[test]
fn without_door_and_journal_only_inputs_older_than_the_process_are_in_step() {
    let silent = Arguments::new();
    for (name, ages, expected) in [
        ("all older", Some(ages(99, 1)), Some(true)),
        ("one of the same second", Some(ages(100, 1)), Some(false)),
        ("one newer", Some(ages(1, 101)), Some(false)),
        ("no ages", None, Some(false)),
    ] {
        let evidence = Evidence {
            arguments: Some((&silent, &silent)),
            ages: ages.as_ref(),
            ..Evidence::default()
        };
        let in_step = match evidence.standing(&digest("x")) {
            Standing::InStep(Source::Age) => Some(true),
            Standing::Unknown(_) => Some(false),
            _ => None,
        };
        assert_eq!(in_step, expected, "{name}");
    }
}

#[test]
fn arguments_differ_by_flag_and_order_of_one_flags_values_but_not_by_order_of_flags() {
    let said = |running: &[&str], next: &[&str]| -> Vec<String> {
        let found = argument_differences(&arguments(running), &arguments(next));
        found.iter().map(Difference::to_string).collect()
    };
    assert_eq!(said(&["--a=1", "--b=2"], &["--b=2", "--a=1"]), [""; 0]);
    assert_eq!(
        said(&["--a=1"], &["--a=2"]),
        ["kube-apiserver --a changed since this K3s started"]
    );
    assert_eq!(
        said(&[], &["--a=2"]),
        ["kube-apiserver --a was added since this K3s started"]
    );
    assert_eq!(
        said(&["--a=1"], &[]),
        ["kube-apiserver --a was removed since this K3s started"]
    );
    assert_eq!(said(&["--a=1", "--a=2"], &["--a=2", "--a=1"]).len(), 1);
    assert_eq!(
        said(&["--node-ip=10.0.0.1"], &["--node-ip={auto}"]),
        [""; 0]
    );
    assert_eq!(said(&["--t={secret}"], &["--t={secret}"]), [""; 0]);
}

#[test]
fn a_component_that_the_journal_did_not_tell_of_is_no_difference() {
    let next = arguments(&["--a=1"]);
    assert_eq!(argument_differences(&Arguments::new(), &next), []);
}

#[test]
fn a_clock_that_was_set_never_makes_the_start_later_than_it_was() {
    let start = |wall, noted| {
        started_no_later_than(
            wall,
            Duration::from_secs(1000),
            Duration::from_secs(400),
            noted,
        )
    };
    assert_eq!(start(10_000, None), 9_400);
    assert_eq!(start(10_000, Some(9_399)), 9_399);
    assert_eq!(start(10_000, Some(50)), 50, "set on after the start");
    assert_eq!(start(1_000, Some(9_399)), 400, "set back after the start");
}

#[test]
fn a_link_counts_as_young_as_the_younger_of_link_and_target() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::open(directory.path()).unwrap();
    assert_eq!(Changed::look(&root, Path::new("/a")).unwrap(), None);
    std::fs::write(directory.path().join("a"), "").unwrap();
    let file = Changed::look(&root, Path::new("/a")).unwrap().unwrap();
    until_files_have_a_later_second();
    std::os::unix::fs::symlink("a", directory.path().join("b")).unwrap();
    let link = Changed::look(&root, Path::new("/b")).unwrap().unwrap();
    assert!(link.at_seconds > file.at_seconds);
    until_files_have_a_later_second();
    std::fs::write(directory.path().join("a"), "new").unwrap();
    let target = Changed::look(&root, Path::new("/b")).unwrap().unwrap();
    assert!(target.at_seconds > link.at_seconds);
}

#[test]
fn an_option_that_was_kept_and_is_another_now_differs_though_it_is_no_argument() {
    let options = |name: &str, value: &str| {
        SetOptions::from([
            (name.to_owned(), vec![value.to_owned()]),
            ("token".to_owned(), vec![SECRET.to_owned()]),
        ])
    };
    let (running, newer) = (arguments(&["--a=1"]), ages(500, 0));
    for (name, next, differs) in [
        ("protect-kernel-defaults", "true", true),
        ("protect-kernel-defaults", "false", false),
        // The arguments say that.
        ("kubelet-arg", "true", false),
    ] {
        let (before, after) = (options(name, "false"), options(name, next));
        let standing = Evidence {
            arguments: Some((&running, &running)),
            options: Some((&before, &after)),
            ages: Some(&newer),
            ..Evidence::default()
        }
        .standing(&digest("x"));
        let found = matches!(&standing, Standing::Differs(_, found) if found.len() == 1);
        assert_eq!(found, differs, "{name}: {standing:?}");
    }
}

#[test]
fn a_secret_that_came_or_went_differs_and_another_secret_nobody_can_tell() {
    let secret = SetOptions::from([("token".to_owned(), vec![SECRET.to_owned()])]);
    let none = SetOptions::new();
    assert_eq!(option_differences(&secret, &secret), []);
    assert_eq!(option_differences(&secret, &none).len(), 1);
    assert_eq!(option_differences(&none, &secret).len(), 1);
}

/// K3s makes its kubeconfig there at its start, after it has read its configuration.
#[test]
fn a_file_that_went_after_k3s_made_its_own_beside_it_has_left_a_trace() {
    let directory = tempfile::tempdir().unwrap();
    let root = Root::open(directory.path()).unwrap();
    let of_k3s = directory.path().join("c/k3s.yaml");
    let path = Path::new("/c/config.yaml");
    let trace = || Changed::look_for_trace(&root, path, &["k3s.yaml"]).unwrap();
    std::fs::create_dir(directory.path().join("c")).unwrap();
    std::fs::write(directory.path().join("c/config.yaml"), "debug: true").unwrap();
    std::fs::write(&of_k3s, "one").unwrap();
    until_files_have_a_later_time();
    std::fs::write(&of_k3s, "two").unwrap();
    assert_eq!(trace(), None);
    // Made in the same moment: it is K3s's own file that came.
    let made = std::fs::metadata(&of_k3s).unwrap().modified().unwrap();
    let own = std::fs::File::open(directory.path().join("c")).unwrap();
    own.set_modified(made).unwrap();
    assert_eq!(trace(), None);
    until_files_have_a_later_time();
    std::fs::remove_file(directory.path().join("c/config.yaml")).unwrap();
    assert!(trace().is_some());
    std::fs::remove_dir_all(directory.path().join("c")).unwrap();
    assert!(trace().is_some(), "the directory above has it");
}
