//! The record of what we changed, written ahead of each change, so that everything can be undone.
//!
//! `/var/lib/k3warden/ledger.jsonl` holds one JSON object a line; each carries the SHA-256 of the line before. The
//! first touch of a thing keeps what was there whole; later repairs of it keep only what they saw and wrote. What is
//! read and written here is the file alone: making and undoing changes is done elsewhere.
//!
//! All methods that look at the disk take the [`Lock`], since other processes append, cut and compact.

mod append;
mod base64;
mod compact;
mod error;
mod hash;
mod head;
mod history;
mod image;
mod index;
mod line;
mod scan;
mod store;
#[cfg(test)]
mod tests;
mod undone;
mod write;

use std::fmt;

pub use error::{FILE, LedgerError, WAY_OUT, is_kept};
pub use hash::Hash;
pub use history::{Record, RecordKind};
pub use image::Fingerprint;
pub use line::Ending;
pub use scan::Damage;
pub use undone::Touch;
pub use write::{Change, Recorded};

use head::Mark;
use index::{Index, Span};
use line::{Entry, Line};
use scan::{Scan, Tail};
use store::{Opened, Store};

use super::lock::Lock;
use crate::host::{FileState, OwnPlace, Root, Thing, boot_id};

/// Images of before and repairs of some years; an eighth of it is kept free for repairs.
const LIMIT_BYTES: u64 = 8 << 20;

/// Names a change, for the journal and for `k3warden ledger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId(u64);

impl fmt::Display for ChangeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// How a ledger is kept.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// The limit of the file in bytes. Default 8 MiB.
    pub limit_bytes: u64,
    /// The kernel's id of this boot, which tells what a crash of the machine may have lost from what somebody cut.
    /// Without one every line is synced.
    pub boot_id: Option<String>,
}

impl Keeping {
    /// The default: on a live root with its boot id; of a directory nothing of the host is read.
    #[must_use]
    pub fn of(root: &Root) -> Self {
        Self {
            limit_bytes: LIMIT_BYTES,
            boot_id: root.is_live().then(boot_id).flatten(),
        }
    }
}

/// The ledger below a root. Opened once by the daemon; it notices what others append.
#[derive(Debug)]
pub struct Ledger {
    place: OwnPlace,
    keeping: Keeping,
    store: Option<Store>,
    index: Index,
    tail: Tail,
    torn_bytes: u64,
    damage: Option<Damage>,
    /// The file as our last reading or writing left it.
    seen: Option<FileState>,
}

impl Ledger {
    /// Reads the ledger. One that does not exist is empty, and nothing is created before the first record.
    ///
    /// # Errors
    /// When its files cannot be read. Damage is no error here: see [`Ledger::damage`].
    pub fn open(root: &Root, keeping: Keeping, lock: &Lock) -> Result<Self, LedgerError> {
        let mut ledger = Self {
            place: OwnPlace::state(root)?,
            keeping,
            store: None,
            index: Index::default(),
            tail: Tail::EMPTY,
            torn_bytes: 0,
            damage: None,
            seen: None,
        };
        ledger.refresh(lock)?;
        Ok(ledger)
    }

    /// Takes in what others did to the file since, a change of what was there among it.
    ///
    /// # Errors
    /// When its files cannot be read.
    pub fn look(&mut self, lock: &Lock) -> Result<(), LedgerError> {
        self.refresh(lock)
    }

    /// The first fault of the record, as of the last reading.
    #[must_use]
    pub const fn damage(&self) -> Option<&Damage> {
        self.damage.as_ref()
    }

    /// Reads the whole record again and checks every link. The end that an interrupted write left is no damage.
    /// Returns the number of lines.
    ///
    /// # Errors
    /// [`LedgerError::Broken`] with the first line that was changed, cut or moved; or when the files cannot be read.
    pub fn verify(&mut self, _lock: &Lock) -> Result<u64, LedgerError> {
        self.reload()?;
        match &self.damage {
            Some(damage) => Err(LedgerError::Broken(damage.clone())),
            None => Ok(self.tail.lines),
        }
    }

    /// How many bytes stand behind the last line, as of the last reading: an interrupted write leaves some, and the next
    /// record cuts them off.
    #[must_use]
    pub const fn bytes_behind(&self) -> u64 {
        self.torn_bytes
    }

