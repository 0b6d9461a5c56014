//! The numbers that a control has in the editions of the CIS benchmark.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// Recommendation numbers by edition.
///
/// One text, edition and number in turn, each on a line: the daemon keeps every control for as long as it runs, and a map of
/// ten small texts each was a fifth of the catalogue's memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Numbers(Box<str>);

impl Numbers {
    /// The number in an edition; several are separated by commas.
    #[must_use]
    pub fn get(&self, edition: &str) -> Option<&str> {
        let mut all = self.iter();
        all.find_map(|(name, number)| (name == edition).then_some(number))
    }

    /// Editions with the number there, in the order in which they are written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut lines = self.0.lines();
        std::iter::from_fn(move || Some((lines.next()?, lines.next()?)))
    }

    /// Whether it has no number in any edition.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfMap;
        impl<'de> Visitor<'de> for OfMap {
            type Value = Numbers;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("numbers by edition: {\"1.12\" = \"4.2.6\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Numbers, A::Error> {
                let mut text = String::new();
                while let Some((edition, number)) = map.next_entry::<String, String>()? {
                    for part in [&edition, &number] {
                        if part.is_empty() || part.contains(char::is_control) {
                            return Err(A::Error::custom(
                                "an edition or a number is empty or more than a line",
                            ));
                        }
                        text.push_str(part);
                        text.push('\n');
                    }
                }
                Ok(Numbers(text.into()))
            }
        }
        deserializer.deserialize_map(OfMap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_its_edition() {
        let numbers: Numbers =
            toml::from_str("\"1.24\" = \"1.1.1\"\n\"2.0\" = \"4.2.6, 4.2.7\"").unwrap();
        assert_eq!(numbers.get("2.0"), Some("4.2.6, 4.2.7"));
        // A number is no edition.
        assert_eq!(numbers.get("1.1.1"), None);
        let editions: Vec<&str> = numbers.iter().map(|(edition, _)| edition).collect();
        assert_eq!(editions, ["1.24", "2.0"]);
        assert!(Numbers::default().is_empty());
    }

    #[test]
    fn what_would_not_be_one_line_is_refused() {
        for text in ["\"1.24\" = \"1\\n2\"", "\"\" = \"1\"", "\"1.24\" = \"\""] {
            assert!(toml::from_str::<Numbers>(text).is_err(), "{text}");
        }
    }
}
