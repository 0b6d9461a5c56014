//! `k3warden watch`: the daemon.

use std::path::Path;
use std::rc::Rc;

use clap::Args;

use super::exit::CliError;
use super::session::{Occasion, Session};
use super::{Exit, Global};
use crate::host::Root;
use crate::host::systemd::{UnitName, UnitStatus};
use crate::node::{LoadedUnits, Surroundings};
use crate::reconcile::running;
use crate::watch::{self, Ended, Ground, Sources};

/// Keep the enforced controls true: repair drift when it happens. Meant for systemd.
#[derive(Debug, Args)]
pub struct Watch {}

impl Watch {
    pub(super) fn run(self, global: &Global) -> Result<Exit, CliError> {
        let session = Session::open(global)?;
        session.require_root()?;
        require_systemd(&session)?;
        drop(session);
        let root = Root::open(&global.root)?;
        let loaded = LoadedUnits::of(Surroundings::look(&root));
        Ok(match watch::run(&Files { global, loaded })? {
            Ended::Asked => Exit::Holds,
            Ended::NamespaceStale => Exit::DoesNotHold,
        })
    }
}

/// The daemon's place before K3s, its sandbox, its watchdog and its restarts of K3s are systemd's doing. Without that it
/// would only seem to hold the node.
fn require_systemd(session: &Session) -> Result<(), CliError> {
    // The mark that sd_booted(3) looks for.
    let mark = Path::new("/run/systemd/system");
    if session.host.root.is_live() && !mark.exists() {
        return Err("the daemon needs systemd, which does not run this machine; `k3warden check` and `k3warden apply` work \
                    without it: run `k3warden apply` before each start of K3s, and from cron"
            .into());
    }
    Ok(())
}

/// The files that the command line names.
struct Files<'g> {
    global: &'g Global,
    /// Asked when the daemon begins, and kept up to date by its questions beside the loop, which must not wait for systemd.
    loaded: LoadedUnits,
}

impl Sources for Files<'_> {
    fn open(&self) -> Result<Ground, String> {
        let occasion = Occasion {
            patient_until: None,
            unit: None,
            loaded: &self.loaded,
        };
        let session =
            Session::open_for(self.global, occasion).map_err(|error| error.to_string())?;
        self.loaded.only_remember();
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

    fn shown(&self, unit: &UnitName, status: &UnitStatus) -> bool {
        self.loaded.remember(unit, status)
    }
}
