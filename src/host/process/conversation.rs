//! Listening to a program until it has ended, has said enough or its time is over.

use std::io::{ErrorKind, Read};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::{Limits, Output, errno_of};

/// What is kept of the error output: enough for the sentence that says why.
const ERROR_LIMIT_BYTES: usize = 4096;
/// A grandchild can hold our pipes open after the program has ended; this often we look whether it has.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long a killed program may take to be gone before we leave it to itself.
const KILL_PATIENCE: Duration = Duration::from_millis(200);

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

/// How it ended.
pub(super) enum End {
    Exited(ExitStatus),
    /// We had read enough.
    Enough {
        truncated: bool,
    },
    /// Its time was over.
    Late,
}

/// A program and what it says.
pub(super) struct Conversation {
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    child: Ended,
    deadline: Instant,
    left_bytes: usize,
    said: Vec<u8>,
}

impl Conversation {
    pub(super) fn with(mut child: Child, limits: Limits) -> Self {
        Self {
            stdout: child.stdout.take(),
            stderr: child.stderr.take(),
            child: Ended(child),
            deadline: Instant::now() + limits.time,
            left_bytes: limits.output_bytes,
            said: Vec::new(),
        }
    }

    /// Listens until the end.
    pub(super) fn hold(
        &mut self,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<End, Errno> {
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

    pub(super) fn output(&self, status: Option<i32>, truncated: bool) -> Output {
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
