//! One line of the ledger: a link of the chain and what it records.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::hash::Hash;
use super::image::{Image, Short, ThingName};

/// A line. `seq` and `prev` are its place in the chain and change when a compaction moves it; `id` and `time` are of
/// the moment when it was recorded and stay.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) seq: u64,
    pub(super) prev: Hash,
    pub(super) id: u64,
    #[serde(with = "stamp")]
    pub(super) time: Timestamp,
    #[serde(flatten)]
    pub(super) entry: Entry,
}

/// What a line records.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Entry {
    /// We change a thing for the first time: what was there, and what we are about to write.
    FirstTouch {
        control: String,
        thing: ThingName,
        before: Image,
        after: Short,
    },
    /// We change a thing whose first state is recorded.
    Repair {
        control: String,
        thing: ThingName,
        observed: Short,
        after: Short,
    },
    /// The thing is ours no longer.
    Ended { thing: ThingName, end: Ending },
    /// A control needs the thing no longer; it stays as it is for others, or for what is in it.
    GivenUp { control: String, thing: ThingName },
    /// A decision to be remembered.
    Note { key: String, value: String },
    /// The first line after a compaction: the chain goes on from `prev`, the last line of what was replaced.
    Checkpoint {
        /// Lines that were in the file before.
        replaced_lines: u64,
        /// The sequence number whose hash is `prev`.
        replaced_through: u64,
        /// Lines of before that follow this one. They were durable before this line could be seen.
        kept_lines: u64,
    },
    /// Of a newer version; kept as it is.
    #[serde(other)]
    Unknown,
}

/// How a thing ceases to be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// What was there before has been put back.
    Reverted,
    /// It stays as it is now, because somebody changed it since or it must stay.
    Released,
    /// The change that was announced did not take place.
    NotMade,
}

impl Line {
    /// The line's text without its end.
    pub(super) fn text(&self) -> Vec<u8> {
        // Serialising plain data with string keys into memory has no way to fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Whether it holds what was there before.
    pub(super) const fn is_image(&self) -> bool {
        matches!(self.entry, Entry::FirstTouch { .. })
    }
}

/// The same line at another place of the chain, with every field kept, also those that we do not know.
pub(super) fn moved(text: &[u8], seq: u64, prev: Hash) -> Option<Vec<u8>> {
    let mut fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(text).ok()?;
    fields.insert("seq".to_owned(), seq.into());
    fields.insert("prev".to_owned(), prev.to_string().into());
    serde_json::to_vec(&fields).ok()
}

/// RFC 3339 in UTC.
mod stamp {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}
