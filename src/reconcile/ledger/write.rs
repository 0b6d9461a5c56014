//! Recording: ahead of a change, at the end of one, and decisions.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::head::Mark;
use super::image::{Image, Short, ThingName};
use super::index::Span;
use super::line::{Ending, Entry, Line};
use super::scan::Tail;
use super::store::Store;
use super::{ChangeId, Hash, Ledger, LedgerError, Lock};
use crate::host::{State, Thing};

/// A change that is about to be made.
#[derive(Debug, Clone)]
pub struct Change {
    /// The control that asks for it.
    pub control: String,
    /// What is changed.
    pub thing: Thing,
    /// What is there now.
    pub before: State,
    /// What will be there.
    pub after: State,
}

/// The change may be made.
#[derive(Debug)]
#[must_use]
pub enum Recorded {
    /// What was there before is on the disk.
    FirstTouch(ChangeId),
    /// What was there before our first touch is on the disk already; this repair was added.
    Repair(ChangeId),
    /// As [`Recorded::Repair`], but the repair could not be added: to be reported, not to be stopped by.
    RepairUnrecorded(LedgerError),
}

impl Recorded {
    /// The change's name; `None` if it could not be added.
    #[must_use]
    pub const fn id(&self) -> Option<ChangeId> {
        match self {
            Self::FirstTouch(id) | Self::Repair(id) => Some(*id),
            Self::RepairUnrecorded(_) => None,
        }
    }
}

/// Lines ready to be appended.
pub(super) struct Draft {
    text: Vec<u8>,
    tail: Tail,
    pub(super) lines: Vec<(Line, Span)>,
}

impl Ledger {
    /// Records a change before it is made. A first touch is on the disk when this returns.
    ///
    /// # Errors
    /// When a first touch could not be recorded: the change must not be made then. A repair never fails.
    pub fn record(&mut self, change: &Change, lock: &Lock) -> Result<Recorded, LedgerError> {
        let mut results = self.record_all(std::slice::from_ref(change), lock);
        let none = || Err(LedgerError::NotTouched(change.thing.clone()));
        results.pop().unwrap_or_else(none)
    }

    /// Records a whole plan with one sync, which an SD card thanks us for; one answer for each change, as
    /// [`Ledger::record`]. If not all can be recorded, the repairs are and no first touch is.
    pub fn record_all(
        &mut self,
        changes: &[Change],
        lock: &Lock,
    ) -> Vec<Result<Recorded, LedgerError>> {
        let fresh = self.refresh(lock);
        let marked = self.first_touches(changes);
        let error = match fresh.and_then(|()| self.write_changes(&marked)) {
            Ok(ids) => {
                let answers = marked.iter().zip(ids).map(|((_, first), id)| match first {
                    true => Ok(Recorded::FirstTouch(id)),
                    false => Ok(Recorded::Repair(id)),
                });
                return answers.collect();
            }
            Err(error) => error,
        };
        let refused = refused(&marked);
        let may = |((change, first), refused): (&(_, bool), &bool)| {
            (!refused).then_some((*change, *first))
        };
        let repairs: Vec<_> = marked.iter().zip(&refused).filter_map(may).collect();
        let written = self
            .refresh(lock)
            .and_then(|()| self.write_changes(&repairs));
        let mut written = written.map(Vec::into_iter);
        let answers = refused.into_iter().map(|refused| match &mut written {
            _ if refused => Err(error.clone()),
            Ok(ids) => Ok(match ids.next() {
                Some(id) => Recorded::Repair(id),
                None => Recorded::RepairUnrecorded(error.clone()),
            }),
            Err(again) => Ok(Recorded::RepairUnrecorded(again.clone())),
        });
        answers.collect()
    }

    /// Records that things are ours no longer. Durable on return; a later change of them is a first touch again.
    ///
    /// # Errors
    /// When a thing was not touched, or the record cannot be written.
    pub fn end(&mut self, endings: &[(Thing, Ending)], lock: &Lock) -> Result<(), LedgerError> {
        self.refresh(lock)?;
        let unknown = |(thing, _): &&(Thing, Ending)| !self.index.touched.contains_key(thing);
        if let Some((thing, _)) = endings.iter().find(unknown) {
            return Err(LedgerError::NotTouched(thing.clone()));
        }
        let entries = endings.iter().map(|(thing, end)| Entry::Ended {
            thing: ThingName::of(thing),
            end: *end,
        });
        self.append(entries.collect(), true).map(|_| ())
    }

    /// Records that controls need a thing no longer that stays for the sake of others, or of what is in it. Durable on
    /// return. A control that changes it again needs it again.
    ///
    /// # Errors
    /// When the thing was not touched, or the record cannot be written.
    pub fn give_up(
        &mut self,
        thing: &Thing,
        controls: &[String],
        lock: &Lock,
    ) -> Result<(), LedgerError> {
        self.refresh(lock)?;
        let not_touched = || LedgerError::NotTouched(thing.clone());
        let touched = self.index.touched.get(thing).ok_or_else(not_touched)?;
        let held = touched.controls().filter(|held| controls.contains(held));
        let entries: Vec<Entry> = held
            .map(|control| Entry::GivenUp {
                control: control.clone(),
                thing: ThingName::of(thing),
            })
            .collect();
        if entries.is_empty() {
            return Ok(());
        }
        self.append(entries, true).map(|_| ())
    }

