//! The record that a thing is decided by: as it is, or as it will be when the thing has its turn.

use crate::host::{State, Thing};
use crate::reconcile::ledger::{Change, Ledger, LedgerError, Touch};
use crate::reconcile::lock::Lock;

/// What is ours, and what it was before us.
pub(super) struct Record<'l> {
    ledger: &'l mut Ledger,
    lock: &'l Lock,
    touched: Vec<Touch>,
    /// Taken to be recorded already.
    ahead: &'l [Change],
}

impl<'l> Record<'l> {
    /// As it is now.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) fn as_it_is(ledger: &'l mut Ledger, lock: &'l Lock) -> Result<Self, LedgerError> {
        Self::after(&[], ledger, lock)
    }

    /// As it is once these changes are made.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(super) fn after(
        changes: &'l [Change],
        ledger: &'l mut Ledger,
        lock: &'l Lock,
    ) -> Result<Self, LedgerError> {
        let touched = match changes {
            [] => ledger.touched(lock)?,
            changes => ledger.touched_after(changes, lock)?,
        };
        Ok(Self {
            ledger,
            lock,
            touched,
            ahead: changes,
        })
    }

    /// What is to be undone, last touched first.
    pub(super) fn touched(&self) -> &[Touch] {
        &self.touched
    }

    /// Takes a thing to be ours no longer.
    pub(super) fn end(&mut self, thing: &Thing) {
        self.touched.retain(|touch| touch.thing != *thing);
    }

    /// What a thing was before us.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(super) fn before(&mut self, thing: &Thing) -> Result<State, LedgerError> {
        self.ledger.before_after(self.ahead, thing, self.lock)
    }

    /// Whether something that we changed and did not put back is in a directory.
    pub(super) fn holds_ours(&self, directory: &Thing) -> bool {
        let Thing::Path(directory) = directory else {
            return false;
        };
        let inside = |touch: &Touch| match &touch.thing {
            Thing::Path(path) => path != directory && path.starts_with(directory),
            Thing::Sysctl(_) => false,
        };
        self.touched.iter().any(inside)
    }
}
