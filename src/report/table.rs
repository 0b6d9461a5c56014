//! The table that people read.

use std::fmt::Write;

use crate::reconcile::Verdict;

use super::terminal::Tone;
use super::{Assessment, ControlReport, FindingReport, Terminal};

const COLUMN_GAP: &str = "  ";
/// No column is squeezed below this.
const NARROWEST: usize = 12;

/// A report as a table, fitted to a terminal.
#[derive(Debug)]
pub struct Table<'a> {
    assessment: &'a Assessment,
    terminal: Terminal,
    /// Controls that hold or do not apply are listed too.
    all: bool,
}

struct Row {
    verdict: Option<Verdict>,
    cells: [String; 5],
}

impl<'a> Table<'a> {
    /// A table for a terminal.
    #[must_use]
    pub const fn new(assessment: &'a Assessment, terminal: Terminal, all: bool) -> Self {
        Self {
            assessment,
            terminal,
            all,
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
                let verdict = row.verdict.map_or("", Verdict::name);
                self.line(&mut text, verdict, row.verdict, &widths, &row.cells);
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
        match self.assessment.node.surroundings {
            place @ ("container" | "chroot") => format!(
                "This is a {place}: live kernel values and services are somebody else's and left alone.\n\n"
            ),
            _ => String::new(),
        }
    }

    fn rows(&self) -> Vec<Row> {
        self.assessment
            .controls
            .iter()
            .filter(|control| self.all || !is_quiet(control))
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
        let verdict = format!("{verdict:<14}");
        text.push_str(&self.terminal.paint(tone, verdict));
        for (cell, width) in cells.iter().zip(widths) {
            let cell = fit(cell, *width);
            let _ = write!(text, "{COLUMN_GAP}{cell:<width$}");
        }
        let end = text.trim_end().len();
        text.truncate(end);
        text.push('\n');
    }

    /// Natural widths, the widest columns squeezed until the line fits.
    fn widths(&self, rows: &[Row]) -> [usize; 5] {
        let mut widths = HEADINGS.map(str::len);
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let Some(columns) = self.terminal.columns else {
            return widths;
        };
        let available = columns.saturating_sub(14 + widths.len() * COLUMN_GAP.len());
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

fn is_quiet(control: &ControlReport) -> bool {
    matches!(control.verdict, Verdict::Compliant | Verdict::NotApplicable)
}

/// One line for a control, and one more for each further finding that is not as it should be.
fn rows_of(control: &ControlReport) -> Vec<Row> {
    let mut telling: Vec<&FindingReport> = control
        .findings
        .iter()
        .filter(|finding| !matches!(finding.verdict, Verdict::Compliant | Verdict::NotApplicable))
        .collect();
    if telling.is_empty() {
        telling.extend(control.findings.first());
    }
    let cis = control.cis.clone().unwrap_or_default();
    if telling.is_empty() {
        let note = control.note.clone().unwrap_or_default();
        return vec![Row {
            verdict: Some(control.verdict),
            cells: [control.id.clone(), cis, String::new(), note, String::new()],
        }];
    }
    telling
        .iter()
        .enumerate()
        .map(|(index, finding)| {
            let observed = finding
                .reason
                .clone()
                .unwrap_or_else(|| finding.observed.clone());
            let first = index == 0;
            Row {
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
        .collect()
}

const fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Compliant => Tone::Good,
        Verdict::Divergent => Tone::Bad,
        Verdict::Excepted | Verdict::Unknown => Tone::Doubtful,
        Verdict::NotApplicable => Tone::Faint,
    }
}

/// The text cut to a width, with a mark where it was cut.
fn fit(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push('…');
    cut
}
