//! SIGTERM, SIGINT and SIGHUP as a descriptor, so that one loop hears everything and no handler runs in between.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// The wishes of whoever started us.
#[derive(Debug)]
pub struct Signals {
    descriptor: SignalFd,
    end: Cell<bool>,
    reload: Cell<bool>,
}

impl Signals {
    /// From now on these signals end nothing by themselves. Children get an empty mask from the standard library.
    ///
    /// # Errors
    /// When the kernel gives no descriptor.
    pub fn catch() -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&set, flags)?;
        Ok(Self {
            descriptor: signals,
            end: Cell::new(false),
            reload: Cell::new(false),
        })
    }

    /// Whether somebody wants us to end. Asked between two changes.
    #[must_use]
    pub fn wants_end(&self) -> bool {
        self.drain();
        self.end.get()
    }

    /// Whether somebody wants a reload since this was last asked.
    #[must_use]
    pub fn takes_reload(&self) -> bool {
        self.reload.replace(false)
    }

    fn drain(&self) {
        while let Ok(Some(signal)) = self.descriptor.read_signal() {
            if i32::try_from(signal.ssi_signo) == Ok(Signal::SIGHUP as i32) {
                self.reload.set(true);
            } else {
                self.end.set(true);
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
