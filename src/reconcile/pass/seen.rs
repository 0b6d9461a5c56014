//! What a pass has found out already, and what it takes to be so.

use std::cell::OnceCell;
use std::path::Path;
use std::rc::Rc;

use crate::host::{Extent, HostError, NextBoot, State, Thing};
use crate::k3s::{Effective, Files, Invocation, Loaded, load_unit};
use crate::reconcile::ahead::Ahead;
use crate::reconcile::configuration::unit_override::{self, Stale, UnitOverride};
use crate::reconcile::{Pass, running};
use crate::setting::Running;

/// What takes long to find out and is the same for all of a pass. It may be of a host that is not there yet: then states
/// that are ahead count for what is.
#[derive(Debug, Default)]
pub struct Seen {
    ahead: Rc<Ahead>,
    effective: OnceCell<Result<Effective, String>>,
    running: OnceCell<Rc<Running>>,
    next_boot: OnceCell<Result<NextBoot, HostError>>,
    unit_override: OnceCell<Result<Option<UnitOverride>, String>>,
    stale_command: OnceCell<Option<Stale>>,
}

impl Seen {
    /// Knows only what the running K3s was started with.
    #[must_use]
    pub fn with_running(running: Rc<Running>) -> Self {
        Self {
            running: OnceCell::from(running),
            ..Self::default()
        }
    }

    /// The same after something was changed: what the running K3s was started with stays.
    pub(super) fn begun_anew(&self) -> Self {
        Self {
            ahead: Rc::clone(&self.ahead),
            running: self.running.clone(),
            ..Self::default()
        }
    }

    /// The same, with other states ahead.
    pub(super) fn looking_ahead(&self, ahead: &Rc<Ahead>) -> Self {
        Self {
            ahead: Rc::clone(ahead),
            ..self.begun_anew()
        }
    }
}

impl Pass<'_> {
    /// What K3s would run with at its next start, or why that is not known.
    pub fn effective(&self) -> &Result<Effective, String> {
        self.seen.effective.get_or_init(|| {
            let (invocation, facts) = (self.invocation(), self.seen.ahead.facts(self.host));
            let effective = self.node.effective_of(&self.files(), invocation, &facts);
            effective.map_err(|error| error.to_string())
        })
    }

    /// The command that starts K3s. Where a drop-in of ours is ahead systemd has read the unit again by then.
    fn invocation(&self) -> Option<Invocation> {
        let is_other = self.seen.ahead.concerns(unit_override::is_ours);
        let unit = self.node.unit.as_ref().filter(|_| is_other);
        match unit.map(|unit| load_unit(&self.files(), &unit.name)) {
            Some(Ok(Loaded::Unit(unit))) => Some(unit.invocation()),
            _ => self.node.invocation(),
        }
    }

    /// The files that K3s reads.
    #[must_use]
    pub fn files(&self) -> Files<'_> {
        self.seen.ahead.files(&self.host.root)
    }

    /// What a thing is.
    ///
    /// # Errors
    /// As [`Host::capture`](crate::host::Host::capture).
    pub fn state(&self, thing: &Thing, extent: Extent) -> Result<State, HostError> {
        self.seen.ahead.state(self.host, thing, extent)
    }

    /// Whether nothing is in a directory.
    ///
    /// # Errors
    /// When it cannot be listed.
    pub fn is_empty(&self, directory: &Path) -> Result<bool, HostError> {
        self.seen.ahead.is_empty(&self.host.root, directory)
    }

    /// The same for judging options and arguments, where anybody can tell what they are.
    pub(in crate::reconcile) fn known(&self) -> Result<&Effective, String> {
        let effective = self.effective().as_ref().map_err(Clone::clone)?;
        match effective.unknown() {
            Some(ending) => Err(format!("K3s would not start: {ending}")),
            None => Ok(effective),
        }
    }

    /// What the running K3s was started with.
    #[must_use]
    pub fn running(&self) -> Rc<Running> {
        let look = || Rc::new(running::look(self));
        Rc::clone(self.seen.running.get_or_init(look))
    }

    /// The unit without our drop-in, and the drop-in, or why the unit cannot be used without it; `None` where we have none there and may
    /// write none.
    pub(in crate::reconcile) fn unit_override(&self) -> Result<Option<&UnitOverride>, &str> {
        let look = || UnitOverride::of(self);
        match self.seen.unit_override.get_or_init(look) {
            Ok(unit) => Ok(unit.as_ref()),
            Err(reason) => Err(reason),
        }
    }

    /// A command of ours for the unit that brings back another than the unit has now.
    #[must_use]
    pub fn stale_command(&self) -> Option<&Stale> {
        let look = || Stale::look(self);
        self.seen.stale_command.get_or_init(look).as_ref()
    }

    /// What the next boot would set.
    ///
    /// # Errors
    /// When a sysctl.d file cannot be read.
    pub fn next_boot(&self) -> Result<&NextBoot, HostError> {
        let read = || NextBoot::read(&self.host.root);
        let next_boot = self.seen.next_boot.get_or_init(read);
        next_boot.as_ref().map_err(Clone::clone)
    }
}
