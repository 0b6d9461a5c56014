//! What we wrote of what K3s reads, and how it is put back.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::reconcile::ledger::Hash;

/// The options of K3s that nobody takes away or changes once there is a key: without them K3s reads encrypted Secrets no
/// more (k3s-facts 5). Only whole keys at the first column are options in a file of ours.
const ENCRYPTION: [&str; 2] = ["secrets-encryption", "secrets-encryption-provider"];

/// One file of ours.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OurFile {
    /// Its text.
    pub content: String,
    /// Its permission bits.
    pub mode: u32,
}

impl fmt::Debug for OurFile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "OurFile({} bytes, {:o})",
            self.content.len(),
            self.mode
        )
    }
}

/// Our files that K3s reads, by path: the drop-in of its configuration, audit policy, admission configuration, a drop-in
/// of its unit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OurPart {
    /// By path as seen inside the root.
    pub files: BTreeMap<String, OurFile>,
}

impl OurPart {
    /// Names this part. Modes take no part: K3s reads as root.
    #[must_use]
    pub fn digest(&self) -> Hash {
        let mut bytes = Vec::new();
        for (path, file) in &self.files {
            bytes.extend_from_slice(path.as_bytes());
            bytes.push(0);
            bytes.extend_from_slice(Hash::of(file.content.as_bytes()).to_string().as_bytes());
            bytes.push(0);
        }
        Hash::of(&bytes)
    }
}

/// What stands of the encryption of Secrets on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionKey {
    /// `server/cred/encryption-config.json` is there, or it cannot be told.
    MayExist,
    /// It is not there.
    Absent,
}

/// What has to be written to put our part back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutBack {
    /// What is there afterwards.
    pub part: OurPart,
    /// The encryption lines that were kept though the last good state does not have them so.
    pub kept: Vec<String>,
    /// The files to write, then those to remove.
    pub write: Vec<String>,
    /// Files that only the present part has.
    pub remove: Vec<String>,
}

impl PutBack {
    /// Whether there is nothing to do: what failed was not ours to begin with.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.write.is_empty() && self.remove.is_empty()
    }
}

/// The way back from `present` to the last good state; without one, to nothing of ours. While there may be a key, every
/// encryption line of the present files stays as it is, in its file, and none is added beside it.
#[must_use]
pub fn put_back(last_good: Option<&OurPart>, present: &OurPart, key: EncryptionKey) -> PutBack {
    let mut part = last_good.cloned().unwrap_or_default();
    let mut kept = Vec::new();
    if key == EncryptionKey::MayExist {
        kept = keep_encryption(&mut part, present);
    }
    let differs = |path: &&String| present.files.get(*path) != part.files.get(*path);
    let write = part.files.keys().filter(differs).cloned().collect();
    let gone = |path: &&String| !part.files.contains_key(*path);
    let remove = present.files.keys().filter(gone).cloned().collect();
    PutBack {
        part,
        kept,
        write,
        remove,
    }
}

/// Returns what had to be kept against the last good state.
fn keep_encryption(part: &mut OurPart, present: &OurPart) -> Vec<String> {
    let is_set = present
        .files
        .values()
        .any(|file| file.content.lines().any(is_encryption) || mentions(&file.content));
    if !is_set {
        // Ours says nothing; what the last good state says may be what K3s needs.
        return Vec::new();
    }
    let before: Vec<String> = lines_of(part);
    for (path, file) in &mut part.files {
        let lines = present
            .files
            .get(path)
            .map_or_else(Vec::new, encryption_lines);
        if encryption_lines(file) != lines {
            let content = with_encryption(&file.content, &lines);
            file.content = content;
        }
    }
    for (path, file) in &present.files {
        let lines = encryption_lines(file);
        if mentions(&file.content) {
            // A command line of the unit, or a form that is not taken apart: whole or not at all.
            part.files.insert(path.clone(), file.clone());
        } else if !lines.is_empty() && !part.files.contains_key(path) {
            let content = with_encryption("", &lines);
            part.files.insert(
                path.clone(),
                OurFile {
                    content,
                    mode: file.mode,
                },
            );
        }
    }
    let after = lines_of(part);
    after
        .into_iter()
        .filter(|line| !before.contains(line))
        .collect()
}

fn encryption_lines(file: &OurFile) -> Vec<&str> {
    file.content
        .lines()
        .filter(|line| is_encryption(line))
        .collect()
}

fn lines_of(part: &OurPart) -> Vec<String> {
    let lines = part.files.values().flat_map(|file| file.content.lines());
    lines
        .filter(|line| is_encryption(line))
        .map(str::to_owned)
        .collect()
}

/// `secrets-encryption: true`, its key perhaps quoted.
fn is_encryption(line: &str) -> bool {
    let Some((key, _)) = line.split_once(':') else {
        return false;
    };
    let key = key
        .trim_end()
        .trim_matches(['"', '\''])
        .trim_end_matches('+');
    ENCRYPTION.contains(&key)
}

/// Says something of encryption that is no such line.
fn mentions(content: &str) -> bool {
    let apart = |line: &&str| !is_encryption(line) && !line.trim_start().starts_with('#');
    content
        .lines()
        .filter(apart)
        .any(|line| line.contains("secrets-encryption"))
}

/// The content with these encryption lines and no others.
fn with_encryption(content: &str, encryption: &[&str]) -> String {
    let lines = content.split_inclusive('\n');
    let mut new: String = lines
        .filter(|line| !is_encryption(line.trim_end_matches(['\n', '\r'])))
        .collect();
    if !new.is_empty() && !new.ends_with('\n') {
        new.push('\n');
    }
    for line in encryption {
        new.push_str(line);
        new.push('\n');
    }
    new
}

#[cfg(test)]
mod tests {
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
        assert!(back.is_nothing());
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
}
