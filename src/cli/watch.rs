//! `k3warden watch`: the daemon.

use std::rc::Rc;

use clap::Args;

use super::exit::CliError;
use super::session::Session;
use super::{Exit, Global};
use crate::reconcile::running;
use crate::watch::{self, Ended, Ground, Sources};

/// Keep the enforced controls true: repair drift when it happens. Meant for systemd.
#[derive(Debug, Args)]
pub struct Watch {}

impl Watch {
    pub(super) fn run(self, global: &Global) -> Result<Exit, CliError> {
        let session = Session::open(global)?;
        session.require_root()?;
        drop(session);
        Ok(match watch::run(&Files { global })? {
            Ended::Asked => Exit::Holds,
            Ended::NamespaceStale => Exit::DoesNotHold,
        })
    }
}

/// The files that the command line names.
struct Files<'g> {
    global: &'g Global,
}

impl Sources for Files<'_> {
    fn open(&self) -> Result<Ground, String> {
        let session = Session::open(self.global).map_err(|error| error.to_string())?;
        let running = Rc::new(running::kept(&session.host, &session.node));
        Ok(Ground {
            host: session.host,
            catalogue: session.catalogue,
            policy: session.policy,
            node: session.node,
            written: session.written,
            held: session.held,
            running,
            today: session.today,
        })
    }
}
