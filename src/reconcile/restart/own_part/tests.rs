use proptest::prelude::*;

use super::*;

const DROP_IN: &str = "/etc/rancher/k3s/config.yaml.d/99-k3warden.yaml";
const UNIT: &str = "/etc/systemd/system/k3s.service.d/99-k3warden.conf";

fn part(files: &[(&str, &str)]) -> OurPart {
    let file = |content: &str| OurFile {
        content: content.to_owned(),
        mode: 0o600,
    };
    let files = files
        .iter()
        .map(|(path, content)| ((*path).to_owned(), file(content)));
    OurPart {
        files: files.collect(),
    }
}

/// The way back where our command for the unit may have words that the unit's own lost.
fn put_back(good: Option<&OurPart>, present: &OurPart, key: EncryptionKey) -> PutBack {
    super::put_back(good, present, key, EncryptionWords::OnlyOurs)
}

fn text(put_back: &PutBack, path: &str) -> String {
    put_back.part.files[path].content.clone()
}

#[test]
fn the_last_good_state_comes_back_and_what_is_new_goes() {
    let good = part(&[(DROP_IN, "a: 1\n")]);
    let present = part(&[(DROP_IN, "a: 2\n"), (UNIT, "[Service]\n")]);
    let back = put_back(Some(&good), &present, EncryptionKey::Absent);
    assert_eq!(back.part, good);
    assert_eq!(back.write, [DROP_IN]);
    assert_eq!(back.remove, [UNIT]);
    assert!(back.kept.is_empty());
}

#[test]
fn without_a_last_good_state_nothing_of_ours_is_left() {
    let present = part(&[(DROP_IN, "secrets-encryption: true\na: 2\n")]);
    let back = put_back(None, &present, EncryptionKey::Absent);
    assert_eq!(back.part, OurPart::default());
    assert_eq!(back.remove, [DROP_IN]);
}

#[test]
fn what_did_not_change_is_not_put_back() {
    let good = part(&[(DROP_IN, "a: 1\n")]);
    assert!(put_back(Some(&good), &good, EncryptionKey::MayExist).is_nothing());
    assert_eq!(
        put_back(None, &OurPart::default(), EncryptionKey::MayExist).write,
        [""; 0]
    );
}

#[test]
fn once_there_is_a_key_its_lines_stay_whatever_is_put_back() {
    let present = part(&[(
        DROP_IN,
        "a: 2\nsecrets-encryption: true\nsecrets-encryption-provider: secretbox\n",
    )]);
    let lines = "secrets-encryption: true\nsecrets-encryption-provider: secretbox\n";
    let back = put_back(None, &present, EncryptionKey::MayExist);
    assert_eq!(text(&back, DROP_IN), lines);
    assert_eq!(back.kept.len(), 2);
    let good = part(&[(DROP_IN, "a: 1\nsecrets-encryption-provider: aescbc\nb: 1")]);
    let back = put_back(Some(&good), &present, EncryptionKey::MayExist);
    assert_eq!(text(&back, DROP_IN), format!("a: 1\nb: 1\n{lines}"));
}

#[test]
fn lines_that_only_the_last_good_state_has_come_back_with_it() {
    let good = part(&[(DROP_IN, "secrets-encryption: true\n")]);
    let present = part(&[(DROP_IN, "a: 1\n")]);
    let back = put_back(Some(&good), &present, EncryptionKey::MayExist);
    assert_eq!(text(&back, DROP_IN), "secrets-encryption: true\n");
}

#[test]
fn lines_do_not_move_to_another_file_where_they_would_be_outranked() {
    let other = "/etc/rancher/k3s/config.yaml.d/90-old.yaml";
    let good = part(&[(other, "secrets-encryption: false\na: 1\n")]);
    let present = part(&[(DROP_IN, "secrets-encryption: true\n")]);
    let back = put_back(Some(&good), &present, EncryptionKey::MayExist);
    assert_eq!(text(&back, other), "a: 1\n");
    assert_eq!(text(&back, DROP_IN), "secrets-encryption: true\n");
}

