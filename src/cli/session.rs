//! What every command starts from: the machine, the policy, the catalogue and the node.

use std::rc::Rc;
use std::time::{Duration, Instant};

use jiff::Zoned;
use jiff::civil::Date;

use super::Global;
use super::exit::CliError;
use crate::catalogue::{Catalogue, Control, nearest};
use crate::host::systemd::UnitName;
use crate::host::{Durability, Host, LiveSysctls, Root};
use crate::node::{self, Beside, LoadedUnits, Node, Surroundings};
use crate::policy::{self, KillSwitch, OnDisable, Policy, PolicyError};
use crate::reconcile::give_back::{self, foresee};
use crate::reconcile::ledger::{self, Damage, Keeping, Ledger, WAY_OUT};
use crate::reconcile::lock::{Lock, LockError};
use crate::reconcile::service::circumstances::{Held, circumstances};
use crate::reconcile::service::rollback::Who;
use crate::reconcile::service::{cluster, last_data_dir};
use crate::reconcile::{Foreseen, Judgement, Pass, Plan, Seen, Written};
use crate::report::Assessment;
use crate::setting::Running;

/// How long a command waits for a change of another process.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// One run of a command.
#[derive(Debug)]
pub struct Session {
    /// The machine.
    pub host: Host,
    /// What CIS and the guide ask.
    pub catalogue: Catalogue,
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
        let session = Self::open_under(global, occasion, catalogue, policy)?;
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
        let (catalogue, policy, wrong) = match rules(&Root::open(&global.root)?) {
            Ok((catalogue, policy)) => (catalogue, policy, None),
            Err(error) => (Catalogue::built_in()?, Policy::observing(), Some(error)),
        };
        let session = Self::open_under(global, occasion, catalogue, policy)?;
        session.tell_of_problems();
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
        catalogue: Catalogue,
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

