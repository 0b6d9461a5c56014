//! The table that people read.

use std::fmt::Write;

use crate::node::Surroundings;
use crate::reconcile::Verdict;

use super::listing::{VERDICT_WIDTH, tone};
use super::terminal::Tone;
use super::{Assessment, ControlReport, FindingReport, Listed, Terminal};

const COLUMN_GAP: &str = "  ";
/// Where nobody has said how wide a line may be, no cell is broken, and none is filled up beyond this: a long one would
/// push the columns behind it out of sight in every row.
const PADDED_COLUMNS: usize = 120;
/// No column is squeezed below this.
const NARROWEST: usize = 12;

/// A report as a table, fitted to a terminal.
#[derive(Debug)]
pub struct Table<'a> {
    assessment: &'a Assessment,
    terminal: Terminal,
    listed: Listed,
}

enum Row {
    /// A finding; the verdict and the name stand before a control's first one.
    Finding {
        verdict: Option<Verdict>,
        cells: [String; 5],
    },
    /// What is to be known of the control above, over all columns.
    Note(String),
}

impl<'a> Table<'a> {
    /// A table for a terminal.
    #[must_use]
    pub const fn new(assessment: &'a Assessment, terminal: Terminal, listed: Listed) -> Self {
        Self {
            assessment,
            terminal,
            listed,
        }
    }

    /// The text of the table, with a line that sums up.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = self.surroundings();
        let rows = self.rows();
        if !rows.is_empty() {
            let widths = self.widths(&rows);
            self.line(
                &mut text,
                "VERDICT",
                None,
                &widths,
                &HEADINGS.map(str::to_owned),
            );
            for row in &rows {
                match row {
                    Row::Finding { verdict, cells } => {
                        let name = verdict.map_or("", Verdict::name);
                        self.line(&mut text, name, *verdict, &widths, cells);
                    }
                    Row::Note(note) => self.note(&mut text, note),
                }
            }
            text.push('\n');
        }
        for warning in &self.assessment.warnings {
            let _ = writeln!(
                text,
                "{} {warning}",
                self.terminal.paint(Tone::Doubtful, "warning:")
            );
        }
        text.push_str(&self.summary());
        text
    }

    /// What a reader has to know before the verdicts: whose kernel and services these are.
    fn surroundings(&self) -> String {
        let place = match self.assessment.node.surroundings {
            Surroundings::Container => "container",
            Surroundings::Chroot => "chroot",
            Surroundings::Machine | Surroundings::Image => return String::new(),
        };
        format!(
            "This is a {place}: live kernel values and services are somebody else's and left alone.\n\n"
        )
    }

    fn rows(&self) -> Vec<Row> {
        self.assessment
            .controls
            .iter()
            .filter(|control| self.listed.lists(control.verdict))
            .flat_map(rows_of)
            .collect()
    }

    fn line(
        &self,
        text: &mut String,
        verdict: &str,
        shown: Option<Verdict>,
        widths: &[usize; 5],
        cells: &[String; 5],
    ) {
        let tone = shown.map_or(Tone::Strong, tone);
        let mut cells: Vec<_> = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| wrapped(cell, self.wrap_at(*width)).into_iter())
            .collect();
        let mut verdict = verdict;
        loop {
            let parts: Vec<Option<&str>> = cells.iter_mut().map(Iterator::next).collect();
            if verdict.is_empty() && parts.iter().all(Option::is_none) {
                return;
            }
            text.push_str(
                &self
                    .terminal
                    .paint(tone, format!("{verdict:<VERDICT_WIDTH$}")),
            );
            for (part, width) in parts.iter().zip(widths) {
                let part = part.unwrap_or_default();
                let _ = write!(text, "{COLUMN_GAP}{part:<width$}");
            }
            let end = text.trim_end().len();
            text.truncate(end);
            text.push('\n');
            verdict = "";
        }
    }

    fn note(&self, text: &mut String, note: &str) {
        let indent = VERDICT_WIDTH + COLUMN_GAP.len();
        let columns = self.terminal.columns.unwrap_or_default();
        let width = columns.saturating_sub(indent).max(NARROWEST);
        for line in wrapped(note, self.wrap_at(width)) {
            let line = self.terminal.paint(Tone::Faint, line);
            let _ = writeln!(text, "{:indent$}{line}", "");
        }
    }

    /// The width in which a text is broken into lines; not at all where nobody has said how wide a line may be.
    fn wrap_at(&self, width: usize) -> usize {
        self.terminal.columns.map_or(usize::MAX, |_| width)
    }

    /// Natural widths, the widest columns squeezed until the line fits.
    fn widths(&self, rows: &[Row]) -> [usize; 5] {
        let mut widths = HEADINGS.map(str::len);
        for row in rows {
            let Row::Finding { cells, .. } = row else {
                continue;
            };
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let Some(columns) = self.terminal.columns else {
            let mut left = PADDED_COLUMNS.saturating_sub(VERDICT_WIDTH);
            for width in &mut widths {
                left = left.saturating_sub(COLUMN_GAP.len());
                *width = (*width).min(left);
                left = left.saturating_sub(*width);
            }
            return widths;
        };
        let available = columns.saturating_sub(VERDICT_WIDTH + widths.len() * COLUMN_GAP.len());
        while widths.iter().sum::<usize>() > available {
            let Some(widest) = widths.iter_mut().max().filter(|width| **width > NARROWEST) else {
                break;
            };
            *widest -= 1;
        }
        widths
    }

    fn summary(&self) -> String {
        let summary = &self.assessment.summary;
        let mut parts = Vec::new();
        for (count, word, tone) in [
            (summary.compliant, "compliant", Tone::Good),
            (summary.divergent, "divergent", Tone::Bad),
            (summary.excepted, "excepted", Tone::Doubtful),
            (summary.unknown, "unknown", Tone::Doubtful),
            (summary.not_applicable, "not applicable", Tone::Faint),
        ] {
            if count > 0 {
                parts.push(self.terminal.paint(tone, format!("{count} {word}")));
            }
        }
        format!("{}\n", parts.join(", "))
    }
}

