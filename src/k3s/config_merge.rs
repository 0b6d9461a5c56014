//! The keys of all configuration files become words of the command line (`readConfigFile` of K3s).

use std::collections::HashMap;

use super::command_line::Word;
use super::config_file::ConfigFile;
use super::yaml::{Located, Value, to_text};
use super::{K3sVersion, Place, Sourced};

/// From here on `key+` appends and the last plain key wins (K3s 8f1a20c0d).
const APPENDING: K3sVersion = K3sVersion::new(21, 1);

/// From here on drop-ins are read, and each key counts once (K3s a0a1071aa).
const EACH_KEY_ONCE: K3sVersion = K3sVersion::new(21, 0);

/// A key after the merge.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    /// The key, without `+`.
    pub(super) name: String,
    /// What it holds.
    held: Held,
    /// Values that a later file or line replaced.
    pub(super) overrode: Vec<Sourced>,
}

#[derive(Debug, Clone, PartialEq)]
enum Held {
    Single(Value, Place),
    List(Vec<(Value, Place)>),
}

impl Key {
    /// The words that this key becomes: `--key=value`, one for each item of a list.
    pub(super) fn words(&self) -> Vec<Word> {
        self.sourced()
            .into_iter()
            .map(|sourced| Word {
                text: format!("{}={}", self.flag(), sourced.value),
                place: sourced.place,
            })
            .collect()
    }

    /// How long its words are together.
    pub(super) fn bytes(&self) -> usize {
        let value = |value: &Value| match value {
            Value::Text(text) => text.len(),
            other => to_text(other).len(),
        };
        let (count, bytes) = match &self.held {
            Held::Single(single, _) => (1, value(single)),
            Held::List(items) => {
                let bytes = items.iter().map(|(item, _)| value(item));
                (items.len(), bytes.fold(0, usize::saturating_add))
            }
        };
        bytes.saturating_add(count.saturating_mul(self.name.len()))
    }

    /// The key with its dashes; a key of one byte gets one.
    pub(super) fn flag(&self) -> String {
        let dashes = if self.name.len() == 1 { "-" } else { "--" };
        format!("{dashes}{}", self.name)
    }

    fn sourced(&self) -> Vec<Sourced> {
        match &self.held {
            Held::Single(value, place) => vec![sourced(value, place)],
            Held::List(items) => items
                .iter()
                .map(|(value, place)| sourced(value, place))
                .collect(),
        }
    }
}

fn sourced(value: &Value, place: &Place) -> Sourced {
    Sourced {
        value: to_text(value),
        place: place.clone(),
    }
}

/// Merges the files, main file first, as the release does.
pub(super) fn merge(files: &[ConfigFile], version: K3sVersion) -> Vec<Key> {
    if version >= APPENDING {
        return merge_appending(files);
    }
    // 1.21.0 goes through the files from the last to the first, and the first sight of a key counts; before that there
    // is one file, and every occurrence becomes a word.
    let mut keys: Vec<Key> = Vec::new();
    let mut positions = HashMap::new();
    for file in files.iter().rev() {
        for entry in &file.entries {
            let held = hold(&entry.value, entry.line, file);
            let position = positions.entry(&entry.key).or_insert(keys.len());
            match keys.get_mut(*position).filter(|_| version >= EACH_KEY_ONCE) {
                Some(key) => key.overrode.extend(replaced(&entry.key, held)),
                None => keys.push(Key {
                    name: entry.key.clone(),
                    held,
                    overrode: Vec::new(),
                }),
            }
        }
    }
    keys
}

fn merge_appending(files: &[ConfigFile]) -> Vec<Key> {
    let mut keys: Vec<Key> = Vec::new();
    let mut positions = HashMap::new();
    for file in files {
        for entry in &file.entries {
            let (name, append) = match entry.key.strip_suffix('+') {
                Some(name) => (name, true),
                None => (entry.key.as_str(), false),
            };
            let held = hold(&entry.value, entry.line, file);
            let position = positions.entry(name).or_insert(keys.len());
            match keys.get_mut(*position) {
                None => keys.push(Key {
                    name: name.to_owned(),
                    held,
                    overrode: Vec::new(),
                }),
                Some(key) if append => {
                    let old = std::mem::replace(&mut key.held, Held::List(Vec::new()));
                    let mut items = to_list(old);
                    items.extend(to_list(held));
                    key.held = Held::List(items);
                }
                Some(key) => {
                    let old = std::mem::replace(&mut key.held, held);
                    key.overrode.extend(replaced(name, old));
                }
            }
        }
    }
    keys
}

