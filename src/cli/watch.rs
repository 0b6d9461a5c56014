//! `k3warden watch`: the daemon.

use std::rc::Rc;

use clap::Args;

use super::exit::{CliError, complain};
use super::post::Post;
use super::session::{Occasion, Session, require_root};
use super::{Exit, Global, require_machine};
use crate::catalogue::Catalogue;
use crate::host::Root;
use crate::host::systemd::{UnitName, UnitStatus, is_booted};
use crate::node::{self, LoadedUnits, Surroundings};
use crate::policy::{Policy, PolicyError};
use crate::reconcile::running;
use crate::watch::{self, Ended, Ground, NoGround, Sources, WatchError};

/// Keep the enforced controls true: repair drift when it happens. Meant for systemd.
#[derive(Debug, Args)]
pub struct Watch {}

impl Watch {
    pub(super) fn run(self, global: &Global) -> Result<Exit, CliError> {
        let root = Root::open(&global.root)?;
        require_machine(
            &root,
            "the daemon holds the running machine; for an image `k3warden --root DIR apply` makes everything true once",
        )?;
        require_root(&root, "k3warden watch")?;
        require_systemd(&root)?;
        let _post = match Post::take(&root) {
            Ok(post) => post,
            // The one that has it may end, so systemd is to try again.
            Err(error) => {
                complain(&error);
                return Ok(Exit::DoesNotHold);
            }
        };
        let loaded = LoadedUnits::of(Surroundings::look(&root));
        match watch::run(&Files { global, loaded }) {
            Ok(Ended::Asked) => Ok(Exit::Holds),
            Ok(Ended::NamespaceStale) => Ok(Exit::DoesNotHold),
            // Starting again mends nothing, and our unit says so of this exit code.
            Err(error @ WatchError::Ground(NoGround::Rules(_))) => Err(error.into()),
            // A disk that stalled, a lock that was held for too long: systemd is to try again.
            Err(error) => {
                complain(&error.into());
                Ok(Exit::DoesNotHold)
            }
        }
    }
}

/// The daemon's place before K3s, its sandbox, its watchdog and its restarts of K3s are systemd's doing. Without that it
/// would only seem to hold the node.
fn require_systemd(root: &Root) -> Result<(), CliError> {
    if root.is_live() && !is_booted() {
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
    fn open(&self) -> Result<Ground, NoGround> {
        let session = Session::open_for(self.global, self.occasion()).map_err(no_ground)?;
        self.ground(session)
    }

    fn look_again(&self, catalogue: &Rc<Catalogue>, policy: &Policy) -> Result<Ground, NoGround> {
        let (catalogue, policy) = (Rc::clone(catalogue), policy.clone());
        let session = Session::open_under(self.global, self.occasion(), catalogue, policy);
        self.ground(session.map_err(no_ground)?)
    }

    fn shown(&self, unit: &UnitName, status: &UnitStatus) -> bool {
        self.loaded.remember(unit, status)
    }
}

impl Files<'_> {
    const fn occasion(&self) -> Occasion<'_> {
        Occasion {
            patience: node::BRIEF,
            ..Occasion::of_command(&self.loaded)
        }
    }

    fn ground(&self, session: Session) -> Result<Ground, NoGround> {
        self.loaded.only_remember();
        if let Some(reason) = session.unread() {
            // Our own files would pass for the operator's.
            return Err(NoGround::Machine(reason.to_owned()));
        }
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

/// Rules that are wrong have to be mended; all else may pass.
fn no_ground(error: CliError) -> NoGround {
    let wrong = match error.downcast_ref::<PolicyError>() {
        Some(PolicyError::Host(_)) | None => NoGround::Machine,
        Some(_) => NoGround::Rules,
    };
    wrong(error.to_string())
}
