//! The journal of one run of a unit, line by line.

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use super::{InvocationId, ServiceError};
use crate::host::process::{self, Limits};

/// A longer line is cut. journald itself cuts at 48 KiB (LineMax= in journald.conf(5)).
const LINE_LIMIT_BYTES: usize = 64 << 10;
const CURSOR: &[u8] = b"-- cursor: ";

/// Where to begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalFrom {
    /// With the first line of the run.
    Start,
    /// After a line that was read before.
    After(String),
    /// With the last so many lines.
    Last(u32),
}

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalQuery {
    /// The run.
    pub invocation: InvocationId,
    /// Where to begin.
    pub from: JournalFrom,
    /// No more than this is read, in bytes. Only what the reader keeps stays in memory.
    pub limit_bytes: usize,
    /// No longer than this.
    pub limit_time: Duration,
}

/// How reading ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalEnd {
    /// For [`JournalFrom::After`] next time; `None` if nothing was read or not all.
    pub cursor: Option<String>,
    /// There was more than the limit.
    pub truncated: bool,
}

/// Runs journalctl and hands each line on.
pub(super) fn read(
    journalctl: &Path,
    query: &JournalQuery,
    each: &mut dyn FnMut(&str) -> ControlFlow<()>,
) -> Result<JournalEnd, ServiceError> {
    let mut arguments = vec![
        "--no-pager".to_owned(),
        "--quiet".to_owned(),
        "--output=cat".to_owned(),
        "--show-cursor".to_owned(),
    ];
    match &query.from {
        JournalFrom::Start => {}
        JournalFrom::After(cursor) => arguments.push(format!("--after-cursor={cursor}")),
        JournalFrom::Last(count) => arguments.push(format!("--lines={count}")),
    }
    arguments.push(format!("_SYSTEMD_INVOCATION_ID={}", query.invocation));
    let limits = Limits {
        time: query.limit_time,
        output_bytes: query.limit_bytes,
    };
    let mut lines = Lines::default();
    let output = process::stream(journalctl, &arguments, limits, &mut |bytes| {
        lines.take(bytes, each)
    })?;
    // Without a match some versions exit with 1 and say nothing.
    if output.status.is_some_and(|status| status != 0) && !output.stderr.is_empty() {
        return Err(ServiceError::failed("journalctl", &output));
    }
    let cursor = lines.finish(each);
    Ok(JournalEnd {
        cursor,
        truncated: output.truncated,
    })
}

/// Bytes put together to lines.
#[derive(Default)]
struct Lines {
    partial: Vec<u8>,
    /// The last line, held back: it may be the cursor.
    held: Option<Vec<u8>>,
    /// The reader said so.
    enough: bool,
}

impl Lines {
    fn take(
        &mut self,
        mut bytes: &[u8],
        each: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at_checked(end).unwrap_or_default();
            self.add(line);
            bytes = rest.get(1..).unwrap_or_default();
            let line = std::mem::take(&mut self.partial);
            if let Some(before) = self.held.replace(line) {
                let answer = each(&String::from_utf8_lossy(&before));
                self.enough = answer.is_break();
                answer?;
            }
        }
        self.add(bytes);
        ControlFlow::Continue(())
    }

    fn add(&mut self, bytes: &[u8]) {
        let room = LINE_LIMIT_BYTES.saturating_sub(self.partial.len());
        self.partial
            .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
    }

    /// The cursor, if it came; else the last line is handed on.
    fn finish(self, each: &mut dyn FnMut(&str) -> ControlFlow<()>) -> Option<String> {
        let held = self.held?;
        if let Some(cursor) = held.strip_prefix(CURSOR) {
            return Some(String::from_utf8_lossy(cursor).trim().to_owned());
        }
        if !self.enough {
            // Whether the reader has enough makes no difference after the last line.
            let _ = each(&String::from_utf8_lossy(&held));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> (Vec<String>, Option<String>) {
        let mut seen = Vec::new();
        let mut each = |line: &str| {
            seen.push(line.to_owned());
            ControlFlow::Continue(())
        };
        let mut lines = Lines::default();
        for piece in pieces {
            let _ = lines.take(piece, &mut each);
        }
        let cursor = lines.finish(&mut each);
        (seen, cursor)
    }

    #[test]
    fn lines_are_put_together_from_pieces_and_the_cursor_is_no_line() {
        let (seen, cursor) = lines(&[b"one\ntw", b"o\n-- cur", b"sor: s=1;i=2\n"]);
        assert_eq!(seen, ["one", "two"]);
        assert_eq!(cursor.as_deref(), Some("s=1;i=2"));
    }

    #[test]
    fn a_line_that_looks_like_a_cursor_is_a_line_unless_it_is_the_last() {
        let (seen, cursor) = lines(&[b"-- cursor: x\nend\n"]);
        assert_eq!(seen, ["-- cursor: x", "end"]);
        assert_eq!(cursor, None);
    }

    #[test]
    fn a_line_without_end_is_cut_and_not_kept_growing() {
        let long = vec![b'a'; 3 * LINE_LIMIT_BYTES];
        let (seen, _) = lines(&[&long, b"\nnext\n"]);
        assert_eq!(
            seen.iter().map(String::len).collect::<Vec<_>>(),
            [LINE_LIMIT_BYTES, 4]
        );
    }
}
