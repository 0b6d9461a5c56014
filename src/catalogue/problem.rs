//! What is wrong in a file of an operator's, policy or catalogue, with line, column, excerpt and caret.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Problems that are shown; an operator mends the first ones first.
const LIMIT: usize = 10;
/// Characters of a line that are shown.
const EXCERPT_CHARACTERS: usize = 100;

/// The text of one file and where its lines begin.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    path: &'a Path,
    text: &'a str,
    line_starts: Vec<usize>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(path: &'a Path, text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        Self {
            path,
            text,
            line_starts: std::iter::once(0).chain(ends).collect(),
        }
    }

    pub(crate) const fn path(&self) -> &'a Path {
        self.path
    }

    pub(crate) const fn text(&self) -> &'a str {
        self.text
    }

    /// A problem with the bytes of a span; the caret stays on its first line.
    pub(crate) fn problem(
        &self,
        span: Range<usize>,
        message: String,
        hint: Option<String>,
    ) -> Problem {
        let line = self.line_number(span.start);
        let (start, text) = self.line(line);
        let characters = |end: usize| text.get(..end).map_or(0, |before| before.chars().count());
        let first = characters(span.start.saturating_sub(start).min(text.len()));
        let last = characters(span.end.saturating_sub(start).min(text.len()));
        let (excerpt, cut) = clip(text, first);
        let shown = excerpt.chars().count();
        let caret_start = first.saturating_sub(cut).min(shown);
        let caret_width = last
            .saturating_sub(first)
            .clamp(1, (shown - caret_start).max(1));
        Problem {
            path: self.path.to_path_buf(),
            line,
            column: first + 1,
            excerpt,
            caret_start,
            caret_width,
            message,
            hint,
        }
    }

    /// A problem with a whole line.
    pub(crate) fn problem_with_line(
        &self,
        line: usize,
        message: String,
        hint: Option<String>,
    ) -> Problem {
        let (start, text) = self.line(line);
        let indent = text.len() - text.trim_start().len();
        self.problem(start + indent..start + text.trim_end().len(), message, hint)
    }

    /// The bytes of a word from a line on; `None` if it does not stand there.
    pub(crate) fn find(&self, from_line: usize, word: &str) -> Option<Range<usize>> {
        let (start, _) = self.line(from_line);
        let found = start + self.text.get(start..)?.find(word)?;
        Some(found..found + word.len())
    }

    pub(crate) fn line_number(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    /// Offset and text of a line, its end left out.
    fn line(&self, number: usize) -> (usize, &'a str) {
        let start = self.line_starts.get(number.saturating_sub(1));
        let start = start.copied().unwrap_or(self.text.len());
        let rest = self.text.get(start..).unwrap_or_default();
        (start, rest.lines().next().unwrap_or_default())
    }
}

/// The part of a line around a column, and how many characters were cut away before it.
fn clip(line: &str, column: usize) -> (String, usize) {
    let lead = EXCERPT_CHARACTERS / 2;
    let is_long = line.chars().nth(EXCERPT_CHARACTERS).is_some();
    let cut = if is_long {
        column.saturating_sub(lead)
    } else {
        0
    };
    let excerpt = line.chars().skip(cut).take(EXCERPT_CHARACTERS);
    (excerpt.map(printable).collect(), cut)
}

/// A text from a file as it may be printed: no control character reaches the terminal, and it is not long.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(60).map(printable).collect();
    if text.chars().nth(60).is_some() {
        shown.push_str("...");
    }
    shown
}

fn printable(character: char) -> char {
    match character {
        '\t' => ' ',
        control if control.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

/// One thing that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as seen inside the root.
    pub path: PathBuf,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// The mend: often the nearest valid name.
    pub hint: Option<String>,
    excerpt: String,
    caret_start: usize,
    caret_width: usize,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        writeln!(
            formatter,
            "{path}:{}:{}: {}",
            self.line, self.column, self.message
        )?;
        writeln!(formatter, "{} | {}", self.line, self.excerpt)?;
        let gutter = " ".repeat(self.line.to_string().len());
        let indent = " ".repeat(self.caret_start);
        let caret = "^".repeat(self.caret_width);
        write!(formatter, "{gutter} | {indent}{caret}")?;
        match &self.hint {
            Some(hint) => write!(formatter, " {hint}"),
            None => Ok(()),
        }
    }
}

/// What is wrong in some files, at least one thing, in the order of files and lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Every problem that was looked for; reading stops after ten.
    #[must_use]
    pub fn all(&self) -> &[Problem] {
        &self.0
    }

    pub(crate) fn push(&mut self, problem: Problem) {
        if !self.is_full() {
            self.0.push(problem);
        }
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.0.len() >= LIMIT
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The parser hands out keys by name; people read files from the top.
    pub(crate) fn sort_by_line_from(&mut self, first: usize) {
        if let Some(of_this_file) = self.0.get_mut(first..) {
            of_this_file.sort_by_key(|problem| (problem.line, problem.column));
        }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            write!(formatter, "{problem}")?;
        }
        if self.is_full() {
            formatter.write_str("\nthere may be more problems; reading stopped here")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_counts_characters_and_the_caret_stays_on_its_line() {
        let text = "a = 1\r\n\u{e4}\u{f6} = \"x\ny\"\n";
        let source = Source::new(Path::new("/p"), text);
        let start = text.find('"').unwrap();
        let problem = source.problem(start..text.len(), "wrong".to_owned(), None);
        assert_eq!(
            problem.to_string(),
            "/p:2:6: wrong\n2 | \u{e4}\u{f6} = \"x\n  |      ^^"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_caret_and_control_characters_are_not_printed() {
        let text = format!("{}\u{1b}[31m{}", "x".repeat(500), "y".repeat(500));
        let source = Source::new(Path::new("/p"), &text);
        let problem = source.problem(500..505, "wrong".to_owned(), Some("hint".to_owned()));
        let lines: Vec<String> = problem.to_string().lines().map(str::to_owned).collect();
        let excerpt = format!("1 | {}\u{fffd}[31m{}", "x".repeat(50), "y".repeat(45));
        assert_eq!(lines[1], excerpt);
        assert_eq!(lines[2], format!("  | {}^^^^^ hint", " ".repeat(50)));
    }

    #[test]
    fn offsets_past_the_end_or_inside_a_character_do_no_harm() {
        let source = Source::new(Path::new("/p"), "\u{e4}");
        for span in [0..99, 99..100, 1..2, usize::MAX..usize::MAX] {
            let problem = source.problem(span, "wrong".to_owned(), None);
            assert_eq!(problem.line, 1);
        }
    }
}
