//! What we wrote ourselves, as far as the ledger knows.

use std::collections::BTreeMap;

use crate::host::Thing;

use super::ledger::{Fingerprint, Ledger, LedgerError};
use super::lock::Lock;

/// What we last wrote, thing by thing: tells our own old content from an operator's file.
#[derive(Debug, Clone, Default)]
pub struct Written(BTreeMap<Thing, Fingerprint>);

impl Written {
    /// Takes it from the ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn of(ledger: &mut Ledger, lock: &Lock) -> Result<Self, LedgerError> {
        let touched = ledger.touched(lock)?;
        Ok(Self(
            touched
                .into_iter()
                .map(|touch| (touch.thing, touch.last_written))
                .collect(),
        ))
    }

    /// Whether a file's content is what we wrote there last.
    #[must_use]
    pub fn is_ours(&self, thing: &Thing, content: &[u8]) -> bool {
        self.0
            .get(thing)
            .is_some_and(|fingerprint| fingerprint.has_content(content))
    }
}
