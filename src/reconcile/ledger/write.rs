//! Recording: ahead of a change, at the end of one, and decisions.

use std::collections::{BTreeMap, BTreeSet};

use super::append::Durability;
use super::image::{Image, Short, ThingName};
use super::line::{Ending, Entry};
use super::{ChangeId, Ledger, LedgerError, Lock};
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
    /// What was there before is on the disk; of a live value it is written, which lasts as long as that value does.
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

/// What a change is for the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It needs an image of before: the thing was never touched, or only its attributes are known.
    FirstTouch,
    /// What was there before our first touch is recorded already.
    Repair,
}

impl Ledger {
    /// Records a change before it is made. A first touch is on the disk when this returns, but for that of a live value: a crash of
    /// the machine takes the value too, and [`Ledger::sync`] after the change is early enough.
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
        let marked = self.kinds(changes);
        let error = match fresh.and_then(|()| self.write_changes(&marked)) {
            Ok(ids) => {
                let answers = marked.iter().zip(ids).map(|((_, kind), id)| match kind {
                    Kind::FirstTouch => Ok(Recorded::FirstTouch(id)),
                    Kind::Repair => Ok(Recorded::Repair(id)),
                });
                return answers.collect();
            }
            Err(error) => error,
        };
        let refused = refused(&marked);
        let may = marked
            .iter()
            .zip(&refused)
            .filter(|(_, refused)| !**refused);
        let repairs: Vec<_> = may.map(|(marked, _)| *marked).collect();
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
        self.append(entries.collect(), Durability::Synced)
            .map(|_| ())
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
        self.append(entries, Durability::Synced).map(|_| ())
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
        self.append(vec![entry], Durability::Synced).map(|_| ())
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

    /// What each change is for the record, the changes before it counted in.
    pub(super) fn kinds<'a>(&self, changes: &'a [Change]) -> Vec<(&'a Change, Kind)> {
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
            let kind = match known {
                Some(is_whole) if is_whole || !image_is_whole => Kind::Repair,
                _ => Kind::FirstTouch,
            };
            if kind == Kind::FirstTouch {
                whole.insert(&change.thing, image_is_whole);
            }
            marked.push((change, kind));
        }
        marked
    }

    fn write_changes(&mut self, changes: &[(&Change, Kind)]) -> Result<Vec<ChangeId>, LedgerError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let must_last = |(change, kind): &(&Change, Kind)| {
            let outlives_boot = !matches!(change.thing, Thing::Sysctl(_));
            outlives_boot && (*kind == Kind::FirstTouch || self.writes_something_new(change))
        };
        let durability = match changes.iter().any(must_last) {
            true => Durability::Synced,
            false => Durability::Written,
        };
        let entries = changes.iter().map(|(change, kind)| change.entry(*kind));
        self.append(entries.collect(), durability)
    }

    /// A repair that is lost in a crash must not make revert believe that somebody else wrote what we wrote.
    fn writes_something_new(&self, change: &Change) -> bool {
        let Some(touched) = self.index.touched.get(&change.thing) else {
            return true;
        };
        !touched.last_written.is_kept_by(&Short::of(&change.after))
    }
}

/// Without its first touch on the disk, a thing's later changes in the same plan must not be made either.
fn refused(changes: &[(&Change, Kind)]) -> Vec<bool> {
    let mut things = BTreeSet::new();
    let mut refused = Vec::with_capacity(changes.len());
    for (change, kind) in changes {
        if *kind == Kind::FirstTouch {
            things.insert(&change.thing);
        }
        refused.push(things.contains(&change.thing));
    }
    refused
}

impl Change {
    pub(super) fn entry(&self, kind: Kind) -> Entry {
        let control = self.control.clone();
        let thing = ThingName::of(&self.thing);
        let after = Short::of(&self.after);
        match kind {
            Kind::FirstTouch => Entry::FirstTouch {
                control,
                thing,
                before: Image::of(&self.before),
                after,
            },
            Kind::Repair => Entry::Repair {
                control,
                thing,
                observed: Short::of(&self.before),
                after,
            },
        }
    }
}
