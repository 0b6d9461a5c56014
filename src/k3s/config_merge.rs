//! The keys of all configuration files become words of the command line (`readConfigFile` of K3s).

use std::collections::{HashMap, VecDeque};

use super::command_line::Word;
use super::config_file::ConfigFile;
use super::yaml::{Located, Value, to_text};
use super::{K3sVersion, Place, Sourced};

/// From here on `key+` appends and the last plain key wins (K3s 8f1a20c0d).
const APPENDING: K3sVersion = K3sVersion::new(21, 1);

/// From here on drop-ins are read, and each key counts once (K3s a0a1071aa).
const EACH_KEY_ONCE: K3sVersion = K3sVersion::new(21, 0);

/// Stands behind an item of a list in a file, ours, that gives a list of the operator's again to leave something out: who wants to change
/// such an item looks for it where it was.
pub const FROM_YOUR_LIST: &str = " # from-your-list";

/// Whether a file has such items.
pub(super) fn repeats(content: &[u8]) -> bool {
    let mut rows = content.split(|byte| *byte == b'\n');
    rows.any(|row| row.ends_with(FROM_YOUR_LIST.as_bytes()))
}

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
                    let mut old = std::mem::replace(&mut key.held, held);
                    if file.repeats {
                        keep_places(&mut key.held, &mut old);
                    }
                    key.overrode.extend(replaced(name, old));
                }
            }
        }
    }
    keys
}

/// Items that a list only repeats keep their places, and are none that it replaced. By text, so that a hostile file costs no more than its
/// length.
fn keep_places(held: &mut Held, old: &mut Held) {
    let (Held::List(items), Held::List(before)) = (held, old) else {
        return;
    };
    let mut by_text: HashMap<String, VecDeque<usize>> = HashMap::new();
    for (index, (value, _)) in items.iter().enumerate() {
        by_text.entry(to_text(value)).or_default().push_back(index);
    }
    let mut next = 0;
    before.retain_mut(|(value, place)| {
        let Some(there) = by_text.get_mut(&to_text(value)) else {
            return true;
        };
        while there.front().is_some_and(|index| *index < next) {
            there.pop_front();
        }
        let Some(index) = there.pop_front() else {
            return true;
        };
        if let Some((_, kept)) = items.get_mut(index) {
            std::mem::swap(kept, place);
        }
        next = index.saturating_add(1);
        false
    });
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
                repeats: false,
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
            repeats: repeats(text.as_bytes()),
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
    fn an_item_that_is_only_repeated_keeps_its_place() {
        let file = |path: &str, text: &str| ConfigFile {
            path: path.into(),
            entries: decode(text.as_bytes()).unwrap(),
            repeats: repeats(text.as_bytes()),
        };
        let first = file("/a", "ab:\n- x\n- weak\n- y\n- x\n");
        let second = |mark| format!("ab:\n- x{mark}\n- y{mark}\n- x{mark}\n- ours # b\n");
        for (mark, places, overrode) in [
            (
                FROM_YOUR_LIST,
                ["/a:2", "/a:4", "/a:5", "/b:5"],
                vec!["/a:3"],
            ),
            (
                "",
                ["/b:2", "/b:3", "/b:4", "/b:5"],
                vec!["/a:2", "/a:3", "/a:4", "/a:5"],
            ),
        ] {
            let files = [first.clone(), file("/b", &second(mark))];
            let keys = merge(&files, K3sVersion::new(36, 3));
            let words = keys[0].words().into_iter();
            let found: Vec<_> = words.map(|word| word.place.to_string()).collect();
            assert_eq!(found, places);
            let old = keys[0].overrode.iter();
            let old: Vec<_> = old.map(|old| old.place.to_string()).collect();
            assert_eq!(old, overrode);
        }
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
