//! How wide the reader's terminal is and whether it takes colour.

use std::fmt;
use std::io::IsTerminal;

/// Where a table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Columns to fit a text into; `None` where nobody has said how many there are and no line is broken.
    pub columns: Option<usize>,
    /// Whether escape sequences for colour are welcome.
    pub colour: bool,
}

/// A colour with a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Holds.
    Good,
    /// Does not.
    Bad,
    /// Wants attention.
    Doubtful,
    /// Of no importance.
    Faint,
    /// A heading.
    Strong,
}

impl Terminal {
    /// Standard output as it is. `NO_COLOR` (no-color.org) and `TERM=dumb` are honoured, and `COLUMNS` where the output is
    /// no terminal that knows its width.
    #[must_use]
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
        let own = size
            .map(|size| usize::from(size.ws_col))
            .filter(|columns| is_terminal && *columns > 0);
        let told = || std::env::var("COLUMNS").ok()?.trim().parse().ok();
        Self {
            columns: own.or_else(told).filter(|columns| *columns > 0),
            colour: is_terminal && !dumb && !set("NO_COLOR"),
        }
    }

    /// No terminal: nothing cut, nothing coloured.
    #[must_use]
    pub const fn plain() -> Self {
        Self {
            columns: None,
            colour: false,
        }
    }

    /// The text in a tone.
    #[must_use]
    pub fn paint(self, tone: Tone, text: impl fmt::Display) -> String {
        if !self.colour {
            return text.to_string();
        }
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Doubtful => "33",
            Tone::Faint => "2",
            Tone::Strong => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}
