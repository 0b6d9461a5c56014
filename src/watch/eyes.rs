//! What the daemon sees with: inotify while it can be had, polling while not, and the kernel parameters that stay open.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::arms::{ArmError, Arms, Events, Placed};
use super::index::Index;
use crate::host::sysctl::{HOST_SYSCTLS, PinnedSysctl};
use crate::host::{LiveSysctls, Root, SysctlKey};

/// What the daemon sees with.
#[derive(Debug)]
pub struct Eyes {
    arms: Option<Arms>,
    /// Why there is no inotify.
    blind: Option<String>,
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    key: SysctlKey,
    pinned: PinnedSysctl,
    /// The value with which it was last seen to hold.
    good: Option<String>,
}

impl Eyes {
    /// Opens them; nothing is watched yet.
    #[must_use]
    pub fn open() -> Self {
        let mut eyes = Self {
            arms: None,
            blind: None,
            keys: Vec::new(),
        };
        eyes.try_inotify();
        eyes
    }

    fn try_inotify(&mut self) {
        match Arms::new() {
            Ok(arms) => {
                self.arms = Some(arms);
                self.blind = None;
            }
            Err(error) => self.blind = Some(error.to_string()),
        }
    }

    /// Why everything is polled; `None` while events are seen.
    #[must_use]
    pub fn blind(&self) -> Option<&str> {
        self.blind.as_deref()
    }

    /// Places the watches on what is there now.
    pub fn place(&mut self, root: &Root, index: &Index) -> Placed {
        if self.arms.is_none() {
            self.try_inotify();
        }
        let Some(arms) = &mut self.arms else {
            return Placed::default();
        };
        match arms.place(root, index) {
            Ok(placed) => placed,
            Err(error) => {
                self.go_blind(&error);
                Placed::default()
            }
        }
    }

    /// Opens the kernel parameters of an index, to be watched and read again and again. One that this kernel lacks is
    /// left out; one that cannot be opened is left to the full pass.
    pub fn pin(&mut self, live: Option<&LiveSysctls>, index: &Index) {
        self.keys.clear();
        if let Some(arms) = &mut self.arms {
            arms.forget_keys();
        }
        let host = LiveSysctls::at(Path::new(HOST_SYSCTLS)).ok();
        let Some(directory) = live.map(|live| host.as_ref().unwrap_or(live)) else {
            return;
        };
        for key in index.keys() {
            if let Ok(Some(pinned)) = directory.pin(key) {
                self.keys.push(Key {
                    key: key.clone(),
                    pinned,
                    good: None,
                });
            }
        }
        self.watch_keys();
    }

    /// Watches the open kernel parameters, also after polling.
    pub fn watch_keys(&mut self) {
        let Some(arms) = &mut self.arms else { return };
        arms.forget_keys();
        let failed = self
            .keys
            .iter()
            .find_map(|key| arms.watch_key(&key.key, &key.pinned).err());
        if let Some(error) = failed {
            self.go_blind(&error);
        }
    }

    fn go_blind(&mut self, error: &ArmError) {
        self.arms = None;
        self.blind = Some(error.to_string());
    }

    /// What is readable when there are events; `None` while there is no inotify.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.arms.as_ref().map(Arms::descriptor)
    }

    /// Whether something happened that nobody has read yet. Without inotify that cannot be known, and counts as true.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        let Some(descriptor) = self.descriptor() else {
            return true;
        };
        let mut descriptors = [PollFd::new(descriptor, PollFlags::POLLIN)];
        poll(&mut descriptors, PollTimeout::ZERO) != Ok(0)
    }

    /// Reads some of what there is; `None` when all is read.
    ///
    /// # Errors
    /// When the kernel refuses, which it never should.
    pub fn read(&mut self, index: &Index) -> io::Result<Option<Events>> {
        match &mut self.arms {
            Some(arms) => arms.read(index),
            None => Ok(None),
        }
    }

    /// The kernel parameters that do not have the value with which they were last seen to hold.
    #[must_use]
    pub fn changed_keys(&self) -> BTreeSet<SysctlKey> {
        self.keys
            .iter()
            .filter(|key| key.good.is_none() || key.pinned.read().ok() != key.good)
            .map(|key| key.key.clone())
            .collect()
    }

    /// Takes note that a kernel parameter was seen to hold.
    pub fn holds(&mut self, holding: &SysctlKey) {
        for key in self.keys.iter_mut().filter(|key| key.key == *holding) {
            key.good = key.pinned.read().ok();
        }
    }
}
