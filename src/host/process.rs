//! Running a program of the system: bounded in time and output, no shell, nothing of ours inherited.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

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

/// What is kept of the error output: enough for the sentence that says why.
const ERROR_LIMIT_BYTES: usize = 4096;
/// A grandchild can hold our pipes open after the program has ended; this often we look whether it has.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a killed program may take to be gone before we leave it to itself.
const KILL_PATIENCE: Duration = Duration::from_millis(200);

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
    let mut child = Command::new(program)
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
    let mut conversation = Conversation {
        stdout: child.stdout.take(),
        stderr: child.stderr.take(),
        child: Ended(child),
        deadline: Instant::now() + limits.time,
        left_bytes: limits.output_bytes,
        said: Vec::new(),
    };
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

/// A child that is never left running: whatever happens, it is killed and waited for.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(Some(_))) {
            return;
        }
        if let Ok(group) = i32::try_from(self.0.id()) {
            // It may be gone already: nothing to do then.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        // Bounded: a process in an uninterruptible sleep does not die now, and must not take us with it.
        let _ = wait_until(&mut self.0, Instant::now() + KILL_PATIENCE);
    }
}

enum End {
    Exited(ExitStatus),
    Enough { truncated: bool },
    Late,
}

struct Conversation {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    child: Ended,
    deadline: Instant,
    left_bytes: usize,
    said: Vec<u8>,
}

impl Conversation {
    fn hold(&mut self, sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>) -> Result<End, Errno> {
        if let Some(stdout) = &self.stdout {
            fcntl(stdout, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        if let Some(stderr) = &self.stderr {
            fcntl(stderr, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        while self.stdout.is_some() || self.stderr.is_some() {
            if Instant::now() >= self.deadline {
                return Ok(End::Late);
            }
            self.await_output()?;
            let ended = self.child.0.try_wait().map_err(|error| errno_of(&error))?;
            self.read_errors()?;
            if let Some(end) = self.read_output(sink)? {
                return Ok(end);
            }
            if let Some(status) = ended {
                return Ok(End::Exited(status));
            }
        }
        let waited = wait_until(&mut self.child.0, self.deadline);
        Ok(waited?.map_or(End::Late, End::Exited))
    }

    fn await_output(&self) -> Result<(), Errno> {
        let descriptors = [
            self.stdout.as_ref().map(AsFd::as_fd),
            self.stderr.as_ref().map(AsFd::as_fd),
        ];
        let mut polled: Vec<PollFd<'_>> = descriptors
            .into_iter()
            .flatten()
            .map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN))
            .collect();
        let left = self.deadline.saturating_duration_since(Instant::now());
        let left = left.min(LOOK_INTERVAL) + Duration::from_millis(1);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::ZERO);
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Reads what is there now.
    fn read_output(
        &mut self,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Option<End>, Errno> {
        let mut buffer = [0_u8; 16 << 10];
        while let Some(stdout) = &mut self.stdout {
            match read(stdout, &mut buffer)? {
                Piece::Nothing => return Ok(None),
                Piece::End => self.stdout = None,
                Piece::Bytes(bytes) => {
                    let taken = bytes.get(..self.left_bytes).unwrap_or(bytes);
                    self.left_bytes -= taken.len();
                    if sink(taken).is_break() {
                        return Ok(Some(End::Enough { truncated: false }));
                    }
                    if taken.len() < bytes.len() {
                        return Ok(Some(End::Enough { truncated: true }));
                    }
                }
            }
            if Instant::now() >= self.deadline {
                return Ok(Some(End::Late));
            }
        }
        Ok(None)
    }

    fn read_errors(&mut self) -> Result<(), Errno> {
        let mut buffer = [0_u8; 1024];
        while let Some(stderr) = &mut self.stderr {
            match read(stderr, &mut buffer)? {
                Piece::Nothing => return Ok(()),
                Piece::End => self.stderr = None,
                Piece::Bytes(bytes) => {
                    let room = ERROR_LIMIT_BYTES.saturating_sub(self.said.len());
                    self.said
                        .extend_from_slice(bytes.get(..room).unwrap_or(bytes));
                }
            }
            if Instant::now() >= self.deadline {
                return Ok(());
            }
        }
        Ok(())
    }

    fn output(&self, status: Option<i32>, truncated: bool) -> Output {
        Output {
            status,
            stdout: Vec::new(),
            stderr: String::from_utf8_lossy(&self.said).trim().to_owned(),
            truncated,
        }
    }
}

enum Piece<'b> {
    Bytes(&'b [u8]),
    Nothing,
    End,
}

fn read<'b>(source: &mut impl Read, buffer: &'b mut [u8]) -> Result<Piece<'b>, Errno> {
    match source.read(buffer) {
        Ok(0) => Ok(Piece::End),
        Ok(count) => Ok(Piece::Bytes(buffer.get(..count).unwrap_or_default())),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
            Ok(Piece::Nothing)
        }
        Err(error) => Err(errno_of(&error)),
    }
}

/// Linux has no waitpid with a time limit; a program that has closed its output is about to end.
fn wait_until(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>, Errno> {
    let mut pause = Duration::from_millis(1);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(Some(status)),
            Ok(None) if Instant::now() >= deadline => return Ok(None),
            Ok(None) => sleep(pause),
            Err(error) => return Err(errno_of(&error)),
        }
        pause = (pause * 2).min(Duration::from_millis(20));
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
