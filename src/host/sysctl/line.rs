//! The lines of a sysctl.d file.
//!
//! As `parse_file` in systemd's `src/sysctl/sysctl.c` takes them; versions 247 to 257 agree.

use std::path::{Path, PathBuf};

use super::glob::Glob;
use super::key::normalize;

/// systemd stops reading a file at a line of this length (`LONG_LINE_MAX`, `src/basic/fileio.h`).
const LINE_LIMIT_BYTES: usize = 1024 * 1024;

/// A line that sets a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The value without surrounding blanks.
    pub value: String,
    /// The file, as seen inside the root.
    pub path: PathBuf,
    /// Line, counted from 1.
    pub line: usize,
    /// The key as the line spells it; may be a pattern.
    pub spelled: String,
}

/// A line that keeps a key from being set: `-key` without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exclusion {
    /// The file, as seen inside the root.
    pub path: PathBuf,
    /// Line, counted from 1.
    pub line: usize,
    /// The key as the line spells it.
    pub spelled: String,
}

/// A line of a sysctl.d file that means something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// `key = value`, `-key = value`, `pattern = value`.
    Sets(Assignment),
    /// `-key`.
    Excludes(Exclusion),
}

/// What a statement is about.
#[derive(Debug, Clone)]
pub(super) enum Subject {
    /// One parameter, normalised.
    Key(String),
    /// Every parameter that a pattern matches; the pattern normalised and ready to match.
    Pattern(String, Glob),
}

/// A statement and what it is about.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub subject: Subject,
    pub statement: Statement,
}

impl Statement {
    /// The value that is set, if one is.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        match self {
            Self::Sets(assignment) => Some(&assignment.value),
            Self::Excludes(_) => None,
        }
    }

    /// The file, as seen inside the root.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Sets(assignment) => &assignment.path,
            Self::Excludes(exclusion) => &exclusion.path,
        }
    }

    /// The line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        match self {
            Self::Sets(assignment) => assignment.line,
            Self::Excludes(exclusion) => exclusion.line,
        }
    }
}

impl Assignment {
    /// The place as `path:line`.
    #[must_use]
    pub fn place(&self) -> String {
        place(&self.path, self.line)
    }
}

impl Exclusion {
    /// The place as `path:line`.
    #[must_use]
    pub fn place(&self) -> String {
        place(&self.path, self.line)
    }
}

fn place(path: &Path, line: usize) -> String {
    format!("{}:{line}", path.display())
}

/// Every statement of a file in order. Lines that are none are passed over, as systemd does with a warning.
pub(super) fn parse(content: &[u8], path: &Path) -> Vec<Entry> {
    lines(content)
        .take_while(|line| line.len() < LINE_LIMIT_BYTES)
        .enumerate()
        .filter_map(|(index, line)| statement(&String::from_utf8_lossy(line), path, index + 1))
        .collect()
}

fn statement(line: &str, path: &Path, number: usize) -> Option<Entry> {
    let line = line.trim_matches(BLANKS);
    if line.is_empty() || line.starts_with(['#', ';']) {
        return None;
    }
    // With a value the dash only means that a failure to set it is none.
    let (name, statement) = if let Some((name, value)) = line.split_once('=') {
        let spelled = name.strip_prefix('-').unwrap_or(name).trim_matches(BLANKS);
        let assignment = Assignment {
            value: value.trim_matches(BLANKS).to_owned(),
            path: path.to_path_buf(),
            line: number,
            spelled: spelled.to_owned(),
        };
        (spelled, Statement::Sets(assignment))
    } else {
        let spelled = line.strip_prefix('-')?.trim_matches(BLANKS);
        let exclusion = Exclusion {
            path: path.to_path_buf(),
            line: number,
            spelled: spelled.to_owned(),
        };
        (spelled, Statement::Excludes(exclusion))
    };
    let name = normalize(name);
    let subject = if name.contains(['*', '?', '[']) {
        let glob = Glob::new(&name);
        Subject::Pattern(name, glob)
    } else {
        Subject::Key(name)
    };
    Some(Entry { subject, statement })
}

