//! SIGTERM and SIGINT, taken between two changes and never inside one.

use std::cell::Cell;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::HostError;

/// The wish of somebody to end us, noticed when we ask.
#[derive(Debug)]
pub struct Interrupt {
    signals: SignalFd,
    wanted: Cell<bool>,
}

impl Interrupt {
    /// From now on SIGTERM and SIGINT end nothing by themselves.
    ///
    /// # Errors
    /// When the kernel gives no descriptor.
    pub fn catch() -> Result<Self, HostError> {
        let failed =
            |errno| HostError::system("catch signals for", std::path::Path::new("self"), errno);
        let mut set = SigSet::empty();
        set.add(Signal::SIGTERM);
        set.add(Signal::SIGINT);
        set.thread_block().map_err(failed)?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&set, flags).map_err(failed)?;
        Ok(Self {
            signals,
            wanted: Cell::new(false),
        })
    }

    /// Whether a signal has come.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        if matches!(self.signals.read_signal(), Ok(Some(_))) {
            self.wanted.set(true);
        }
        self.wanted.get()
    }
}
