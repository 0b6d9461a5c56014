use super::*;
use crate::host::Root;

fn hash(text: &str) -> Option<Hash> {
    Some(Hash::of(text.as_bytes()))
}

fn base() -> InputDigest {
    InputDigest::default()
        .with_file(Path::new("/c/config.yaml"), Reading::Merged, hash("a"))
        .with_file(
            Path::new("/c/config.yaml.d/50-x.yaml"),
            Reading::Merged,
            None,
        )
        .with_file(Path::new("/c/audit.yaml"), Reading::Loaded, hash("rules"))
        .with_command_line(&["/usr/local/bin/k3s", "server"])
        .with_variable("K3S_TOKEN", "secret")
}

fn said(before: &InputDigest, after: &InputDigest) -> Vec<String> {
    before
        .differences(after)
        .iter()
        .map(Difference::to_string)
        .collect()
}

#[test]
fn each_difference_is_named() {
    let file = |path, reading, text| base().with_file(Path::new(path), reading, text);
    for (after, expected) in [
        (
            file("/c/config.yaml", Reading::Merged, hash("b")),
            "/c/config.yaml changed since this K3s started",
        ),
        (
            file("/c/config.yaml.d/50-x.yaml", Reading::Merged, hash("b")),
            "/c/config.yaml.d/50-x.yaml was added since this K3s started",
        ),
        (
            file("/c/config.yaml", Reading::Merged, None),
            "/c/config.yaml was removed since this K3s started",
        ),
        (
            file("/c/new.yaml", Reading::Merged, hash("n")),
            "/c/new.yaml was added since this K3s started",
        ),
        (
            base().with_command_line(&["/usr/local/bin/k3s", "agent"]),
            "the unit's command line changed since this K3s started",
        ),
        (
            base().with_variable("K3S_TOKEN", "other"),
            "the unit's variable K3S_TOKEN changed since this K3s started",
        ),
    ] {
        assert_eq!(said(&base(), &after), [expected]);
    }
    assert_eq!(said(&base(), &base()), [""; 0]);
}

#[test]
fn words_of_a_command_line_are_not_run_together() {
    let first = InputDigest::default().with_command_line(&["a b"]);
    let second = InputDigest::default().with_command_line(&["a", "b"]);
    assert_eq!(first.differences(&second).len(), 1);
}

#[test]
fn a_file_that_is_neither_there_before_nor_after_is_no_difference() {
    let after = base().with_file(Path::new("/c/other.yaml"), Reading::Merged, None);
    assert_eq!(base().differences(&after), []);
}

#[test]
fn the_same_outcome_of_the_merge_makes_its_sources_immaterial_but_not_files_that_are_loaded() {
    let outcome = Hash::of(b"merged");
    let before = base().with_effective(outcome);
    let after = base()
        .with_file(
            Path::new("/c/config.yaml"),
            Reading::Merged,
            hash("# comment"),
        )
        .with_effective(outcome);
    assert_eq!(before.differences(&after), []);
    let after = after.with_file(Path::new("/c/audit.yaml"), Reading::Loaded, hash("other"));
    assert_eq!(
        said(&before, &after),
        ["/c/audit.yaml changed since this K3s started"]
    );
    let after = base()
        .with_file(
            Path::new("/c/config.yaml"),
            Reading::Merged,
            hash("# comment"),
        )
        .with_effective(Hash::of(b"other"));
    assert_eq!(before.differences(&after).len(), 1);
}

#[test]
fn a_binary_of_which_only_bits_or_label_were_touched_is_no_other_one() {
    let kept = tempfile::tempdir().unwrap();
    let root = Root::open(kept.path()).unwrap();
    std::fs::write(kept.path().join("k3s"), "binary").unwrap();
    let path = Path::new("/k3s");
    let entry = root.look_through(path).unwrap().unwrap();
    let (old, new) = (K3sVersion::new(35, 1), K3sVersion::new(36, 1));
    let of = |entry: &Entry, version| {
        InputDigest::default().with_binary(Binary::of(path, entry, version))
    };
    let touched = Entry {
        changed: (entry.changed.0 + 9, 0),
        ..entry.clone()
    };
    let written = Entry {
        modified: touched.changed,
        ..touched.clone()
    };
    let longer = Entry {
        size_bytes: 7,
        ..touched.clone()
    };
    let another = Entry {
        identity: (entry.identity.0, entry.identity.1 + 1),
        ..touched.clone()
    };
    let before = of(&entry, old);
    for (name, now, differs) in [
        ("nothing", of(&entry, old), false),
        ("chmod", of(&touched, old), false),
        (
            "written in place, and its time set back",
            of(&touched, new),
            true,
        ),
        ("written in place", of(&written, old), true),
        ("longer", of(&longer, old), true),
        ("exchanged", of(&another, old), true),
        ("gone", InputDigest::default(), true),
    ] {
        assert_eq!(!before.differences(&now).is_empty(), differs, "{name}");
    }
}

#[test]
fn no_secret_is_in_the_record() {
    let text = serde_json::to_string(&base()).unwrap();
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(serde_json::from_str::<InputDigest>(&text).unwrap(), base());
}

#[test]
fn a_long_list_of_differences_is_cut() {
    let all = vec![Difference::of(Input::Binary, Some(()), Some(())); 5];
    assert!(sentence(&all).ends_with("; and 2 more"));
}