    /// A decision recorded by [`Ledger::note`].
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn noted(&mut self, key: &str, lock: &Lock) -> Result<Option<String>, LedgerError> {
        self.refresh(lock)?;
        let Some(span) = self.index.notes.get(key) else {
            return Ok(None);
        };
        match self.read(*span)?.entry {
            Entry::Note { value, .. } => Ok(Some(value)),
            _ => Err(LedgerError::Broken(Damage::Unreadable { line: span.line })),
        }
    }

    /// Whether a thing that we changed before has a content that is not the one we wrote there. Of what we never touched the
    /// first record has all of it.
    pub fn is_foreign(&mut self, thing: &Thing, content: &[u8], lock: &Lock) -> bool {
        let touched = self
            .refresh(lock)
            .ok()
            .and_then(|()| self.index.touched.get(thing));
        touched.is_some_and(|touched| !touched.last_written.has_content(content))
    }

    fn read(&self, span: Span) -> Result<Line, LedgerError> {
        let unreadable = |_| LedgerError::Broken(Damage::Unreadable { line: span.line });
        serde_json::from_slice(&self.text(span)?).map_err(unreadable)
    }

    fn text(&self, span: Span) -> Result<Vec<u8>, LedgerError> {
        let unreadable = || LedgerError::Broken(Damage::Unreadable { line: span.line });
        let store = self.store.as_ref().ok_or_else(unreadable)?;
        Ok(store.file.read_at(span.offset, span.length)?)
    }

    /// Takes in what other processes did since: the rest of a file that grew, or all of another file.
    fn refresh(&mut self, _lock: &Lock) -> Result<(), LedgerError> {
        let Some(store) = &mut self.store else {
            return self.reload();
        };
        let state = store.file.state()?;
        let size = state.size_bytes;
        if size < self.tail.end || !store.is_current()? {
            return self.reload();
        }
        if size == self.tail.end && self.torn_bytes == 0 {
            // Of the same length and changed since: nobody who appends does that.
            return match self.seen == Some(state) {
                true => Ok(()),
                false => self.reload(),
            };
        }
        let marks = store.read_head(self.keeping.boot_id.as_deref())?;
        let limit = self.keeping.line_limit_bytes();
        let scan = Scan::run(&store.file, self.tail, marks, limit, &mut self.index)?;
        self.tail = scan.tail;
        self.torn_bytes = scan.torn_bytes;
        self.damage = self.damage.take().or(scan.damage);
        self.seen = Some(state);
        Ok(())
    }

    /// Reads everything. What we knew to be there must still be there.
    fn reload(&mut self) -> Result<(), LedgerError> {
        let known = self.tail.mark;
        self.index = Index::default();
        self.tail = Tail::EMPTY;
        self.torn_bytes = 0;
        self.damage = None;
        let opened = match self.place.open()? {
            Some(directory) => Store::open(directory)?,
            None => Opened::Nothing,
        };
        let missing = match opened {
            Opened::Store(store) => return self.read_all(*store, known),
            Opened::Lost { lines } => lines.max(known.seq),
            Opened::Nothing => known.seq,
        };
        self.store = None;
        self.seen = None;
        if missing > 0 {
            self.damage = Some(Damage::Cut { line: 1, missing });
        }
        Ok(())
    }

    fn read_all(&mut self, mut store: Store, known: Mark) -> Result<(), LedgerError> {
        // On a read-only mount a leftover stays; it is read by nobody.
        let _ = store.sweep();
        let mut marks = store.read_head(self.keeping.boot_id.as_deref())?;
        let head_lost = store.head.durable().is_none();
        marks.push(known);
        let limit = self.keeping.line_limit_bytes();
        let state = store.file.state()?;
        let scan = Scan::run(&store.file, Tail::EMPTY, marks, limit, &mut self.index)?;
        self.tail = scan.tail;
        self.torn_bytes = scan.torn_bytes;
        self.damage = scan.damage;
        if head_lost && self.tail.end > 0 {
            self.damage.get_or_insert(Damage::HeadLost);
        }
        self.store = Some(store);
        self.seen = Some(state);
        Ok(())
    }
}

impl Keeping {
    /// No line that we write is longer than the file may be, and the rest of a crash may be of any size.
    const fn line_limit_bytes(&self) -> u64 {
        self.limit_bytes.saturating_add(1)
    }
}