const HEADINGS: [&str; 5] = ["CONTROL", "CIS", "WANTED", "OBSERVED", "SEEN AT"];

/// One line for a control, one more for each further finding that is not as it should be, and what is to be known of it.
fn rows_of(control: &ControlReport) -> Vec<Row> {
    let mut telling: Vec<&FindingReport> = control
        .findings
        .iter()
        .filter(|finding| Listed::Telling.lists(finding.verdict))
        .collect();
    if telling.is_empty() {
        telling.extend(control.findings.first());
    }
    let cis = control.cis.clone().unwrap_or_default();
    if telling.is_empty() {
        let note = control.note.clone().unwrap_or_default();
        let mut rows = vec![Row::Finding {
            verdict: Some(control.verdict),
            cells: [control.id.clone(), cis, String::new(), note, String::new()],
        }];
        rows.extend(exception(control).map(Row::Note));
        return rows;
    }
    let refused = control.refused.iter();
    let refused = refused.map(|reason| format!("not changed by apply: {reason}"));
    let notes = control.note.iter().cloned().chain(refused);
    let notes = notes.chain(exception(control));
    telling
        .iter()
        .enumerate()
        .map(|(index, finding)| {
            let observed = finding
                .reason
                .clone()
                .unwrap_or_else(|| finding.observed.clone());
            let first = index == 0;
            Row::Finding {
                verdict: first.then_some(control.verdict),
                cells: [
                    if first {
                        control.id.clone()
                    } else {
                        String::new()
                    },
                    if first { cis.clone() } else { String::new() },
                    format!("{} {}", finding.what, finding.wanted)
                        .trim()
                        .to_owned(),
                    observed,
                    if finding.seen_at == finding.what {
                        String::new()
                    } else {
                        finding.seen_at.clone()
                    },
                ],
            }
        })
        .chain(notes.map(Row::Note))
        .collect()
}

/// Who answers for it that the control does not hold, why and how long.
fn exception(control: &ControlReport) -> Option<String> {
    let exception = control.exception.as_ref()?;
    Some(format!(
        "{} ({}, until {})",
        exception.reason, exception.owner, exception.expires
    ))
}

/// The text in lines of a width, broken after a space or within a path or an id, and nowhere else if that can be had. What
/// an operator has to read to the end (a path, what to type) is never cut off.
fn wrapped(text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text.trim_end();
    while !rest.is_empty() {
        // Where a line of this width ends.
        let Some((limit, _)) = rest.char_indices().nth(width) else {
            lines.push(rest);
            break;
        };
        let fits = rest.get(..limit).unwrap_or(rest);
        let breaks = |letter: char| matches!(letter, ' ' | '/' | '-' | ',' | '=' | '.' | '_');
        let end = fits.rfind(breaks).map_or(limit, |place| place + 1);
        let (line, next) = rest.split_at(end);
        lines.push(line.trim_end());
        rest = next.trim_start();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn a_narrow_column_loses_no_letter_and_breaks_where_words_end() {
        let text =
            "left untouched: it is immutable; `chattr -i /etc/x/y.conf` would let it be changed";
        for width in [12, 20, 33, 200] {
            let lines = wrapped(text, width);
            assert!(
                lines.iter().all(|line| line.chars().count() <= width),
                "{lines:?}"
            );
            let bare = |text: &str| text.replace(' ', "");
            assert_eq!(bare(&lines.concat()), bare(text));
        }
        assert_eq!(
            wrapped("kernel-panic-on-oops", 13),
            ["kernel-panic-", "on-oops"]
        );
        assert_eq!(wrapped("ééé", 2), ["éé", "é"]);
        assert_eq!(wrapped("", 12), Vec::<&str>::new());
    }
}
