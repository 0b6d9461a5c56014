//! Whether we look at a running machine, a container, a chroot or a directory.

use std::path::Path;

use serde::Serialize;

use crate::host::Root;
use crate::host::systemd::{Systemd, is_booted};

/// What surrounds us. Live kernel values and services are touched on a machine only. Reports give the name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Surroundings {
    /// The machine itself.
    Machine,
    /// A container: its kernel belongs to somebody else.
    Container,
    /// A chroot, as an installer or image build makes one.
    Chroot,
    /// A directory given with `--root`.
    Image,
}

impl Surroundings {
    /// Finds out, without running anything.
    #[must_use]
    pub fn look(root: &Root) -> Self {
        if !root.is_live() {
            Self::Image
        } else if is_chroot() {
            Self::Chroot
        } else if is_container(root) {
            Self::Container
        } else {
            Self::Machine
        }
    }

    /// Whether live values and services are ours.
    #[must_use]
    pub const fn is_machine(self) -> bool {
        matches!(self, Self::Machine)
    }

    /// Whether there is a systemd here whose units are ours to look at.
    #[must_use]
    pub fn has_systemd(self) -> bool {
        self.is_machine() && is_booted()
    }

    /// The systemd of this machine; nobody is asked in an image, a chroot, a container, or where systemd does not run.
    #[must_use]
    pub fn systemd(self) -> Option<Systemd> {
        self.has_systemd().then(Systemd::of_machine)?.ok()
    }
}

/// The way systemd-detect-virt --chroot looks: our root is not that of PID 1. Not to be seen without privilege, and
/// then nothing is written either.
fn is_chroot() -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &str| {
        std::fs::metadata(path)
            .ok()
            .map(|metadata| (metadata.dev(), metadata.ino()))
    };
    match (identity("/"), identity("/proc/1/root/.")) {
        (Some(here), Some(init)) => here != init,
        // PID 1's root cannot be read: not root, or /proc is not mounted, as in a bare chroot.
        _ => !Path::new("/proc/1").exists(),
    }
}

/// The marks that container managers leave (systemd.io/CONTAINER_INTERFACE, podman and docker).
fn is_container(root: &Root) -> bool {
    [
        "/run/systemd/container",
        "/run/.containerenv",
        "/.dockerenv",
    ]
    .iter()
    .any(|mark| matches!(root.kind(Path::new(mark)), Ok(Some(_))))
}
