//! What we wrote ourselves, as far as the ledger knows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::host::Thing;

use super::ledger::{Fingerprint, Ledger, LedgerError};
use super::lock::Lock;

/// The note of the data dir in which K3s was started with an encryption line of ours.
pub(super) const ENCRYPTED: &str = "encrypted";

/// What we last wrote, thing by thing: tells our own old content from an operator's file.
#[derive(Debug, Clone, Default)]
pub struct Written {
    last: BTreeMap<Thing, Fingerprint>,
    encrypted: Option<PathBuf>,
}

impl Written {
    /// Takes it from the ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn of(ledger: &mut Ledger, lock: &Lock) -> Result<Self, LedgerError> {
        let touched = ledger.touched(lock)?;
        Ok(Self {
            last: touched
                .into_iter()
                .map(|touch| (touch.thing, touch.last_written))
                .collect(),
            encrypted: ledger.noted(ENCRYPTED, lock)?.map(PathBuf::from),
        })
    }

    /// Whether K3s was started in this data dir with an encryption line of ours.
    #[must_use]
    pub fn encrypts(&self, data_dir: &Path) -> bool {
        self.encrypted.as_deref() == Some(data_dir)
    }

    /// The data dir in which K3s was last started with an encryption line of ours.
    #[must_use]
    pub fn encrypted_in(&self) -> Option<&Path> {
        self.encrypted.as_deref()
    }

    /// Takes this data dir for that one, where nobody recorded one.
    pub fn or_encrypted_in(&mut self, data_dir: PathBuf) {
        self.encrypted.get_or_insert(data_dir);
    }

    /// Whether we have written a file's content, and have neither put it back nor taken it away since.
    #[must_use]
    pub fn has_written(&self, thing: &Thing) -> bool {
        let last = self.last.get(thing);
        last.is_some_and(Fingerprint::is_of_content)
    }

    /// Whether a file's content is what we wrote there last.
    #[must_use]
    pub fn is_ours(&self, thing: &Thing, content: &[u8]) -> bool {
        self.last
            .get(thing)
            .is_some_and(|fingerprint| fingerprint.has_content(content))
    }
}
