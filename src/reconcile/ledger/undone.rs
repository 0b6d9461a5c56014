//! What is to be undone, and to what.

use super::image::earlier_over_later;
use super::index::{Index, Span, Touched};
use super::line::Entry;
use super::scan::Damage;
use super::write::Kind;
use super::{Change, ChangeId, Fingerprint, Ledger, LedgerError, Lock};
use crate::host::{State, Thing};

/// A thing that we changed and that was not put back since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Touch {
    /// The first touch.
    pub id: ChangeId,
    /// The thing.
    pub thing: Thing,
    /// Every control that changed it and did not give it up; the first touch's control is not always first. More than
    /// one: what was there before cannot be put back for one of them alone. None: nobody needs it, and it only waits
    /// until it can go.
    pub controls: Vec<String>,
    /// Controls that changed it and were to be put back: what is left of theirs could not go then, or has gone.
    pub given_up: Vec<String>,
    /// What it was when we last wrote it. If it is something else now, somebody changed it since.
    pub last_written: Fingerprint,
    /// Whether the record of what was there before is proven by the chain; false from the first damage on.
    pub proven: bool,
}

impl Ledger {
    /// What is to be undone, last touched first.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn touched(&mut self, lock: &Lock) -> Result<Vec<Touch>, LedgerError> {
        self.refresh(lock)?;
        Ok(self.undone(&self.index))
    }

    /// What is to be undone once these changes are recorded too, last touched first. Nothing is written.
    ///
    /// # Errors
    /// When the files cannot be read.
    pub fn touched_after(
        &mut self,
        changes: &[Change],
        lock: &Lock,
    ) -> Result<Vec<Touch>, LedgerError> {
        self.refresh(lock)?;
        let kinds = self.kinds(changes);
        let entries = kinds.iter().map(|(change, kind)| change.entry(*kind));
        let mut index = self.index.clone();
        for (line, span) in self.draft(entries.collect()).lines {
            index.add(line, span);
        }
        Ok(self.undone(&index))
    }

    /// What a thing was before our first touch, read from the disk.
    ///
    /// # Errors
    /// [`LedgerError::NotTouched`] if there is no first touch to undo; or when the line cannot be read.
    pub fn before(&mut self, thing: &Thing, lock: &Lock) -> Result<State, LedgerError> {
        self.refresh(lock)?;
        let not_touched = || LedgerError::NotTouched(thing.clone());
        let touched = self.index.touched.get(thing).ok_or_else(not_touched)?;
        let mut result = None;
        for span in touched.images.iter().rev() {
            let unreadable = || LedgerError::Broken(Damage::Unreadable { line: span.line });
            let Entry::FirstTouch { before, .. } = self.read(*span)?.entry else {
                return Err(unreadable());
            };
            let earlier = before.state().ok_or_else(unreadable)?;
            result = Some(match result {
                Some(later) => earlier_over_later(earlier, later),
                None => earlier,
            });
        }
        result.ok_or_else(not_touched)
    }

    /// The same once these changes are recorded too: of a thing of which only owner and bits were ours, a change of its
    /// content keeps what the content was.
    ///
    /// # Errors
    /// As [`Ledger::before`].
    pub fn before_after(
        &mut self,
        changes: &[Change],
        thing: &Thing,
        lock: &Lock,
    ) -> Result<State, LedgerError> {
        let known = match self.before(thing, lock) {
            Err(LedgerError::NotTouched(_)) => None,
            known => Some(known?),
        };
        let marked = self.kinds(changes).into_iter();
        let images =
            marked.filter(|(change, kind)| *kind == Kind::FirstTouch && change.thing == *thing);
        let images = images.map(|(change, _)| change.before.clone());
        let all = known.into_iter().chain(images);
        all.reduce(earlier_over_later)
            .ok_or_else(|| LedgerError::NotTouched(thing.clone()))
    }

    /// What an index says is to be undone, last touched first.
    fn undone(&self, index: &Index) -> Vec<Touch> {
        let touched = index.touched.iter();
        let mut all: Vec<Touch> = touched
            .map(|(thing, touched)| self.touch(thing, touched))
            .collect();
        all.sort_by_key(|touch| std::cmp::Reverse(touch.id));
        all
    }

    fn touch(&self, thing: &Thing, touched: &Touched) -> Touch {
        let first_doubt = self.damage.as_ref().and_then(Damage::line);
        let proven = |span: &Span| first_doubt.is_none_or(|line| span.line < line);
        Touch {
            id: ChangeId(touched.id),
            thing: thing.clone(),
            controls: touched.controls().cloned().collect(),
            given_up: touched.given_up().cloned().collect(),
            last_written: touched.last_written.clone(),
            proven: touched.images.iter().all(proven),
        }
    }
}
