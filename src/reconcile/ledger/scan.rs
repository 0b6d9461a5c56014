//! Reading the ledger from disk: checks every link, tells an honest crash from tampering, fills the index.

use std::fmt;
use std::io::{BufRead, BufReader, Read};

use super::hash::Hash;
use super::head::Mark;
use super::index::{Index, Span};
use super::line::{Entry, Line};
use crate::host::{HostError, OwnFile};

/// What the record's first fault is. Lines are counted from 1 as they stand in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// The line is not what the line after it, or the head, was written for.
    Changed {
        /// The line.
        line: u64,
        /// The same, unless the line after it is contradicted as well: then it may be that one alone.
        through: u64,
    },
    /// The line is none of ours.
    Unreadable {
        /// The line.
        line: u64,
    },
    /// Lines are missing before this one, or it stands at another place than it was written.
    OutOfOrder {
        /// The line.
        line: u64,
        /// The sequence number that belongs there.
        expected: u64,
        /// The one that stands there.
        found: u64,
    },
    /// Lines at the end are missing.
    Cut {
        /// The first line that is missing.
        line: u64,
        /// How many are missing.
        missing: u64,
    },
    /// The head file is missing or unreadable, so that nobody knows whether lines at the end are missing.
    HeadLost,
}

impl Damage {
    /// The first line that cannot be trusted; lines before it are proven.
    #[must_use]
    pub const fn line(&self) -> Option<u64> {
        match self {
            Self::Changed { line, .. }
            | Self::Unreadable { line }
            | Self::OutOfOrder { line, .. }
            | Self::Cut { line, .. } => Some(*line),
            Self::HeadLost => None,
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { line, through } if line == through => {
                write!(formatter, "line {line} was changed")
            }
            Self::Changed { line, through } => {
                write!(formatter, "line {line} or {through} was changed")
            }
            Self::Unreadable { line } => write!(formatter, "line {line} is not a ledger line"),
            Self::OutOfOrder {
                line,
                expected,
                found,
            } => write!(
                formatter,
                "line {line} is out of order: entry {found} stands where entry {expected} was written"
            ),
            Self::Cut { line, missing } => write!(
                formatter,
                "it was cut: line {line} and what followed is missing ({missing} entries)"
            ),
            Self::HeadLost => formatter.write_str(
                "its head file is missing or unreadable, so a cut at the end cannot be excluded",
            ),
        }
    }
}

/// The end of what has been read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tail {
    /// The last line.
    pub(super) mark: Mark,
    /// Where the next line begins.
    pub(super) end: u64,
    /// Number of lines.
    pub(super) lines: u64,
}

impl Tail {
    pub(super) const EMPTY: Self = Self {
        mark: Mark::START,
        end: 0,
        lines: 0,
    };
}

/// A reading of the ledger.
#[derive(Debug)]
pub(super) struct Scan {
    pub(super) tail: Tail,
    pub(super) damage: Option<Damage>,
    /// Bytes after the tail that an interrupted write left.
    pub(super) torn_bytes: u64,
    marks: Vec<Mark>,
    /// Up to this sequence number lines were whole on the disk, whatever crashed since.
    floor: u64,
}

enum Fault {
    Unreadable,
    Link,
    Order { found: u64 },
}

impl Scan {
    /// Reads on from a tail. `marks` are lines that must be there; a longer line than `line_limit_bytes` is none.
    pub(super) fn run(
        file: &OwnFile,
        from: Tail,
        marks: Vec<Mark>,
        line_limit_bytes: u64,
        index: &mut Index,
    ) -> Result<Self, HostError> {
        let floor = marks.iter().map(|mark| mark.seq).max().unwrap_or(0);
        let mut scan = Self {
            tail: from,
            damage: None,
            torn_bytes: 0,
            marks,
            floor,
        };
        if scan.contradicted(from.mark) {
            scan.blame(changed(from.lines));
        }
        let mut reader = BufReader::new(file.reader(from.end));
        let mut text = Vec::new();
        loop {
            text.clear();
            let count = reader
                .by_ref()
                .take(line_limit_bytes)
                .read_until(b'\n', &mut text)
                .map_err(|error| HostError::System {
                    operation: "read",
                    path: file.path().to_path_buf(),
                    errno: nix::errno::Errno::from_raw(
                        error.raw_os_error().unwrap_or(nix::libc::EIO),
                    ),
                })?;
            if count == 0 {
                break;
            }
            if !scan.take(&text, index) {
                scan.torn_bytes = file.size_bytes()?.saturating_sub(scan.tail.end);
                break;
            }
        }
        scan.finish();
        Ok(scan)
    }

