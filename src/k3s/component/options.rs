//! K3s options as its code reads them: typed, with K3s's own default where nothing set them.

use crate::k3s::{Merge, Place, SetOption, Sourced};

/// A typed view on the merged options.
#[derive(Debug, Clone, Copy)]
pub(super) struct Options<'a> {
    merge: &'a Merge,
}

impl<'a> Options<'a> {
    pub(super) fn new(merge: &'a Merge) -> Self {
        Self { merge }
    }

    /// Whether what is not set is meant not to be: K3s comes as far as to know all of them, and no word is a misspelt one.
    pub(super) const fn are_settled(&self) -> bool {
        self.merge.ends().is_none()
    }

    fn set(&self, name: &str) -> Option<&'a SetOption> {
        self.merge.options.get(name)
    }

    /// Every value of a list option, in K3s's order.
    pub(super) fn items(&self, name: &str) -> &'a [Sourced] {
        self.set(name).map_or(&[], |option| &option.values)
    }

    /// A scalar option that something set to a value that is not empty.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.items(name)
            .last()
            .map(|sourced| sourced.value.as_str())
            .filter(|text| !text.is_empty())
    }

    /// A scalar option that something set, to nothing perhaps.
    pub(super) fn set_to(&self, name: &str) -> Option<&'a str> {
        let last = self.items(name).last();
        last.map(|sourced| sourced.value.as_str())
    }

    /// The place that set an option.
    pub(super) fn place(&self, name: &str) -> Option<&'a Place> {
        self.items(name).last().map(|sourced| &sourced.place)
    }

    /// A switch; false where nothing set it.
    pub(super) fn on(&self, name: &str) -> bool {
        self.items(name).last().is_some_and(|sourced| {
            matches!(
                sourced.value.as_str(),
                "1" | "t" | "T" | "true" | "TRUE" | "True"
            )
        })
    }

    /// A number option, or its default.
    pub(super) fn number(&self, name: &str, default: i64) -> i64 {
        self.text(name)
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    }

    /// The same words as K3s takes most of them: blanks belong to a word, and an item of nothing is an empty one.
    pub(super) fn exact_words(
        &self,
        name: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Place)> + use<'a> {
        let items = self.items(name).iter();
        items.flat_map(|sourced| {
            let words = sourced.value.split(',');
            words.map(|word| (word, &sourced.place))
        })
    }

    /// The words of a list whose items may hold several, joined by commas (`cluster-cidr`, `node-ip`, `disable`).
    pub(super) fn words(&self, name: &str) -> impl Iterator<Item = (&'a str, &'a Place)> + use<'a> {
        self.items(name).iter().flat_map(|sourced| {
            sourced
                .value
                .split(',')
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .map(|word| (word, &sourced.place))
        })
    }
}
