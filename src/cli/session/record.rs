//! The lock that keeps changes apart, and the record of what we wrote.

use std::time::{Duration, Instant};

use super::Session;
use crate::cli::exit::CliError;
use crate::policy::OnDisable;
use crate::reconcile::give_back::{self, foresee};
use crate::reconcile::ledger::{self, Keeping, Ledger, WAY_OUT};
use crate::reconcile::lock::{Lock, LockError};
use crate::reconcile::service::rollback::Who;
use crate::reconcile::service::{cluster, encrypted, last_data_dir, part};
use crate::reconcile::{Foreseen, Pass, Plan, Written};

/// How long a command waits for a change of another process.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

impl Session {
    /// Waits for the lock that keeps changes apart.
    ///
    /// # Errors
    /// When another process holds it for too long.
    pub fn lock(&self, who: &str) -> Result<Lock, CliError> {
        Ok(Lock::acquire(&self.host.root, self.patience(), who)?)
    }

    /// Waits for others until then, from now on: reading everything may have taken a slow machine its time. Whoever has waited
    /// for another process in vain by now only looks once more whether it has ended.
    pub fn be_patient_until(&mut self, until: Instant) {
        if self.busy.take().is_none() {
            self.patient_until = Some(until);
        }
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
    pub(super) fn read_ledger(&mut self) {
        if !matches!(ledger::is_kept(&self.host.root), Ok(true)) {
            return;
        }
        let read = self.open_ledger("k3warden").and_then(|mut ledger| {
            self.damage = ledger.damage().cloned();
            self.recall(&mut ledger, "k3warden")
        });
        // A command that waited in vain at its start does not wait as long once more.
        self.busy = read
            .as_ref()
            .err()
            .and_then(|error| error.downcast_ref::<LockError>().cloned());
        // A command that only looks takes what cannot be read for nobody's.
        self.unread = read.err().map(|error| error.to_string());
    }

    /// Takes from the record what we wrote, and what was decided about the cluster.
    ///
    /// # Errors
    /// When it cannot be read, or another process holds the lock for too long.
    pub fn recall(&mut self, ledger: &mut Ledger, who: &str) -> Result<(), CliError> {
        let lock = self.lock(who)?;
        self.written = Written::of(ledger, &lock)?;
        if let Some(data_dir) = last_data_dir::noted(ledger, &lock)?
            && part::has_key(&self.host, &data_dir)
            && encrypted::is_by_us(&self.pass())
        {
            self.written.or_encrypted_in(data_dir);
        }
        last_data_dir::recall(&mut self.node, ledger, &lock)?;
        let root = self.host.root.clone();
        self.host.root = root.sealed_below(&self.node.places.data_dir);
        let root = &self.host.root;
        cluster::recall(root, &self.policy, &mut self.node, ledger, &lock)?;
        self.unread = None;
        Ok(())
    }

    /// Records that Secrets are encrypted by a line of ours, where no start of K3s has passed the door.
    ///
    /// # Errors
    /// When it cannot be recorded, or another process holds the lock for too long.
    pub fn note_encryption(&self, ledger: &mut Ledger, who: &str) -> Result<(), CliError> {
        Ok(encrypted::note_under_key(
            &self.pass(),
            ledger,
            &self.lock(who)?,
        )?)
    }

    /// Why it is not known what we wrote, though there is a record: then nothing of it may be taken for an operator's.
    #[must_use]
    pub fn unread(&self) -> Option<&str> {
        self.unread.as_deref()
    }

    /// What those who wait for the lock are told, and how long we wait for it.
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
        let turned_off = give_back::turned_off(pass, &mut ledger, who())?;
        Ok(foresee(pass, plan, &mut ledger, &turned_off, who())?)
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

    /// The same after changes: what we wrote is looked up again.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn seen_again(mut self, ledger: &mut Ledger) -> Result<Self, CliError> {
        let lock = self.lock("k3warden")?;
        self.written = Written::of(ledger, &lock)?;
        Ok(self)
    }

    /// What a damaged record means for changes, and the way out.
    pub(super) fn damage_said(&self) -> Option<String> {
        let damage = self.damage.as_ref()?;
        Some(format!(
            "the ledger is damaged: {damage}; nothing is changed that has to be recorded first. `k3warden revert` puts \
             back what is still proven, then {WAY_OUT}"
        ))
    }
}
