//! The ledger's two files, in an order of creation and writing that no crash can turn into seeming tampering.

use super::head::{Head, Mark};
use super::{Tail, error::LedgerError};
use crate::host::{FileIdentity, HostError, Opening, OwnDirectory, OwnFile, Writing};

const LINES: &str = "ledger.jsonl";
const HEAD: &str = "ledger.head";
/// A compaction under way. Nobody reads it under this name.
const ANEW: &str = "ledger.jsonl.new";

/// The open files.
#[derive(Debug)]
pub(super) struct Store {
    directory: OwnDirectory,
    pub(super) file: OwnFile,
    identity: FileIdentity,
    head_file: Option<OwnFile>,
    pub(super) head: Head,
}

/// What is there.
pub(super) enum Opened {
    /// No ledger yet.
    Nothing,
    /// A head that speaks of a ledger which is gone.
    Lost {
        /// How many lines it had, compacted ones included.
        lines: u64,
    },
    /// A ledger.
    Store(Box<Store>),
}

impl Store {
    /// Opens what is there.
    pub(super) fn open(directory: OwnDirectory) -> Result<Opened, LedgerError> {
        let head_file = directory.open_file(HEAD, Writing::Anywhere, Opening::Existing)?;
        let Some(file) = directory.open_file(LINES, Writing::AtTheEnd, Opening::Existing)? else {
            let head = match head_file {
                Some(head_file) => Head::read(&head_file, None)?,
                None => Head::default(),
            };
            return Ok(match head.durable() {
                Some(mark) if mark.seq > 0 => Opened::Lost { lines: mark.seq },
                // At zero: a crash between the two creations.
                _ => Opened::Nothing,
            });
        };
        Ok(Opened::Store(Box::new(Self {
            identity: file.identity(),
            directory,
            file,
            head_file,
            head: Head::default(),
        })))
    }

    /// Creates both files: the head first, durable before the ledger has a name.
    pub(super) fn create(directory: OwnDirectory) -> Result<Self, LedgerError> {
        let missing = || LedgerError::Broken(super::Damage::HeadLost);
        let head_file = directory
            .open_file(HEAD, Writing::Anywhere, Opening::OrCreate)?
            .ok_or_else(missing)?;
        let mut head = Head::read(&head_file, None)?;
        if head.durable().is_none() {
            head.write_durable(&head_file, Mark::START)?;
        }
        directory.sync()?;
        let file = directory
            .open_file(LINES, Writing::AtTheEnd, Opening::OrCreate)?
            .ok_or_else(missing)?;
        directory.sync()?;
        Ok(Self {
            identity: file.identity(),
            directory,
            file,
            head_file: Some(head_file),
            head,
        })
    }

    /// Whether the name still stands for the file that we have open.
    pub(super) fn is_current(&self) -> Result<bool, HostError> {
        Ok(self.directory.identity(LINES)? == Some(self.identity))
    }

    /// Reads the head again: the lines that must be there.
    pub(super) fn read_head(&mut self, boot: Option<&str>) -> Result<Vec<Mark>, HostError> {
        if self.head_file.is_none() {
            self.head_file =
                self.directory
                    .open_file(HEAD, Writing::Anywhere, Opening::Existing)?;
        }
        if let Some(head_file) = &self.head_file {
            self.head = Head::read(head_file, boot)?;
        }
        Ok(self.head.marks().collect())
    }

    /// Appends lines after `tail`; the last of them is `mark`. With `boot` they are only written, else they are
    /// durable on return. What could not be appended whole is cut off again; a head that cannot be written leaves
    /// the lines where they are, since it may have reached the disk all the same.
    pub(super) fn append(
        &mut self,
        lines: &[u8],
        tail: &Tail,
        mark: Mark,
        boot: Option<&str>,
    ) -> Result<(), LedgerError> {
        let lost = || LedgerError::Broken(super::Damage::HeadLost);
        let head_file = self.head_file.as_ref().ok_or_else(lost)?;
        let appended = self.file.append(lines).and_then(|()| match boot {
            Some(_) => Ok(()),
            None => self.file.sync(),
        });
        if let Err(error) = appended {
            // If even this fails, the rest is found as torn by whoever reads next.
            let _ = self.file.truncate(tail.end);
            return Err(error.into());
        }
        match boot {
            Some(boot) => self.head.write_written(head_file, mark, boot)?,
            None => self.head.write_durable(head_file, mark)?,
        }
        Ok(())
    }

    /// Makes everything durable that was written up to the tail.
    pub(super) fn sync(&mut self, tail: &Tail) -> Result<(), LedgerError> {
        if self.head.durable() == Some(tail.mark) {
            return Ok(());
        }
        self.append(b"", tail, tail.mark, None)
    }

    /// Removes what a crash in a compaction left.
    pub(super) fn sweep(&self) -> Result<(), HostError> {
        self.directory.remove(ANEW)
    }

    /// An empty file to compact into.
    pub(super) fn begin_anew(&self) -> Result<OwnFile, HostError> {
        self.directory.create_anew(ANEW)
    }

    /// Puts the compacted file in the ledger's place, whole and durable or not at all.
    pub(super) fn finish_anew(&mut self, anew: OwnFile) -> Result<(), HostError> {
        anew.sync()?;
        self.directory.rename(ANEW, LINES)?;
        self.directory.sync()?;
        self.identity = anew.identity();
        self.file = anew;
        Ok(())
    }
}