/// systemd's `WHITESPACE`.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// Lines as systemd's `read_line` finds them: `\n`, `\r` and NUL each end one, and so does a run of them in which none
/// comes twice; nothing follows a NUL in such a run.
fn lines(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = content;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .iter()
            .position(|byte| ends_line(*byte))
            .unwrap_or(rest.len());
        let (line, tail) = rest.split_at_checked(end)?;
        let mut taken = 0;
        let mut seen: Vec<u8> = Vec::with_capacity(3);
        for byte in tail {
            if !ends_line(*byte) || seen.contains(byte) || seen.contains(&0) {
                break;
            }
            seen.push(*byte);
            taken += 1;
        }
        rest = tail.get(taken..).unwrap_or_default();
        Some(line)
    })
}

const fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r' | 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(content: &str) -> Vec<(String, Option<String>, usize)> {
        parse(content.as_bytes(), Path::new("/etc/sysctl.d/a.conf"))
            .into_iter()
            .map(|entry| {
                let name = match entry.subject {
                    Subject::Key(name) | Subject::Pattern(name, _) => name,
                };
                let value = entry.statement.value().map(str::to_owned);
                (name, value, entry.statement.line())
            })
            .collect()
    }

    fn set(name: &str, value: &str, line: usize) -> (String, Option<String>, usize) {
        (name.to_owned(), Some(value.to_owned()), line)
    }

    #[test]
    fn values_keep_their_inner_blanks_and_equal_signs() {
        assert_eq!(
            parsed("kernel.core_pattern =  |/bin/x %p = %u \nkernel.printk\t=\t4 4 1 7"),
            [
                set("kernel/core_pattern", "|/bin/x %p = %u", 1),
                set("kernel/printk", "4 4 1 7", 2)
            ]
        );
    }

    #[test]
    fn comments_blank_lines_and_lines_without_assignment_mean_nothing() {
        let content = "# vm.a = 1\n ; vm.b = 2\n\n  \nvm.c 3\nvm.d = 4 # kept\n";
        assert_eq!(parsed(content), [set("vm/d", "4 # kept", 6)]);
    }

    #[test]
    fn a_dash_before_an_assignment_still_assigns_and_alone_excludes() {
        assert_eq!(
            parsed("-vm.a = 1\n- vm.b = 2\n-vm.c\n- vm/d"),
            [
                set("vm/a", "1", 1),
                set("vm/b", "2", 2),
                ("vm/c".to_owned(), None, 3),
                ("vm/d".to_owned(), None, 4)
            ]
        );
    }

    #[test]
    fn a_backslash_at_the_end_continues_nothing() {
        assert_eq!(
            parsed("vm.a = 1 \\\nvm.b = 2"),
            [set("vm/a", "1 \\", 1), set("vm/b", "2", 2)]
        );
    }

    #[test]
    fn every_line_end_that_systemd_knows_ends_a_line() {
        let ends = ["\n", "\r\n", "\n\r", "\r", "\0", "\n\0", "\r\n\0"];
        for end in ends {
            let content = format!("vm.a = 1{end}vm.b = 2{end}");
            assert_eq!(
                parsed(&content),
                [set("vm/a", "1", 1), set("vm/b", "2", 2)],
                "{end:?}"
            );
        }
        assert_eq!(parsed("\0\nvm.a = 1"), [set("vm/a", "1", 3)]);
        assert_eq!(parsed("\n\nvm.a = 1"), [set("vm/a", "1", 3)]);
    }

    #[test]
    fn nothing_is_read_from_a_line_of_a_mebibyte_on() {
        let content = format!(
            "vm.a = 1\n#{}\nvm.b = 2\n",
            "x".repeat(LINE_LIMIT_BYTES - 1)
        );
        assert_eq!(parsed(&content), [set("vm/a", "1", 1)]);
        let content = format!(
            "vm.a = 1\n#{}\nvm.b = 2\n",
            "x".repeat(LINE_LIMIT_BYTES - 2)
        );
        assert_eq!(parsed(&content), [set("vm/a", "1", 1), set("vm/b", "2", 3)]);
    }
}