    /// The same after changes: what we wrote is looked up again.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn seen_again(mut self, ledger: &mut Ledger) -> Result<Self, CliError> {
        let lock = self.lock("k3warden")?;
        self.written = Written::of(ledger, &lock)?;
        Ok(self)
    }

    /// Waits for the lock that keeps changes apart.
    ///
    /// # Errors
    /// When another process holds it for too long.
    pub fn lock(&self, who: &str) -> Result<Lock, CliError> {
        Ok(Lock::acquire(&self.host.root, self.patience(), who)?)
    }

    /// Waits for others until then, from now on: reading everything may have taken a slow machine its time.
    pub fn be_patient_until(&mut self, until: Instant) {
        self.busy = None;
        self.patient_until = Some(until);
    }

    /// How long to wait for a change of another process now.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.patient_until.map_or(LOCK_PATIENCE, |until| {
            until.saturating_duration_since(Instant::now())
        })
    }

    /// Opens the ledger for recording.
    ///
    /// # Errors
    /// When it cannot be read or another process holds the lock for too long.
    pub fn open_ledger(&self, who: &str) -> Result<Ledger, CliError> {
        if let Some(busy) = &self.busy {
            return Err(busy.clone().into());
        }
        let lock = self.lock(who)?;
        let keeping = Keeping {
            limit_bytes: self.policy.ledger_limit.value.bytes(),
            ..Keeping::of(&self.host.root)
        };
        Ok(Ledger::open(&self.host.root, keeping, &lock)?)
    }

    /// What we wrote, for commands that only look: nothing is created, and what cannot be read is not ours.
    fn read_ledger(&mut self) {
        if !matches!(ledger::is_kept(&self.host.root), Ok(true)) {
            return;
        }
        let read = self.open_ledger("k3warden").and_then(|mut ledger| {
            self.damage = ledger.damage().cloned();
            self.recall(&mut ledger, "k3warden")
        });
        // Who waited in vain at the start of a command does not wait as long once more.
        self.busy = read
            .as_ref()
            .err()
            .and_then(|error| error.downcast_ref::<LockError>().cloned());
        // Who only looks takes what cannot be read for nobody's.
        self.unread = read.err().map(|error| error.to_string());
    }

    /// Takes from the record what we wrote, and what was decided about the cluster.
    ///
    /// # Errors
    /// When it cannot be read, or another process holds the lock for too long.
    pub fn recall(&mut self, ledger: &mut Ledger, who: &str) -> Result<(), CliError> {
        let lock = self.lock(who)?;
        self.written = Written::of(ledger, &lock)?;
        last_data_dir::recall(&mut self.node, ledger, &lock)?;
        let root = self.host.root.clone();
        self.host.root = root.sealed_below(&self.node.places.data_dir);
        let root = &self.host.root;
        cluster::recall(root, &self.policy, &mut self.node, ledger, &lock)?;
        self.unread = None;
        Ok(())
    }

    /// Why it is not known what we wrote, though there is a record: then nothing of it may be taken for an operator's.
    #[must_use]
    pub fn unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    /// For those who wait for the lock, and for how long we do.
    pub fn who(&self, name: &'static str) -> Who {
        Who {
            name,
            patience: self.patience(),
        }
    }

    /// What an apply would give back after this plan, and what of that stays; nothing where there is no record to look at.
    ///
    /// # Errors
    /// When the ledger cannot be read, or another process holds the lock for too long.
    pub fn given_back(&self, pass: &Pass<'_>, plan: &Plan) -> Result<Vec<Foreseen>, CliError> {
        let may_be = self.policy.on_disable.value == OnDisable::Revert;
        if !may_be || !matches!(ledger::is_kept(&self.host.root), Ok(true)) {
            return Ok(Vec::new());
        }
        let mut ledger = self.open_ledger("k3warden")?;
        let who = || self.who("k3warden");
        let controls = give_back::turned_off(pass, &mut ledger, who())?;
        Ok(foresee(pass, plan, &mut ledger, &controls, who())?)
    }

    /// Why nothing of a plan would be carried out, whatever the policy says: the kill switch, a damaged record.
    ///
    /// # Errors
    /// When the kill switch cannot be looked for.
    pub fn stands_still(&self) -> Result<Vec<String>, CliError> {
        let switch = self.kill_switch()?.map(|switch| switch.to_string());
        Ok(switch.into_iter().chain(self.damage_said()).collect())
    }

    /// What a damaged record means for changes, and the way out.
    fn damage_said(&self) -> Option<String> {
        let damage = self.damage.as_ref()?;
        Some(format!(
            "the ledger is damaged: {damage}; nothing is changed that has to be recorded first. `k3warden revert` puts \
             back what is still proven, then {WAY_OUT}"
        ))
    }

    /// Looks again for a part of ours that is not to be written.
    pub fn look_for_quarantine(&mut self) {
        let now = circumstances(&self.policy, &self.catalogue, &self.node);
        self.held = Held::look(&self.host.root, &now);
    }

    /// Removes what a killed run left behind, where we write files.
    ///
    /// # Errors
    /// When another process changes something for too long: what it is writing must not be taken for a leftover.
    pub fn sweep(&self, who: &str) -> Result<(), CliError> {
        let _lock = self.lock(who)?;
        for directory in self.node.places.written_directories() {
            // What cannot be swept now is swept next time; it is loaded by nobody.
            let _ = self.host.root.sweep(&directory);
        }
        Ok(())
    }

    /// Refuses to change a machine without being root there.
    ///
    /// # Errors
    /// When we are not root and the machine is not a directory of our own.
    pub fn require_root(&self, command: &str) -> Result<(), CliError> {
        require_root(&self.host.root, command)
    }

    /// The controls of these names.
    ///
    /// # Errors
    /// When one is not in the catalogue; names the nearest one.
    pub fn named(&self, names: &[String]) -> Result<Vec<&Control>, CliError> {
        names.iter().map(|name| self.control(name)).collect()
    }

    /// The same, where a name may be a CIS number of this node's edition too; each once.
    ///
    /// # Errors
    /// As for [`Session::named`].
    pub fn named_or_numbered(&self, names: &[String]) -> Result<Vec<&Control>, CliError> {
        let mut controls: Vec<&Control> = Vec::new();
        for name in names {
            let found = match self.numbered(name) {
                none if none.is_empty() => vec![self.control(name)?],
                numbered => numbered,
            };
            for control in found {
                if !controls.iter().any(|known| known.id == control.id) {
                    controls.push(control);
                }
            }
        }
        Ok(controls)
    }

    /// The controls of a CIS number of this node's edition; none where it is no number.
    #[must_use]
    pub fn numbered(&self, number: &str) -> Vec<&Control> {
        let edition = self.pass().edition();
        edition.map_or_else(Vec::new, |edition| {
            self.catalogue.with_number(edition, number)
        })
    }

    fn control(&self, name: &str) -> Result<&Control, CliError> {
        if let Some(control) = self.catalogue.control(name) {
            return Ok(control);
        }
        let ids = self
            .catalogue
            .controls()
            .iter()
            .map(|control| control.id.as_str());
        Err(match nearest(name, ids) {
            Some(near) => format!("there is no control `{name}`; did you mean `{near}`?").into(),
            None => {
                format!("there is no control `{name}`; `k3warden check --all` lists them").into()
            }
        })
    }

    /// The report of judgements.
    #[must_use]
    pub fn assessment(&self, pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Assessment {
        let mut assessment = Assessment::of(pass, judgements, node::id(&self.host.root));
        let switch = self.kill_switch().unwrap_or_default();
        let switch = switch.map(|switch| format!("nothing is changed: {switch}"));
        assessment.warnings.extend(switch);
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
