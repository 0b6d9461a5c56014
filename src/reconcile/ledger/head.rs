//! The head file: up to which line the ledger must reach, so that a cut at its end is found.
//!
//! An honest crash must never look like a cut. So the head is never ahead of what is on the disk:
//! - The *durable* mark is written and synced after the ledger's lines are synced, and before anybody acts on them.
//!   It alternates between two slots of one sector each: a crash tears at most the one being written, and the other
//!   still holds the mark before.
//! - The *written* mark follows each append without a sync. Nothing says in which order the disk gets the two, so it
//!   counts only within the boot that wrote it: as long as the kernel lives, what was written is there.
//!
//! The head file is created and synced before the ledger, so a ledger without a head has lost it.

use super::hash::Hash;
use crate::host::{HostError, OwnFile};

/// Disks write a sector whole or not at all.
const SECTOR_BYTES: u64 = 512;
/// No slot comes near this.
const SLOT_LIMIT_BYTES: usize = 512;
const DURABLE_SLOTS: [u64; 2] = [0, SECTOR_BYTES];
const WRITTEN_SLOT: u64 = 2 * SECTOR_BYTES;

/// A line that must be in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) seq: u64,
    pub(super) hash: Hash,
}

impl Mark {
    /// Before the first line.
    pub(super) const START: Self = Self {
        seq: 0,
        hash: Hash::NOTHING,
    };
}

/// What the head file says.
#[derive(Debug, Default)]
pub(super) struct Head {
    slots: [Option<Mark>; 2],
    written: Option<Mark>,
}

impl Head {
    /// Reads the head; the written mark only if it is of this boot.
    pub(super) fn read(file: &OwnFile, boot: Option<&str>) -> Result<Self, HostError> {
        let [first, second] = DURABLE_SLOTS;
        let slots = [read_slot(file, first)?, read_slot(file, second)?];
        let written = read_slot(file, WRITTEN_SLOT)?;
        Ok(Self {
            slots: slots.map(|slot| slot.map(|(mark, _)| mark)),
            written: written
                .filter(|(_, of_boot)| boot.is_some_and(|boot| boot == of_boot))
                .map(|(mark, _)| mark),
        })
    }

    /// The newest line that was synced; `None` if neither slot is whole, which no crash does.
    pub(super) fn durable(&self) -> Option<Mark> {
        self.slots
            .iter()
            .flatten()
            .copied()
            .max_by_key(|mark| mark.seq)
    }

    /// All lines that must be there.
    pub(super) fn marks(&self) -> impl Iterator<Item = Mark> {
        [self.durable(), self.written].into_iter().flatten()
    }

    /// Writes the durable mark over the older slot and syncs it.
    pub(super) fn write_durable(&mut self, file: &OwnFile, mark: Mark) -> Result<(), HostError> {
        let [first, second] = &mut self.slots;
        let age = |slot: &Option<Mark>| slot.map(|mark| mark.seq);
        let [first_offset, second_offset] = DURABLE_SLOTS;
        let (slot, offset) = if age(first) <= age(second) {
            (first, first_offset)
        } else {
            (second, second_offset)
        };
        file.write_at(&slot_text(mark, "-"), offset)?;
        file.sync()?;
        *slot = Some(mark);
        Ok(())
    }

    /// Writes the mark of a line that is not synced.
    pub(super) fn write_written(
        &mut self,
        file: &OwnFile,
        mark: Mark,
        boot: &str,
    ) -> Result<(), HostError> {
        file.write_at(&slot_text(mark, boot), WRITTEN_SLOT)?;
        self.written = Some(mark);
        Ok(())
    }
}

fn slot_text(mark: Mark, boot: &str) -> Vec<u8> {
    let text = format!("{} {} {boot}", mark.seq, mark.hash);
    let check = Hash::of(text.as_bytes());
    let width = usize::try_from(SECTOR_BYTES).unwrap_or(SLOT_LIMIT_BYTES) - 1;
    let mut slot = format!("{text} {check}").into_bytes();
    slot.resize(width, b' ');
    slot.push(b'\n');
    slot
}

fn read_slot(file: &OwnFile, offset: u64) -> Result<Option<(Mark, String)>, HostError> {
    if file.size_bytes()? < offset.saturating_add(SECTOR_BYTES) {
        return Ok(None);
    }
    let bytes = file.read_at(offset, SLOT_LIMIT_BYTES)?;
    Ok(std::str::from_utf8(&bytes).ok().and_then(parse_slot))
}

fn parse_slot(slot: &str) -> Option<(Mark, String)> {
    let (text, check) = slot.trim_end().rsplit_once(' ')?;
    if check.parse() != Ok(Hash::of(text.as_bytes())) {
        return None;
    }
    let mut words = text.split(' ');
    let mark = Mark {
        seq: words.next()?.parse().ok()?,
        hash: words.next()?.parse().ok()?,
    };
    Some((mark, words.next()?.to_owned()))
}
