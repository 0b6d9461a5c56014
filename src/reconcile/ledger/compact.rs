//! Keeping the file below its limit: repairs go, what undoing needs stays.

use jiff::Timestamp;

use super::hash::Hash;
use super::head::Mark;
use super::line::{Entry, Line, moved};
use super::scan::Damage;
use super::{Ledger, LedgerError};
use crate::host::OwnFile;

/// Lines are gathered to this size before they are written.
const CHUNK_BYTES: usize = 64 << 10;

/// A file in the making.
struct Anew {
    file: OwnFile,
    pending: Vec<u8>,
    mark: Mark,
}

impl Anew {
    fn add(&mut self, text: &[u8]) -> Result<(), LedgerError> {
        self.mark = Mark {
            seq: self.mark.seq.saturating_add(1),
            hash: Hash::of(text),
        };
        self.pending.extend_from_slice(text);
        self.pending.push(b'\n');
        if self.pending.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LedgerError> {
        self.file.append(&self.pending)?;
        self.pending.clear();
        Ok(())
    }
}

impl Ledger {
    /// Writes the lines that undoing needs into a new file, behind a checkpoint whose `prev` is the old file's last
    /// line, and puts it in the old one's place. The old file is made durable with its head first, so that a crash
    /// between the rename and the new head leaves a head that the checkpoint answers.
    pub(super) fn compact(&mut self) -> Result<(), LedgerError> {
        let lost = || LedgerError::Broken(Damage::HeadLost);
        let store = self.store.as_mut().ok_or_else(lost)?;
        store.sync(&self.tail)?;
        let anew = Anew {
            file: store.begin_anew()?,
            pending: Vec::new(),
            mark: self.tail.mark,
        };
        let finished = self.write_anew(anew);
        let store = self.store.as_mut().ok_or_else(lost)?;
        let put_in_place = finished.and_then(|file| Ok(store.finish_anew(file)?));
        if let Err(error) = put_in_place {
            // What stays of it is removed by the next reading.
            let _ = store.sweep();
            return Err(error);
        }
        self.reload()?;
        self.intact()?;
        let store = self.store.as_mut().ok_or_else(lost)?;
        store.sync(&self.tail)
    }

    fn write_anew(&self, mut anew: Anew) -> Result<OwnFile, LedgerError> {
        let kept = self.index.kept();
        let seq = self.tail.mark.seq.saturating_add(1);
        let checkpoint = Line {
            seq,
            prev: self.tail.mark.hash,
            id: seq,
            time: Timestamp::now(),
            entry: Entry::Checkpoint {
                replaced_lines: self.tail.lines,
                replaced_through: self.tail.mark.seq,
                kept_lines: kept.len() as u64,
            },
        };
        anew.add(&checkpoint.text())?;
        for span in kept {
            let unreadable = || LedgerError::Broken(Damage::Unreadable { line: span.line });
            let text = self.text(span)?;
            let next = anew.mark.seq.saturating_add(1);
            let text = moved(&text, next, anew.mark.hash).ok_or_else(unreadable)?;
            anew.add(&text)?;
        }
        anew.flush()?;
        Ok(anew.file)
    }
}