#[test]
fn a_command_line_of_the_unit_with_the_option_is_left_whole() {
    let present = part(&[(
        UNIT,
        "[Service]\nExecStart=\nExecStart=k3s server --secrets-encryption --x\n",
    )]);
    let back = put_back(None, &present, EncryptionKey::MayExist);
    assert_eq!(back.part, present);
    assert!(back.is_nothing() && !back.is_last_good);
    let words = EncryptionWords::Repeated;
    let back = super::put_back(None, &present, EncryptionKey::MayExist, words);
    assert_eq!(back.remove, [UNIT], "the unit's own command says it too");
}

#[test]
fn a_digest_names_paths_and_contents() {
    let first = part(&[(DROP_IN, "a: 1\n")]);
    assert_eq!(first.digest(), first.clone().digest());
    assert_ne!(first.digest(), part(&[(DROP_IN, "a: 2\n")]).digest());
    assert_ne!(first.digest(), part(&[(UNIT, "a: 1\n")]).digest());
    assert_ne!(first.digest(), OurPart::default().digest());
}

fn content() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("secrets-encryption: true".to_owned()),
        Just("secrets-encryption: false".to_owned()),
        Just("\"secrets-encryption\": true".to_owned()),
        Just("secrets-encryption-provider: secretbox".to_owned()),
        Just("secrets-encryption-provider: aescbc".to_owned()),
        Just("  - --secrets-encryption=true".to_owned()),
        Just("# secrets-encryption: false".to_owned()),
        "[a-z-]{1,12}: [a-z0-9]{0,8}",
        "\\PC{0,20}",
    ];
    let end = prop_oneof![Just("\n"), Just("\r\n"), Just("")];
    (proptest::collection::vec(line, 0..6), end)
        .prop_map(|(lines, end)| format!("{}{end}", lines.join("\n")))
}

fn parts() -> impl Strategy<Value = OurPart> {
    let path = prop_oneof![
        Just(DROP_IN),
        Just(UNIT),
        Just("/etc/rancher/k3s/audit.yaml")
    ];
    proptest::collection::vec((path, content()), 0..3).prop_map(|files| {
        let files: Vec<(&str, &str)> = files
            .iter()
            .map(|(path, text)| (*path, text.as_str()))
            .collect();
        part(&files)
    })
}

/// What a file says of encryption.
fn encryption(part: &OurPart, path: &str) -> Vec<String> {
    let content = part
        .files
        .get(path)
        .map_or("", |file| file.content.as_str());
    content
        .lines()
        .filter(|line| is_encryption(line))
        .map(str::to_owned)
        .collect()
}

proptest! {
    #[test]
    fn with_a_key_every_encryption_line_of_the_present_files_survives_unchanged(
        good in proptest::option::of(parts()),
        present in parts(),
    ) {
        let back = put_back(good.as_ref(), &present, EncryptionKey::MayExist);
        let any = present.files.keys().any(|path| !encryption(&present, path).is_empty());
        for path in present.files.keys() {
            prop_assert!(any || back.part.files.contains_key(path) || encryption(&present, path).is_empty());
            if any {
                prop_assert_eq!(encryption(&back.part, path), encryption(&present, path));
            }
            if mentions(&present.files[path].content) {
                prop_assert!(mentions(&back.part.files[path].content));
            }
        }
        if any {
            for path in back.part.files.keys().filter(|path| !present.files.contains_key(*path)) {
                prop_assert_eq!(encryption(&back.part, path), Vec::<String>::new());
            }
        }
    }

    #[test]
    fn putting_back_twice_changes_nothing_more(
        good in proptest::option::of(parts()),
        present in parts(),
    ) {
        for key in [EncryptionKey::MayExist, EncryptionKey::Absent] {
            let once = put_back(good.as_ref(), &present, key);
            let twice = put_back(good.as_ref(), &once.part, key);
            prop_assert!(twice.is_nothing() || twice.part == once.part, "{:?} {:?}", once, twice);
        }
    }
}
