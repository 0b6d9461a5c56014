//! Where a value comes from.

use std::fmt;
use std::path::PathBuf;

/// The place that gave a value, as an operator would look for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A line of a configuration file.
    File {
        /// Path as seen inside the root.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
    },
    /// The unit's command line, where the line is not known.
    ExecStart {
        /// Unit name: `k3s.service`.
        unit: String,
    },
    /// A line of the unit's command line.
    ExecStartLine {
        /// Unit name: `k3s.service`.
        unit: String,
        /// The unit file or drop-in that holds the line.
        path: PathBuf,
        /// Line, counted from 1.
        line: usize,
    },
    /// An environment variable of the unit.
    Environment {
        /// The file that sets it (`k3s.service.env`), or the unit where `Environment=` does.
        source: String,
        /// The variable: `K3S_TOKEN`.
        variable: String,
    },
    /// K3s's own default.
    Default,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(formatter, "{}:{line}", path.display()),
            Self::ExecStart { unit } => write!(formatter, "{unit} ExecStart"),
            Self::ExecStartLine { unit, path, line } => {
                write!(formatter, "{unit} ExecStart ({}:{line})", path.display())
            }
            Self::Environment { source, variable } => write!(formatter, "{source} {variable}"),
            Self::Default => formatter.write_str("K3s default"),
        }
    }
}
