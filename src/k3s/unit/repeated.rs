//! A drop-in that gives the whole command again, as ours does to exchange a few of its words. All others are still those of the
//! command beneath it, and whoever wants to change one looks for it there.

use std::collections::{BTreeMap, VecDeque};

use crate::k3s::command_line::Word;

/// Begins the line by which such a drop-in says what it is; behind it is the digest of the command that it was made for.
pub const STANDS_FOR: &str = "# stands for: ";

/// Whether a drop-in says that it repeats the command beneath it.
pub(super) fn repeats(content: &[u8]) -> bool {
    content
        .split(|byte| *byte == b'\n')
        .any(|line| line.starts_with(STANDS_FOR.as_bytes()))
}

/// Gives the words that stand in the command beneath too the places that they have there: up to the first that differs, from the
/// last that differs on, and between these in their order.
pub(super) fn keep_places(words: &mut [Word], beneath: &[Word]) {
    let same = |(word, other): &(&Word, &Word)| word.text == other.text;
    let before = words.iter().zip(beneath).take_while(same).count();
    let (first, words) = words.split_at_mut(before);
    let (first_beneath, beneath) = beneath.split_at(before);
    let behind = words
        .iter()
        .rev()
        .zip(beneath.iter().rev())
        .take_while(same)
        .count();
    let (words, last) = words.split_at_mut(words.len().saturating_sub(behind));
    let (beneath, last_beneath) = beneath.split_at(beneath.len().saturating_sub(behind));
    let repeated = first.iter_mut().zip(first_beneath);
    for (word, other) in repeated.chain(last.iter_mut().zip(last_beneath)) {
        word.place.clone_from(&other.place);
    }
    keep_places_between(words, beneath);
}

fn keep_places_between(words: &mut [Word], beneath: &[Word]) {
    // By text, so that a hostile file costs no more than its length.
    let mut by_text: BTreeMap<&str, VecDeque<usize>> = BTreeMap::new();
    for (index, word) in beneath.iter().enumerate() {
        by_text.entry(&word.text).or_default().push_back(index);
    }
    let mut next = 0;
    for word in words {
        let Some(there) = by_text.get_mut(word.text.as_str()) else {
            continue;
        };
        while there.front().is_some_and(|index| *index < next) {
            there.pop_front();
        }
        if let Some(index) = there.pop_front()
            && let Some(other) = beneath.get(index)
        {
            word.place.clone_from(&other.place);
            next = index.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::Place;

    fn words(file: &str, texts: &[&str]) -> Vec<Word> {
        let word = |(index, text): (usize, &&str)| Word {
            text: (*text).to_owned(),
            place: Place::File {
                path: file.into(),
                line: index,
            },
        };
        texts.iter().enumerate().map(word).collect()
    }

    fn places(ours: &[&str], beneath: &[&str]) -> Vec<String> {
        let mut words_of_ours = words("ours", ours);
        keep_places(&mut words_of_ours, &words("theirs", beneath));
        let places = words_of_ours.iter().map(|word| word.place.to_string());
        places.collect()
    }

    #[test]
    fn what_is_repeated_keeps_its_place_and_what_is_exchanged_has_ours() {
        assert_eq!(
            places(&["server", "--a=ours", "--b"], &["server", "--a=1", "--b"]),
            ["theirs:0", "ours:1", "theirs:2"]
        );
        assert_eq!(places(&["server"], &["server"]), ["theirs:0"]);
        assert_eq!(places(&["server"], &[]), ["ours:0"]);
        assert_eq!(places(&[], &["server"]), [""; 0]);
    }

    #[test]
    fn a_word_that_is_there_several_times_is_the_one_that_was_not_exchanged() {
        let beneath = ["server", "--x", "a=1", "--x", "b=2", "--y", "--x", "c=3"];
        assert_eq!(
            places(
                &["server", "--x=a=9", "--x", "b=2", "--y", "--x=c=9"],
                &beneath
            ),
            [
                "theirs:0", "ours:1", "theirs:1", "theirs:4", "theirs:5", "ours:5"
            ],
            "between two exchanged words the nearest of the same"
        );
        assert_eq!(
            places(
                &["server", "--x=a=9", "--x", "b=2", "--y", "--x", "c=3"],
                &beneath
            ),
            [
                "theirs:0", "ours:1", "theirs:3", "theirs:4", "theirs:5", "theirs:6", "theirs:7"
            ]
        );
    }
}