fn replaced(name: &str, held: Held) -> Vec<Sourced> {
    Key {
        name: name.to_owned(),
        held,
        overrode: Vec::new(),
    }
    .sourced()
}

fn hold(value: &Located, key_line: usize, file: &ConfigFile) -> Held {
    let place = |line| Place::File {
        path: file.path.clone(),
        line,
    };
    match &value.value {
        Value::List(items) => Held::List(
            items
                .iter()
                .map(|item| (item.value.clone(), place(item.line)))
                .collect(),
        ),
        single => Held::Single(single.clone(), place(key_line)),
    }
}

/// K3s's `toSlice`: a text becomes one item, nothing becomes no item, all else one item of its trimmed print.
fn to_list(held: Held) -> Vec<(Value, Place)> {
    match held {
        Held::List(items) => items,
        Held::Single(Value::Text(text), place) => vec![(Value::Text(text), place)],
        Held::Single(value, place) => {
            let text = to_text(&value);
            if text.is_empty() {
                Vec::new()
            } else {
                vec![(Value::Text(text), place)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::yaml::decode;

    fn words(version: &str, texts: &[&str]) -> Vec<String> {
        let files: Vec<_> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| ConfigFile {
                path: format!("/{index}.yaml").into(),
                entries: decode(text.as_bytes()).unwrap(),
            })
            .collect();
        merge(&files, version.parse().unwrap())
            .iter()
            .flat_map(Key::words)
            .map(|word| word.text)
            .collect()
    }

    #[test]
    fn a_later_plain_key_replaces_a_whole_list() {
        assert_eq!(words("1.36.3", &["a: [1, 2]", "a: [3]"]), ["-a=3"]);
    }

    #[test]
    fn a_key_with_plus_appends_and_promotes_a_text() {
        assert_eq!(
            words("1.36.3", &["ab: x", "ab+: [w]"]),
            ["--ab=x", "--ab=w"]
        );
        assert_eq!(words("1.36.3", &["ab+: [w]"]), ["--ab=w"]);
    }

    #[test]
    fn an_empty_list_clears_and_null_is_one_empty_item() {
        assert_eq!(words("1.36.3", &["ab: [1]", "ab: []"]), [""; 0]);
        assert_eq!(words("1.36.3", &["ab: [1]", "ab:"]), ["--ab="]);
        assert_eq!(words("1.36.3", &["ab:", "ab+:"]), [""; 0]);
    }

    #[test]
    fn what_was_replaced_is_remembered_with_its_line() {
        let file = |path: &str, text: &str| ConfigFile {
            path: path.into(),
            entries: decode(text.as_bytes()).unwrap(),
        };
        let files = [file("/a", "\nab:\n- x\n"), file("/b", "ab: y")];
        let keys = merge(&files, K3sVersion::new(36, 3));
        let old: Vec<_> = keys[0]
            .overrode
            .iter()
            .map(|old| old.place.to_string())
            .collect();
        assert_eq!(old, ["/a:3"]);
    }

    #[test]
    fn before_1_21_1_plus_is_part_of_the_key() {
        assert_eq!(words("1.21.0", &["ab: 1", "ab+: 2"]), ["--ab+=2", "--ab=1"]);
    }

    #[test]
    fn in_1_21_0_the_last_file_and_the_first_line_win() {
        assert_eq!(words("1.21.0", &["ab: 1", "ab: 2\nab: 3"]), ["--ab=2"]);
    }

    #[test]
    fn in_1_20_every_line_becomes_a_word() {
        assert_eq!(words("1.20.4", &["ab: 1\nab: 2"]), ["--ab=1", "--ab=2"]);
    }
}