    /// Takes the next piece of the file in; false if a crash left it and what follows.
    fn take(&mut self, text: &[u8], index: &mut Index) -> bool {
        let number = self.tail.lines + 1;
        let body = text.strip_suffix(b"\n").unwrap_or(text);
        let line = parse(text, body);
        let linked = line.as_ref().ok_or(Fault::Unreadable);
        if let Err(fault) = linked.and_then(|line| self.link(line)) {
            if self.tail.mark.seq >= self.floor {
                return false;
            }
            self.blame(match fault {
                Fault::Unreadable => Damage::Unreadable { line: number },
                Fault::Link => changed(self.tail.lines.max(1)),
                Fault::Order { found } => Damage::OutOfOrder {
                    line: number,
                    expected: self.next_seq(),
                    found,
                },
            });
        }
        let mark = Mark {
            seq: line.as_ref().map_or(self.next_seq(), |line| line.seq),
            hash: Hash::of(body),
        };
        if self.contradicted(mark) {
            self.blame(changed(number));
        }
        let offset = self.tail.end;
        self.tail = Tail {
            mark,
            end: offset + text.len() as u64,
            lines: number,
        };
        if let Some(line) = line {
            let length = text.len();
            index.add(
                line,
                Span {
                    offset,
                    length,
                    line: number,
                },
            );
        }
        true
    }

    /// Whether the line follows the one before.
    fn link(&mut self, line: &Line) -> Result<(), Fault> {
        if self.tail.lines == 0
            && let Entry::Checkpoint {
                replaced_through,
                kept_lines,
                ..
            } = line.entry
            && replaced_through.checked_add(1) == Some(line.seq)
        {
            let replaced = Mark {
                seq: replaced_through,
                hash: line.prev,
            };
            self.floor = self.floor.max(line.seq.saturating_add(kept_lines));
            if self.contradicted(replaced) {
                self.blame(changed(1));
            }
            return Ok(());
        }
        if line.seq != self.next_seq() {
            return Err(Fault::Order { found: line.seq });
        }
        if line.prev != self.tail.mark.hash {
            return Err(Fault::Link);
        }
        Ok(())
    }

    fn contradicted(&self, found: Mark) -> bool {
        self.marks
            .iter()
            .any(|mark| mark.seq == found.seq && mark.hash != found.hash)
    }

    fn finish(&mut self) {
        if self.tail.mark.seq < self.floor {
            self.blame(Damage::Cut {
                line: self.tail.lines + 1,
                missing: self.floor - self.tail.mark.seq,
            });
        }
    }

    fn next_seq(&self) -> u64 {
        self.tail.mark.seq.saturating_add(1)
    }

    /// The first fault is the one to report; those after it may only follow from it.
    fn blame(&mut self, damage: Damage) {
        match (&mut self.damage, damage) {
            (Some(Damage::Changed { through, .. }), Damage::Changed { line, .. })
                if line == *through + 1 =>
            {
                *through = line;
            }
            (Some(_), _) => {}
            (none, damage) => *none = Some(damage),
        }
    }
}

/// A line of ours; the last sequence number is never reached.
fn parse(text: &[u8], body: &[u8]) -> Option<Line> {
    let whole = text.ends_with(b"\n");
    let line: Option<Line> = serde_json::from_slice(body).ok();
    line.filter(|line| whole && line.seq < u64::MAX)
}

const fn changed(line: u64) -> Damage {
    Damage::Changed {
        line,
        through: line,
    }
}
