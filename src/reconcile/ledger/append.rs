//! Appending lines: what an interrupted write left is cut off, the limit of the file is kept, and the head follows.

use jiff::Timestamp;

use super::head::Mark;
use super::index::Span;
use super::line::{Entry, Line};
use super::scan::Tail;
use super::store::Store;
use super::{ChangeId, Damage, Hash, Ledger, LedgerError};

/// Whether lines must be on the disk before anybody acts on them, see [`super::head`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// They are on the disk when the call returns.
    Synced,
    /// A crash of the machine may lose them. Without an id of the boot they are synced all the same.
    Written,
}

/// Lines ready to be appended.
pub(super) struct Draft {
    text: Vec<u8>,
    tail: Tail,
    pub(super) lines: Vec<(Line, Span)>,
}

impl Draft {
    /// What stays free behind images of before, so that repairs can be recorded when no image can any more.
    fn reserve_bytes(&self, limit_bytes: u64) -> u64 {
        match self.lines.iter().any(|(line, _)| line.is_image()) {
            true => limit_bytes / 8,
            false => 0,
        }
    }

    fn into_entries(self) -> Vec<Entry> {
        self.lines.into_iter().map(|(line, _)| line.entry).collect()
    }
}

impl Ledger {
    /// Appends after a refresh.
    pub(super) fn append(
        &mut self,
        entries: Vec<Entry>,
        durability: Durability,
    ) -> Result<Vec<ChangeId>, LedgerError> {
        self.intact()?;
        // An ending makes room at the next compaction, and giving up leads to one. Were they refused, a full ledger could
        // never be emptied.
        let makes_room = entries
            .iter()
            .all(|entry| matches!(entry, Entry::Ended { .. } | Entry::GivenUp { .. }));
        let entries = self.prepare(entries)?;
        let limit_bytes = self.keeping.limit_bytes;
        let mut draft = self.draft(entries);
        let wanted_bytes = draft.text.len() as u64;
        let reserve_bytes = draft.reserve_bytes(limit_bytes);
        let kept_bytes = self.kept_bytes(draft.tail.end.saturating_add(reserve_bytes));
        let no_room = LedgerError::LimitReached {
            limit_bytes,
            kept_bytes,
            wanted_bytes,
        };
        let needed_bytes = kept_bytes
            .saturating_add(wanted_bytes)
            .saturating_add(reserve_bytes);
        if needed_bytes > limit_bytes && !makes_room {
            return Err(no_room);
        }
        if draft.tail.end > limit_bytes {
            self.compact()?;
            draft = self.draft(draft.into_entries());
            if draft.tail.end > limit_bytes && !makes_room {
                return Err(no_room);
            }
        }
        self.commit(draft, durability)
    }

    /// What a compaction would keep, in bytes. That is never more than the file has; counting it takes time for each thing
    /// of the record, so the file's size is good enough where all that may be needed stays below the limit.
    fn kept_bytes(&self, needed_at_most_bytes: u64) -> u64 {
        if needed_at_most_bytes > self.keeping.limit_bytes {
            self.index.kept_bytes()
        } else {
            self.tail.end
        }
    }

    fn commit(
        &mut self,
        draft: Draft,
        durability: Durability,
    ) -> Result<Vec<ChangeId>, LedgerError> {
        let boot = match durability {
            Durability::Synced => None,
            Durability::Written => self.keeping.boot_id.as_deref(),
        };
        let lost = || LedgerError::Broken(Damage::HeadLost);
        let store = self.store.as_mut().ok_or_else(lost)?;
        store.append(&draft.text, &self.tail, draft.tail.mark, boot)?;
        let ids = draft
            .lines
            .iter()
            .map(|(line, _)| ChangeId(line.id))
            .collect();
        for (line, span) in draft.lines {
            self.index.add(line, span);
        }
        self.tail = draft.tail;
        self.seen = self
            .store
            .as_ref()
            .and_then(|store| store.file.state().ok());
        Ok(ids)
    }

    /// Creates the files at the first record; cuts off what an interrupted write left, and says so at the very end
    /// of the lines to come, so that their ids stay in order.
    fn prepare(&mut self, mut entries: Vec<Entry>) -> Result<Vec<Entry>, LedgerError> {
        if self.store.is_none() {
            self.store = Some(Store::create(self.place.create()?)?);
        }
        if let Some(store) = &self.store
            && self.torn_bytes > 0
        {
            store.file.truncate(self.tail.end)?;
            entries.push(Entry::Note {
                key: "torn_end".to_owned(),
                value: format!(
                    "cut {} bytes after line {}, left by an interrupted write",
                    self.torn_bytes, self.tail.lines
                ),
            });
            self.torn_bytes = 0;
        }
        Ok(entries)
    }

    pub(super) fn draft(&self, entries: Vec<Entry>) -> Draft {
        let time = Timestamp::now();
        let mut draft = Draft {
            text: Vec::new(),
            tail: self.tail,
            lines: Vec::with_capacity(entries.len()),
        };
        for entry in entries {
            let seq = draft.tail.mark.seq.saturating_add(1);
            let line = Line {
                seq,
                prev: draft.tail.mark.hash,
                id: seq,
                time,
                entry,
            };
            let text = line.text();
            let span = Span {
                offset: draft.tail.end,
                length: text.len() + 1,
                line: draft.tail.lines + 1,
            };
            draft.text.extend_from_slice(&text);
            draft.text.push(b'\n');
            draft.tail = Tail {
                mark: Mark {
                    seq,
                    hash: Hash::of(&text),
                },
                end: span.offset + span.length as u64,
                lines: span.line,
            };
            draft.lines.push((line, span));
        }
        draft
    }

    pub(super) fn intact(&self) -> Result<(), LedgerError> {
        match &self.damage {
            Some(damage) => Err(LedgerError::Broken(damage.clone())),
            None => Ok(()),
        }
    }
}
