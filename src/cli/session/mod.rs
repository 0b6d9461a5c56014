//! What every command starts from: the machine, the policy, the catalogue and the node.

mod controls;
mod record;

use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::Zoned;
use jiff::civil::Date;

use super::Global;
use super::exit::CliError;
use crate::catalogue::Catalogue;
use crate::host::systemd::UnitName;
use crate::host::{Durability, Host, LiveSysctls, Root};
use crate::node::{self, Beside, LoadedUnits, Node, Surroundings};
use crate::policy::{self, KillSwitch, Policy, PolicyError};
use crate::reconcile::ledger::Damage;
use crate::reconcile::lock::LockError;
use crate::reconcile::service::circumstances::{Held, circumstances};
use crate::reconcile::service::kernel;
use crate::reconcile::{Judgement, Pass, Seen, Written};
use crate::report::Assessment;
use crate::setting::Running;

/// One run of a command.
#[derive(Debug)]
pub struct Session {
    /// The machine.
    pub host: Host,
    /// What CIS and the guide ask.
    pub catalogue: Rc<Catalogue>,
    /// What the operator wants.
    pub policy: Policy,
    /// What the node is.
    pub node: Node,
    /// What we wrote so far, as far as the ledger can be read.
    pub written: Written,
    /// A part of ours that is not written again.
    pub held: Option<Held>,
    /// The day that exceptions are judged by.
    pub today: Date,
    /// Until when to wait for changes of other processes; `None`: ten seconds each time.
    patient_until: Option<Instant>,
    /// Why it is not known what we wrote, though there is a record.
    unread: Option<String>,
    /// The first fault of the record.
    damage: Option<Damage>,
    /// Who held the lock for as long as we waited, when the record was to be read.
    busy: Option<LockError>,
}

/// What a session is opened for.
#[derive(Debug, Clone, Copy)]
pub struct Occasion<'a> {
    /// Until when to wait for changes of other processes; `None`: ten seconds each time.
    pub patient_until: Option<Instant>,
    /// The unit that is being started right now.
    pub unit: Option<&'a UnitName>,
    /// How systemd has units loaded.
    pub loaded: &'a LoadedUnits,
    /// How long the binary of K3s may take to say which it is.
    pub patience: Duration,
}

/// Refuses to change a machine without being root there.
///
/// # Errors
/// When we are not root and the machine is not a directory of our own.
pub(super) fn require_root(root: &Root, command: &str) -> Result<(), CliError> {
    let (superuser, _) = root.superuser();
    let us = nix::unistd::geteuid();
    if us.is_root() || us.as_raw() == superuser {
        return Ok(());
    }
    Err(format!("this needs root: try `sudo {command}`").into())
}

/// The rules that the operator's files make.
fn rules(root: &Root) -> Result<(Catalogue, Policy), PolicyError> {
    let catalogue = policy::load_catalogue(root)?;
    let policy = Policy::load(root, &catalogue)?;
    Ok((catalogue, policy))
}

impl<'a> Occasion<'a> {
    /// A command that an operator gave, who can wait.
    #[must_use]
    pub const fn of_command(loaded: &'a LoadedUnits) -> Self {
        Self {
            patient_until: None,
            unit: None,
            loaded,
            patience: node::PATIENT,
        }
    }
}

impl Session {
    /// Opens the machine that the command line names.
    ///
    /// # Errors
    /// When the root cannot be opened, or the policy or the catalogue is wrong.
    pub fn open(global: &Global) -> Result<Self, CliError> {
        let surroundings = Surroundings::look(&Root::open(&global.root)?);
        let loaded = LoadedUnits::of(surroundings);
        Self::open_for(global, Occasion::of_command(&loaded))
    }

    /// The same for those who cannot wait long for another process's change, or know more of the unit.
    ///
    /// # Errors
    /// As for [`Session::open`].
    pub fn open_for(global: &Global, occasion: Occasion<'_>) -> Result<Self, CliError> {
        let (catalogue, policy) = rules(&Root::open(&global.root)?)?;
        let session = Self::open_under(global, occasion, Rc::new(catalogue), policy)?;
        session.tell_of_problems();
        Ok(session)
    }

    /// The same for those who have something to do whatever the operator's files say: where these are wrong nothing is
    /// enforced, and why is given.
    ///
    /// # Errors
    /// When the root cannot be opened.
    pub fn open_or_observe(
        global: &Global,
        occasion: Occasion<'_>,
    ) -> Result<(Self, Option<PolicyError>), CliError> {
        let (session, wrong) = Self::open_or_observe_quietly(global, occasion)?;
        session.tell_of_problems();
        Ok((session, wrong))
    }

