//! The record as an operator reads it: contents stay out.

use std::io::{BufRead, BufReader, Read};

use jiff::Timestamp;

use super::image::{Fingerprint, Short, ThingName};
use super::line::{Ending, Entry, Line};
use super::scan::Damage;
use super::{ChangeId, Ledger, LedgerError, Lock};
use crate::host::Thing;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its id, which stays the same when a compaction moves the line.
    pub id: ChangeId,
    /// When it was recorded, in UTC.
    pub time: Timestamp,
    /// What it records.
    pub kind: RecordKind,
}

/// What an entry records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordKind {
    /// The first change of a thing; what was there before is kept.
    FirstTouch {
        /// The control that asked for it.
        control: String,
        /// What was changed.
        thing: Thing,
        /// What was there.
        before: Fingerprint,
        /// What we announced to write.
        after: Fingerprint,
    },
    /// A later change.
    Repair {
        /// The control that asked for it.
        control: String,
        /// What was changed.
        thing: Thing,
        /// What was there.
        before: Fingerprint,
        /// What we announced to write.
        after: Fingerprint,
    },
    /// The thing is ours no longer.
    Ended {
        /// The thing.
        thing: Thing,
        /// How.
        ending: Ending,
    },
    /// A control needs the thing no longer; it stays for the sake of others.
    GivenUp {
        /// The control.
        control: String,
        /// The thing.
        thing: Thing,
    },
    /// A decision.
    Note {
        /// Its name.
        key: String,
        /// What was decided.
        value: String,
    },
    /// Lines were compacted.
    Checkpoint {
        /// How many lines were in the file before.
        replaced_lines: u64,
    },
    /// An entry of a newer version.
    Unknown,
}

impl Ledger {
    /// Shows every entry in the order of the file; lines that cannot be read are left out, [`Ledger::verify`] names
    /// them.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn each(&mut self, lock: &Lock, mut show: impl FnMut(Record)) -> Result<(), LedgerError> {
        self.refresh(lock)?;
        let Some(store) = &self.store else {
            return Ok(());
        };
        let mut reader = BufReader::new(store.file.reader(0).take(self.tail.end));
        let mut text = Vec::new();
        let limit = self.keeping.line_limit_bytes();
        loop {
            text.clear();
            let count = reader
                .by_ref()
                .take(limit)
                .read_until(b'\n', &mut text)
                .map_err(|_| LedgerError::Broken(Damage::Unreadable { line: 1 }))?;
            if count == 0 {
                return Ok(());
            }
            if let Some(record) = serde_json::from_slice(&text).ok().and_then(record) {
                show(record);
            }
        }
    }
}

fn record(line: Line) -> Option<Record> {
    let short = Fingerprint::from_short;
    let thing = ThingName::thing;
    let kind = match line.entry {
        Entry::FirstTouch {
            control,
            thing: name,
            before,
            after,
        } => RecordKind::FirstTouch {
            control,
            thing: thing(name)?,
            before: short(Short::of(&before.state()?)),
            after: short(after),
        },
        Entry::Repair {
            control,
            thing: name,
            observed,
            after,
        } => RecordKind::Repair {
            control,
            thing: thing(name)?,
            before: short(observed),
            after: short(after),
        },
        Entry::Ended { thing: name, end } => RecordKind::Ended {
            thing: thing(name)?,
            ending: end,
        },
        Entry::GivenUp {
            control,
            thing: name,
        } => RecordKind::GivenUp {
            control,
            thing: thing(name)?,
        },
        Entry::Note { key, value } => RecordKind::Note { key, value },
        Entry::Checkpoint { replaced_lines, .. } => RecordKind::Checkpoint { replaced_lines },
        Entry::Unknown => RecordKind::Unknown,
    };
    Some(Record {
        id: ChangeId(line.id),
        time: line.time,
        kind,
    })
}

impl std::fmt::Display for Record {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:>6}  {:.0}  ", self.id, self.time)?;
        match &self.kind {
            RecordKind::FirstTouch {
                control,
                thing,
                before,
                after,
            }
            | RecordKind::Repair {
                control,
                thing,
                before,
                after,
            } => {
                let word = match &self.kind {
                    RecordKind::FirstTouch { .. } => "first",
                    _ => "repair",
                };
                write!(
                    formatter,
                    "{word:<7} {thing}: {before} → {after}  [{control}]"
                )
            }
            RecordKind::Ended { thing, ending } => {
                let how = match ending {
                    Ending::Reverted => "put back",
                    Ending::Released => "left as it is now",
                    Ending::NotMade => "not made after all",
                };
                write!(formatter, "end     {thing}: {how}")
            }
            RecordKind::GivenUp { control, thing } => {
                write!(formatter, "give up {thing}: needed no longer  [{control}]")
            }
            RecordKind::Note { key, value } => write!(formatter, "note    {key}: {value}"),
            RecordKind::Checkpoint { replaced_lines } => {
                write!(
                    formatter,
                    "compact {replaced_lines} lines, their older repairs dropped"
                )
            }
            RecordKind::Unknown => formatter.write_str("an entry of a newer k3warden"),
        }
    }
}
