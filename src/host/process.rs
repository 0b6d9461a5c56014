//! Running a program of the system: bounded in time and output, no shell, nothing of ours inherited.

mod conversation;

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::ops::ControlFlow;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::errno::Errno;

use conversation::{Conversation, End};

/// The only places where a program is looked for, whatever our own PATH says.
const DIRECTORIES: [&str; 2] = ["/usr/bin", "/bin"];

/// The whole environment of a program that we run. NOTIFY_SOCKET, tokens and pagers are not among it.
const ENVIRONMENT: [(&str, &str); 5] = [
    ("PATH", "/usr/bin:/bin"),
    ("LANG", "C"),
    ("LC_ALL", "C"),
    ("SYSTEMD_PAGER", ""),
    ("SYSTEMD_COLORS", "0"),
];

/// How much a program may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From start to end; then it is killed with its whole process group.
    pub time: Duration,
    /// Standard output in bytes; what comes after is not read.
    pub output_bytes: usize,
}

/// What a program left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Exit status; `None` if a signal ended it, or we did because we had read enough.
    pub status: Option<i32>,
    /// Standard output, up to the limit.
    pub stdout: Vec<u8>,
    /// The beginning of standard error, as text.
    pub stderr: String,
    /// Whether there was more output than the limit.
    pub truncated: bool,
}

/// Why a program gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    /// It is not installed.
    #[error("{name} is not in /usr/bin or /bin")]
    Missing {
        /// Its name.
        name: String,
    },
    /// It could not be started.
    #[error("cannot start {}: {}", program.display(), errno.desc())]
    Start {
        /// Its path.
        program: PathBuf,
        /// The kernel's answer.
        errno: Errno,
    },
    /// It did not end in time and was killed.
    #[error("`{command}` gave no answer within {} s and was ended", limit.as_secs_f32())]
    TimeLimit {
        /// Program and arguments.
        command: String,
        /// The time that it had.
        limit: Duration,
    },
    /// Its output could not be read.
    #[error("cannot read what `{command}` says: {}", errno.desc())]
    Read {
        /// Program and arguments.
        command: String,
        /// The kernel's answer.
        errno: Errno,
    },
}

/// Finds a program in the fixed places.
///
/// # Errors
/// When it is in none of them.
pub fn find(name: &str) -> Result<PathBuf, ProcessError> {
    let candidates = DIRECTORIES.map(|directory| Path::new(directory).join(name));
    let found = candidates.into_iter().find(|path| path.is_file());
    found.ok_or_else(|| ProcessError::Missing {
        name: name.to_owned(),
    })
}

/// Runs a program to its end and keeps what it says.
///
/// # Errors
/// When it cannot be started, read or does not end in time. An exit status other than 0 is no error here.
pub fn run<A: AsRef<OsStr>>(
    program: &Path,
    arguments: &[A],
    limits: Limits,
) -> Result<Output, ProcessError> {
    let mut stdout = Vec::new();
    let mut output = stream(program, arguments, limits, &mut |bytes| {
        stdout.extend_from_slice(bytes);
        ControlFlow::Continue(())
    })?;
    output.stdout = stdout;
    Ok(output)
}

/// Runs a program and hands its output on piece by piece, so that nothing large is ever kept. The sink may say that it
/// has enough; the program is then ended.
///
/// # Errors
/// As for [`run`].
pub fn stream<A: AsRef<OsStr>>(
    program: &Path,
    arguments: &[A],
    limits: Limits,
    sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<Output, ProcessError> {
    let command = shown(program, arguments);
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(ENVIRONMENT)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A group of its own, so that killing it also ends what it started.
        .process_group(0)
        .spawn()
        .map_err(|error| ProcessError::Start {
            program: program.to_path_buf(),
            errno: errno_of(&error),
        })?;
    let mut conversation = Conversation::with(child, limits);
    let read_failed = |errno| ProcessError::Read {
        command: command.clone(),
        errno,
    };
    match conversation.hold(sink).map_err(read_failed)? {
        End::Late => Err(ProcessError::TimeLimit {
            command,
            limit: limits.time,
        }),
        End::Enough { truncated } => Ok(conversation.output(None, truncated)),
        End::Exited(status) => Ok(conversation.output(status.code(), false)),
    }
}

fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

fn shown<A: AsRef<OsStr>>(program: &Path, arguments: &[A]) -> String {
    let name = program.file_name().unwrap_or(program.as_os_str());
    let mut text = name.to_string_lossy().into_owned();
    for argument in arguments {
        // Writing to a String does not fail.
        let _ = write!(text, " {}", argument.as_ref().to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests;
