//! What a command prints. A reader who has seen enough (`| head`) is no error of ours; output that is lost to a full disk
//! is one, and whoever reads the exit code must learn of it.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use super::Exit;

/// The first failure; what follows it is lost as well.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Prints a line.
macro_rules! say {
    () => {
        $crate::cli::output::print(format_args!("\n"))
    };
    ($($text:tt)*) => {
        $crate::cli::output::print(format_args!("{}\n", format_args!($($text)*)))
    };
}

/// Prints a text as it is.
macro_rules! tell {
    ($($text:tt)*) => {
        $crate::cli::output::print(format_args!($($text)*))
    };
}

pub(super) fn print(text: Arguments<'_>) {
    keep(io::stdout().write_fmt(text));
}

/// How a command ended, when all that it printed has arrived or is lost.
pub(super) fn finish(exit: Exit) -> Exit {
    keep(io::stdout().flush());
    let Some(error) = LOST.get() else {
        return exit;
    };
    eprintln!("k3warden: what was to be printed is lost: {error}");
    Exit::Unable
}

fn keep(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}
