//! The lines of a unit file as systemd reads them (`config_parse` in conf-parser.c).

use std::path::{Path, PathBuf};
use std::rc::Rc;

/// What systemd takes for blank.
pub(super) const BLANK: [char; 4] = [' ', '\t', '\n', '\r'];

/// One `Key=Value` of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Assignment {
    /// Shared: a long name before many short lines would become many long names.
    pub(super) section: Rc<str>,
    pub(super) key: String,
    pub(super) value: String,
    /// The file it stands in.
    pub(super) path: PathBuf,
    /// Byte offsets in the value from which on the text comes from another line, and that line.
    pieces: Vec<(usize, usize)>,
}

impl Assignment {
    /// The line of a byte of the value.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        let begun = self.pieces.partition_point(|(start, _)| *start <= offset);
        let piece = self.pieces.get(begun.saturating_sub(1));
        piece.map_or(1, |(_, line)| *line)
    }
}

/// A file that systemd would not load.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {problem}", path.display())]
pub(super) struct BadLine {
    path: PathBuf,
    line: usize,
    problem: &'static str,
}

/// A logical line: lines that end in a backslash are joined with what follows.
#[derive(Default)]
struct Joined {
    text: String,
    pieces: Vec<(usize, usize)>,
}

/// The assignments of a unit file or drop-in, in order; where a line is bad, those above it, and the line.
pub(super) fn parse(path: &Path, content: &[u8]) -> (Vec<Assignment>, Option<BadLine>) {
    let mut assignments = Vec::new();
    let bad = read(path, content, &mut assignments).err();
    (assignments, bad)
}

fn read(path: &Path, content: &[u8], assignments: &mut Vec<Assignment>) -> Result<(), BadLine> {
    let mut section = None;
    let mut joined = Joined::default();
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let text = String::from_utf8_lossy(content);
    // A line ends at any of these, and two different ones together are one end.
    let text = text.replace("\r\n", "\n").replace("\n\r", "\n");
    for (index, line) in text.split(['\n', '\r', '\0']).enumerate() {
        let line = line.trim_start_matches(BLANK);
        // Comments between continued lines are passed over, the continuation goes on.
        if line.starts_with(['#', ';']) {
            continue;
        }
        joined
            .pieces
            .push((joined.text.len(), index.saturating_add(1)));
        joined.text.push_str(line);
        if ends_in_backslash(&joined.text) {
            joined.text.pop();
            joined.text.push(' ');
            continue;
        }
        take(path, std::mem::take(&mut joined), &mut section, assignments)?;
    }
    take(path, joined, &mut section, assignments)
}

/// A last backslash continues the line, unless it is itself escaped.
fn ends_in_backslash(text: &str) -> bool {
    let backslashes = text.bytes().rev().take_while(|byte| *byte == b'\\').count();
    backslashes % 2 == 1
}

fn take(
    path: &Path,
    joined: Joined,
    section: &mut Option<Rc<str>>,
    assignments: &mut Vec<Assignment>,
) -> Result<(), BadLine> {
    let text = joined.text.trim_matches(BLANK);
    // A line that is no UTF-8 is passed over by systemd.
    if text.is_empty() || text.contains('\u{fffd}') {
        return Ok(());
    }
    if let Some(header) = text.strip_prefix('[') {
        let Some(name) = header.strip_suffix(']') else {
            return Err(BadLine {
                path: path.to_path_buf(),
                line: joined.pieces.first().map_or(1, |(_, line)| *line),
                problem: "invalid section header",
            });
        };
        *section = Some(name.into());
        return Ok(());
    }
    let (Some(section), Some((key, value))) = (section.as_ref(), text.split_once('=')) else {
        return Ok(());
    };
    let stripped = value.trim_matches(BLANK);
    let before = joined.text.len() - joined.text.trim_start_matches(BLANK).len()
        + key.len()
        + 1
        + (value.len() - value.trim_start_matches(BLANK).len());
    assignments.push(Assignment {
        section: section.clone(),
        key: key.trim_matches(BLANK).to_owned(),
        value: stripped.to_owned(),
        path: path.to_path_buf(),
        pieces: joined
            .pieces
            .iter()
            .map(|(start, line)| (start.saturating_sub(before), *line))
            .collect(),
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<(String, String)> {
        parse(Path::new("/u"), text.as_bytes())
            .0
            .into_iter()
            .map(|assignment| (assignment.key, assignment.value))
            .collect()
    }

    #[test]
    fn the_trailing_backslash_of_install_sh_ends_at_the_empty_line() {
        let text = "[Service]\nExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--x' \\\n\nRestart=always\n";
        assert_eq!(
            values(text),
            [
                (
                    "ExecStart".into(),
                    "/usr/local/bin/k3s  server  '--x'".into()
                ),
                ("Restart".into(), "always".into())
            ]
        );
    }

    #[test]
    fn a_comment_within_a_continued_line_is_passed_over() {
        assert_eq!(
            values("[Service]\nA=b \\\n# c\n; d\n e\n"),
            [("A".into(), "b  e".into())]
        );
    }

    #[test]
    fn each_part_of_a_continued_value_keeps_its_line() {
        let parsed = parse(Path::new("/u"), b"[Service]\nA= b \\\n  c\n").0;
        let value = &parsed[0];
        assert_eq!(value.value, "b  c");
        assert_eq!((value.line_at(0), value.line_at(3)), (2, 3));
    }

    #[test]
    fn a_doubled_backslash_does_not_continue() {
        assert_eq!(
            values("[S]\nA=b\\\\\nC=d\n"),
            [("A".into(), "b\\\\".into()), ("C".into(), "d".into())]
        );
    }

    #[test]
    fn a_broken_section_header_ends_the_file() {
        let (above, bad) = parse(Path::new("/u"), b"[Service]\nA=b\n[Service\nC=d\n");
        assert_eq!((above.len(), bad.is_some()), (1, true));
    }
}