    /// The same for those who ask for one thing alone, and say themselves what of that could not be seen.
    ///
    /// # Errors
    /// When the root cannot be opened.
    pub fn open_or_observe_quietly(
        global: &Global,
        occasion: Occasion<'_>,
    ) -> Result<(Self, Option<PolicyError>), CliError> {
        let (catalogue, policy, wrong) = match rules(&Root::open(&global.root)?) {
            Ok((catalogue, policy)) => (catalogue, policy, None),
            Err(error) => (Catalogue::built_in()?, Policy::observing(), Some(error)),
        };
        let session = Self::open_under(global, occasion, Rc::new(catalogue), policy)?;
        Ok((session, wrong))
    }

    /// Says what could not be looked at: once where somebody asked, not at each look of the daemon.
    fn tell_of_problems(&self) {
        for problem in &self.node.problems {
            eprintln!("k3warden: what this node is could not be seen wholly: {problem}");
        }
    }

    /// The same under rules that are known already.
    ///
    /// # Errors
    /// When the root cannot be opened.
    pub fn open_under(
        global: &Global,
        occasion: Occasion<'_>,
        catalogue: Rc<Catalogue>,
        policy: Policy,
    ) -> Result<Self, CliError> {
        let durability = if global.no_sync {
            Durability::PageCache
        } else {
            Durability::Synced
        };
        let root = Root::open(&global.root)?.with_durability(durability);
        let surroundings = Surroundings::look(&root);
        let beside = Beside {
            surroundings,
            k3s_version: global.k3s_version,
            unit: occasion.unit,
            loaded: occasion.loaded,
            patience: occasion.patience,
        };
        let node = node::discover_with(&root, &policy, beside);
        let root = root.sealed_below(&node.places.data_dir);
        // A machine without /proc/sys has nothing that we could look at; its next boot is judged all the same.
        let live = match surroundings {
            Surroundings::Machine => LiveSysctls::of(&root),
            Surroundings::Container => LiveSysctls::of(&root).map(LiveSysctls::not_ours),
            Surroundings::Chroot | Surroundings::Image => None,
        };
        let host = Host { root, live };
        let today = Zoned::now().date();
        let mut session = Self {
            host,
            catalogue,
            policy,
            node,
            written: Written::default(),
            held: None,
            today,
            patient_until: occasion.patient_until,
            unread: None,
            damage: None,
            busy: None,
        };
        session.read_ledger();
        session.look_for_quarantine();
        Ok(session)
    }

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
            seen: self.seen(),
        }
    }

    /// Whoever cannot wait asks no journal: at K3s's door none runs.
    fn seen(&self) -> Seen {
        match self.patient_until {
            Some(_) => Seen::with_running(Rc::new(Running::Stopped)),
            None => Seen::default(),
        }
    }

    /// Why nothing of a plan would be carried out, whatever the policy says: the kill switch, a damaged record.
    ///
    /// # Errors
    /// When the kill switch cannot be looked for.
    pub fn stands_still(&self) -> Result<Vec<String>, CliError> {
        let switch = self.kill_switch()?.map(|switch| switch.to_string());
        Ok(switch.into_iter().chain(self.damage_said()).collect())
    }

    /// Looks again for a part of ours that is not to be written.
    pub fn look_for_quarantine(&mut self) {
        let now = circumstances(&self.policy, &self.catalogue, &self.node);
        self.held = Held::look(&self.host.root, &now);
    }

    /// Refuses to change a machine without being root there.
    ///
    /// # Errors
    /// When we are not root and the machine is not a directory of our own.
    pub fn require_root(&self, command: &str) -> Result<(), CliError> {
        require_root(&self.host.root, command)
    }

    /// The report of judgements.
    #[must_use]
    pub fn assessment(&self, pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Assessment {
        let mut assessment = Assessment::of(pass, judgements, node::id(&self.host.root));
        let switch = match self.kill_switch() {
            Ok(switch) => switch.map(|switch| switch.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let risk = switch.as_ref().and_then(|_| kernel::risk_while_off(pass));
        let switch = switch.map(|reason| format!("nothing is changed: {reason}"));
        assessment.warnings.extend(switch.into_iter().chain(risk));
        assessment.warnings.extend(self.damage_said());
        assessment
    }

    /// Why nothing may be changed at all, if so.
    ///
    /// # Errors
    /// When it cannot be looked for; nothing may be changed then either.
    pub fn kill_switch(&self) -> Result<Option<KillSwitch>, CliError> {
        Ok(KillSwitch::look(&self.host.root)?)
    }
}
