//! Which parser a release of K3s has, and what is peculiar to each.

use super::Word;
use crate::k3s::K3sVersion;
use crate::k3s::options::Options;

/// Which parser a release has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Library {
    /// urfave/cli 1.22.2 and 1.22.4: options are moved before other words; a value never begins with a dash there.
    V1,
    /// urfave/cli 1.22.9 and later: the same, but any word that is no option can be a value.
    V1Late,
    /// urfave/cli v2: no moving.
    V2,
}

impl Library {
    pub(super) fn of(version: K3sVersion) -> Self {
        // go.mod of K3s: 1.22.9 came with 1.24.2, v2 with 1.33.0 (the 1.32 line stayed on v1).
        if version >= K3sVersion::new(33, 0) {
            Self::V2
        } else if version >= K3sVersion::new(24, 2) {
            Self::V1Late
        } else {
            Self::V1
        }
    }
}

/// Whether an empty environment variable of a number counts as not set (urfave/cli v2) or is refused (v1).
pub(in crate::k3s) fn empty_number_is_unset(version: K3sVersion) -> bool {
    Library::of(version) == Library::V2
}

/// Whether a list that K3s asks the library for by name (`disable`) comes without one of its empty items: urfave/cli
/// from 1.22.4 (K3s 1.23.0) up to v2 takes out its default, which it believes to be one empty item.
pub(in crate::k3s) fn drops_an_empty_item(option: &str, version: K3sVersion) -> bool {
    matches!(option, "disable" | "no-deploy")
        && version >= K3sVersion::new(23, 0)
        && Library::of(version) != Library::V2
}

/// urfave/cli v1 moves options, with the word behind each, before all other words (`reorderArgs`).
pub(super) fn reorder(words: &[Word], options: &Options, library: Library) -> Vec<Word> {
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    let mut value_may_follow = false;
    let mut remaining = words.iter();
    while let Some(word) = remaining.next() {
        let option = is_option(&word.text, options);
        let can_be_value = match library {
            Library::V1 => word.text != "--" && !word.text.starts_with('-'),
            _ => !option,
        };
        if value_may_follow && can_be_value {
            value_may_follow = false;
            first.push(word.clone());
        } else if word.text == "--" {
            let at = if library == Library::V1 {
                rest.len()
            } else {
                0
            };
            rest.insert(at, word.clone());
            rest.extend(remaining.by_ref().cloned());
        } else if option {
            value_may_follow = !word.text.contains('=');
            first.push(word.clone());
        } else {
            rest.push(word.clone());
        }
    }
    first.append(&mut rest);
    first
}

/// Whether v1 takes a word for an option of its own; up to three dashes are looked through.
fn is_option(word: &str, options: &Options) -> bool {
    let Some(name) = word.strip_prefix('-') else {
        return false;
    };
    let name = match name.strip_prefix('-') {
        Some(long) => long.strip_prefix('-').unwrap_or(long),
        None => name,
    };
    let name = name.split('=').next().unwrap_or_default();
    options.find(name).is_some() || matches!(name, "help" | "h")
}
