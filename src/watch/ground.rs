//! What the daemon stands on: the machine, the policy, the catalogue and the node, exchanged as a whole by a reload.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use jiff::Zoned;
use jiff::civil::Date;

use crate::catalogue::{Catalogue, SettingBody};
use crate::host::Host;
use crate::host::records::STATE;
use crate::host::systemd::{UnitName, UnitStatus};
use crate::node::Node;
use crate::policy::Policy;
use crate::reconcile::ledger::{Keeping, Ledger, LedgerError};
use crate::reconcile::lock::{Lock, LockError};
use crate::reconcile::service::circumstances::{Held, circumstances};
use crate::reconcile::service::{cluster, last_data_dir};
use crate::reconcile::{Pass, Seen, Written, running, sandbox};
use crate::setting::{self, Running, Watched};

use super::index::{Concern, Index};
use super::inputs;

/// How long the loop waits for a change of another process, which takes milliseconds. There are several such waits in one
/// turn of it, and a turn has to end before the watchdog does. What waits in vain is done by the next round.
pub const LOCK_PATIENCE: Duration = Duration::from_secs(1);
/// How long the start waits for it.
const PATIENCE_AT_START: Duration = Duration::from_secs(10);
/// Who we are, for others that wait for the lock.
pub const WHO: &str = "k3warden watch";

/// What the daemon stands on.
#[derive(Debug)]
pub struct Ground {
    /// The machine.
    pub host: Host,
    /// What CIS and the guide ask.
    /// The next ground shares it, as long as the operator's files are not read again.
    pub catalogue: Rc<Catalogue>,
    /// What the operator wants.
    pub policy: Policy,
    /// What the node is.
    pub node: Node,
    /// What we wrote so far.
    pub written: Written,
    /// A part of ours that is not written again.
    pub held: Option<Held>,
    /// What the running K3s was started with, as far as somebody has read its journal: no pass of the daemon waits for
    /// a journal.
    pub running: Rc<Running>,
    /// The day that exceptions are judged by.
    pub today: Date,
}

/// Where the ground comes from: the files of policy and catalogue, and a look at the node.
pub trait Sources {
    /// Reads everything anew.
    ///
    /// # Errors
    /// When the policy or the catalogue is wrong, or the machine cannot be looked at.
    fn open(&self) -> Result<Ground, NoGround>;

    /// Looks at the node anew under the rules that are in force, whatever the operator's files say now.
    ///
    /// # Errors
    /// When the machine cannot be looked at.
    fn look_again(&self, catalogue: &Rc<Catalogue>, policy: &Policy) -> Result<Ground, NoGround>;

    /// Takes what systemd said of a unit just now. True if the node has to be looked at anew, because the unit is loaded
    /// otherwise than it was known.
    fn shown(&self, _unit: &UnitName, _status: &UnitStatus) -> bool {
        false
    }
}

/// Why there is nothing to stand on, in a sentence for the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoGround {
    /// The policy or the catalogue is wrong: somebody has to mend it.
    #[error("{0}")]
    Rules(String),
    /// The machine cannot be looked at; the next try may succeed.
    #[error("{0}")]
    Machine(String),
}

impl Ground {
    /// A pass over this node.
    #[must_use]
    pub fn pass(&self) -> Pass<'_> {
        Pass {
            host: &self.host,
            node: &self.node,
            policy: &self.policy,
            catalogue: &self.catalogue,
            today: self.today,
            written: &self.written,
            held: self.held.as_ref(),
            seen: Seen::with_running(Rc::clone(&self.running)),
        }
    }

    /// Everything that can change an answer on this node, or what we do about it.
    #[must_use]
    pub fn index(&self) -> Index {
        let mut index = Index::default();
        let next_boot = inputs::behind_sysctl_links(&self.host.root);
        for (control, body) in self.catalogue.controls().iter().enumerate() {
            for (setting, body) in body.settings.iter().enumerate() {
                let concern = Concern::Setting { control, setting };
                if matches!(body.body, SettingBody::Sysctl(_)) {
                    for watched in &next_boot {
                        index.add(watched.clone(), concern);
                    }
                }
                let all = setting::watched(&body.body, &self.host.root, &self.node.places);
                for watched in all {
                    // Without a running kernel of our own there is nothing live to watch.
                    if self.host.live.is_some() || !matches!(watched, Watched::Key(_)) {
                        index.add(watched, concern);
                    }
                }
            }
        }
        for (watched, concern) in inputs::of(&self.node, &self.host.root) {
            index.add(watched, concern);
        }
        index
    }

    /// Where we write: our own records, what our unit opens, and where else this node has what we hold.
    pub fn places(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let packaged = sandbox::PACKAGED.iter().map(PathBuf::from);
        let ours = std::iter::once(PathBuf::from(STATE));
        ours.chain(packaged)
            .chain(sandbox::places(&self.host.root, &self.node, &self.policy))
    }

    /// Opens the ledger.
    ///
    /// # Errors
    /// When its files or the lock cannot be used.
    pub fn open_ledger(&self) -> Result<Ledger, GroundError> {
        let lock = Lock::acquire(&self.host.root, PATIENCE_AT_START, WHO)?;
        let keeping = Keeping {
            limit_bytes: self.policy.ledger_limit.value.bytes(),
            ..Keeping::of(&self.host.root)
        };
        Ok(Ledger::open(&self.host.root, keeping, &lock)?)
    }

    /// Records where K3s's data dir is and whether a cluster begins here, for times in which that cannot be told.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn note_node(&self, ledger: &mut Ledger) -> Result<(), GroundError> {
        let lock = self.lock()?;
        last_data_dir::note(&self.node, ledger, &lock)?;
        Ok(cluster::expect(&self.node, ledger, &lock)?)
    }

    /// Looks up again what we wrote, after files were written.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn look_up_written(&mut self, ledger: &mut Ledger) -> Result<(), GroundError> {
        let lock = self.lock()?;
        self.written = Written::of(ledger, &lock)?;
        Ok(())
    }

    /// Looks whether somebody changed the record of repairs.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look_at(&self, ledger: &mut Ledger) -> Result<(), GroundError> {
        let lock = self.lock()?;
        Ok(ledger.look(&lock)?)
    }

    /// Makes the record of repairs durable, for the end of a run.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn sync(&self, ledger: &mut Ledger) -> Result<(), GroundError> {
        let lock = self.lock()?;
        Ok(ledger.sync(&lock)?)
    }

    /// Looks again for a part of ours that is not to be written.
    pub fn look_for_quarantine(&mut self) {
        let now = circumstances(&self.policy, &self.catalogue, &self.node);
        self.held = Held::look(&self.host.root, &now);
    }

    /// Looks again at what is kept of the running K3s; whether it is something else now.
    pub fn look_at_running(&mut self) -> bool {
        let running = running::kept(&self.host, &self.node);
        let changed = *self.running != running;
        self.running = Rc::new(running);
        changed
    }

    pub(super) fn lock(&self) -> Result<Lock, LockError> {
        Lock::acquire(&self.host.root, LOCK_PATIENCE, WHO)
    }

    /// Takes the date from the clock; whether it is another day than before.
    pub fn turn_calendar(&mut self) -> bool {
        let today = Zoned::now().date();
        let turned = today != self.today;
        self.today = today;
        turned
    }
}

/// Why the record of changes cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum GroundError {
    /// The ledger's files.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Somebody else changes things.
    #[error(transparent)]
    Lock(#[from] LockError),
}