    /// Records a decision, so that [`Ledger::noted`] finds it again. Durable on return; the newest of a key counts.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn note(&mut self, key: &str, value: &str, lock: &Lock) -> Result<(), LedgerError> {
        self.refresh(lock)?;
        let entry = Entry::Note {
            key: key.to_owned(),
            value: value.to_owned(),
        };
        self.append(vec![entry], true).map(|_| ())
    }

    /// Makes the repairs durable that were only written; for the end of a run.
    ///
    /// # Errors
    /// When the ledger is damaged or cannot be written.
    pub fn sync(&mut self, lock: &Lock) -> Result<(), LedgerError> {
        self.refresh(lock)?;
        self.intact()?;
        match &mut self.store {
            Some(store) => store.sync(&self.tail),
            None => Ok(()),
        }
    }

    /// Which changes need an image of before: things never touched, and a content of which we only know attributes.
    pub(super) fn first_touches<'a>(&self, changes: &'a [Change]) -> Vec<(&'a Change, bool)> {
        let mut whole: BTreeMap<&Thing, bool> = BTreeMap::new();
        let mut marked = Vec::with_capacity(changes.len());
        for change in changes {
            let in_index = || {
                self.index
                    .touched
                    .get(&change.thing)
                    .map(|known| known.whole)
            };
            let known = whole.get(&change.thing).copied().or_else(in_index);
            let image_is_whole = !matches!(change.before, State::Attributes(_));
            let first = known.is_none_or(|known| image_is_whole && !known);
            if first {
                whole.insert(&change.thing, image_is_whole);
            }
            marked.push((change, first));
        }
        marked
    }

    fn write_changes(&mut self, changes: &[(&Change, bool)]) -> Result<Vec<ChangeId>, LedgerError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let mut durable = false;
        let mut entries = Vec::with_capacity(changes.len());
        for (change, first) in changes {
            durable = durable || *first || self.writes_something_new(change);
            entries.push(change.entry(*first));
        }
        self.append(entries, durable)
    }

    /// A repair that is lost in a crash must not make revert believe that somebody else wrote what we wrote.
    fn writes_something_new(&self, change: &Change) -> bool {
        let Some(touched) = self.index.touched.get(&change.thing) else {
            return true;
        };
        !touched.last_written.is_kept_by(&Short::of(&change.after))
    }

    /// Appends after a refresh.
    fn append(&mut self, entries: Vec<Entry>, durable: bool) -> Result<Vec<ChangeId>, LedgerError> {
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
        let adds_images = draft.lines.iter().any(|(line, _)| line.is_image());
        let reserve_bytes = if adds_images { limit_bytes / 8 } else { 0 };
        let no_room = |kept_bytes| LedgerError::LimitReached {
            limit_bytes,
            kept_bytes,
            wanted_bytes,
        };
        // What is kept is never more than the file. To count it takes as long as there are things, so that is only
        // done where it may matter.
        let at_most_bytes = draft.tail.end.saturating_add(reserve_bytes);
        let kept_bytes = if at_most_bytes > limit_bytes {
            self.index.kept_bytes()
        } else {
            self.tail.end
        };
        let needed_bytes = kept_bytes
            .saturating_add(wanted_bytes)
            .saturating_add(reserve_bytes);
        if needed_bytes > limit_bytes && !makes_room {
            return Err(no_room(kept_bytes));
        }
        if draft.tail.end > limit_bytes {
            self.compact()?;
            draft = self.draft(
                draft
                    .lines
                    .into_iter()
                    .map(|(line, _)| line.entry)
                    .collect(),
            );
            if draft.tail.end > limit_bytes && !makes_room {
                return Err(no_room(kept_bytes));
            }
        }
        self.commit(draft, durable)
    }

    fn commit(&mut self, draft: Draft, durable: bool) -> Result<Vec<ChangeId>, LedgerError> {
        let boot = self.keeping.boot_id.as_deref().filter(|_| !durable);
        let lost = || LedgerError::Broken(super::Damage::HeadLost);
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

/// Without its first touch on the disk, a thing's later changes in the same plan must not be made either.
fn refused(changes: &[(&Change, bool)]) -> Vec<bool> {
    let mut things = BTreeSet::new();
    let mut refused = Vec::with_capacity(changes.len());
    for (change, first) in changes {
        if *first {
            things.insert(&change.thing);
        }
        refused.push(things.contains(&change.thing));
    }
    refused
}

impl Change {
    pub(super) fn entry(&self, first: bool) -> Entry {
        let control = self.control.clone();
        let thing = ThingName::of(&self.thing);
        let after = Short::of(&self.after);
        if first {
            Entry::FirstTouch {
                control,
                thing,
                before: Image::of(&self.before),
                after,
            }
        } else {
            Entry::Repair {
                control,
                thing,
                observed: Short::of(&self.before),
                after,
            }
        }
    }
}
