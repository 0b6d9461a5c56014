//! Putting back what was there before us, last change first.
//!
//! The reverse order of the changes keeps K3s startable at every step: its configuration goes before the files that
//! it names, and `protect-kernel-defaults` before the kernel values.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::host::{Extent, Host, HostError, State, Thing};

use super::ledger::{self, Ending, Fingerprint, Ledger, LedgerError, Touch};
use super::lock::{Lock, LockError};

/// What became of one thing.
#[derive(Debug)]
pub struct Reverted {
    /// The thing.
    pub thing: Thing,
    /// The controls that had changed it.
    pub controls: Vec<String>,
    /// What was done.
    pub result: Result<PutBack, RevertError>,
    /// Why that could not be recorded: the thing counts as ours as before.
    pub unrecorded: Option<LedgerError>,
}

/// How a thing was put back, or why it stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutBack {
    /// It is what it was before, or what others need of it.
    Restored(State),
    /// It was that already.
    Already,
    /// It stays for now, because controls that are not reverted need it, or because something of ours is in it. It goes
    /// with the last of them.
    Waits(String),
    /// It stays, and why.
    Stays(String),
    /// It stays and can be taken back later, because somebody else has changed it since and nobody asked for force.
    Changed,
}

impl PutBack {
    const fn is_restored(&self) -> bool {
        matches!(self, Self::Restored(_))
    }
}

/// Why a thing could not be put back.
#[derive(Debug, thiserror::Error)]
pub enum RevertError {
    /// The host refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// What was there before cannot be read from the ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Somebody else changes things.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The operator or systemd wants us to end.
    #[error("{0} is not put back: interrupted")]
    Interrupted(Thing),
    /// The record of what was there before is not proven: what is written there now may be anybody's.
    #[error("{0} stays: what it was before stands in the damaged part of the ledger")]
    Unproven(Thing),
    /// It was put back and is something else again.
    #[error("{0} was put back but is not what it was")]
    NotVerified(Thing),
}

/// What to put back.
#[allow(missing_debug_implementations)]
pub struct Revert<'a> {
    /// Only what these controls changed; empty means everything.
    pub controls: &'a [String],
    /// Only things of this kind.
    pub of_these: &'a dyn Fn(&Thing) -> bool,
    /// Put back also what somebody else has changed since, of what is named.
    pub force: bool,
    /// Whoever asks will ask again, with the next pass: what must stay for now stays claimed. Otherwise it is remembered as
    /// something to be tried with each later revert.
    pub asks_again: bool,
    /// What must stay as it is for the sake of a running cluster although only these controls keep it, and why.
    pub must_stay: &'a dyn Fn(&Thing, &[&str]) -> Option<String>,
    /// K3s's configuration, which goes before the files that it names.
    pub goes_first: &'a dyn Fn(&Thing) -> bool,
    /// What of a thing must stay when the rest goes, and why.
    pub remains: &'a dyn Fn(&Thing) -> Option<(State, String)>,
    /// What is left of a thing without us, where others have written into it beside us: instead of its state of before.
    pub left_of: &'a dyn Fn(&Thing, &State) -> Option<State>,
    /// What a thing that was something else before should become for the controls that stay, where it can be divided.
    pub shared: &'a Divide<'a>,
    /// Who we are, for others that wait for the lock.
    pub who: &'a str,
    /// How long a change of another process is waited for.
    pub patience: Duration,
}

/// Gives what a thing that was something else before becomes for the controls that stay; `None` where it cannot be divided.
pub type Divide<'a> = dyn Fn(&Thing, &State, &[&str]) -> Option<State> + 'a;

impl Revert<'_> {
    /// Puts everything back, last change first. One failure does not stop the others.
    ///
    /// # Errors
    /// When the ledger cannot be read at all.
    pub fn run(
        &self,
        host: &Host,
        ledger: &mut Ledger,
        stop: &dyn Fn() -> bool,
    ) -> Result<Vec<Reverted>, RevertError> {
        let mut touched = {
            let lock = self.lock(host)?;
            ledger.touched(&lock)?
        };
        // An attempt that failed may have left a file to be touched after the configuration that names it.
        touched.sort_by_key(|touch| !(self.goes_first)(&touch.thing));
        let mut reverted = Vec::new();
        let of_these = |touch: &Touch| {
            (self.of_these)(&touch.thing) && (self.names(touch) || is_tried_again(touch))
        };
        // Whoever does not end in time for one is not waited for with each of the others.
        let mut given_up: Option<LockError> = None;
        for touch in touched.into_iter().filter(of_these) {
            let answer = match &given_up {
                _ if stop() => Err(RevertError::Interrupted(touch.thing.clone())),
                Some(error) => Err(error.clone().into()),
                None => self.turn(host, ledger, &touch),
            };
            let (result, unrecorded) = match answer {
                Ok((done, unrecorded)) => (Ok(done), unrecorded),
                Err(error) => (Err(error), None),
            };
            if let Err(RevertError::Lock(error @ LockError::Held { .. })) = &result {
                given_up = Some(error.clone());
            }
            // What could not go earlier was told of then.
            if !self.names(&touch) && matches!(&result, Ok(done) if !done.is_restored()) {
                continue;
            }
            reverted.push(Reverted {
                thing: touch.thing,
                controls: touch.controls,
                result,
                unrecorded,
            });
        }
        Ok(reverted)
    }

    /// One thing under the lock: put back, then recorded as far as it can be.
    fn turn(
        &self,
        host: &Host,
        ledger: &mut Ledger,
        touch: &Touch,
    ) -> Result<(PutBack, Option<LedgerError>), RevertError> {
        let lock = self.lock(host)?;
        let (done, afterwards) = self.put_back(host, ledger, touch, &lock)?;
        let thing = &touch.thing;
        let recorded = match afterwards {
            Afterwards::End(ending) => ledger.end(&[(thing.clone(), ending)], &lock),
            Afterwards::GiveUp => self.give_up(ledger, thing, &lock),
            Afterwards::Nothing => Ok(()),
        };
        Ok((done, recorded.err()))
    }

    fn lock(&self, host: &Host) -> Result<Lock, LockError> {
        Lock::acquire(&host.root, self.patience, self.who)
    }

    /// Whether a control that is named changed it, also one that has given it up because it could not go.
    fn names(&self, touch: &Touch) -> bool {
        let mut changed_by = touch.controls.iter().chain(&touch.given_up);
        self.controls.is_empty() || changed_by.any(|control| self.controls.contains(control))
    }

    fn forces(&self, touch: &Touch) -> bool {
        self.force && self.names(touch)
    }

    /// The controls that need a thing and are not reverted.
    fn staying<'t>(&self, touch: &'t Touch) -> Vec<&'t str> {
        if self.controls.is_empty() {
            return Vec::new();
        }
        let stay = |control: &&String| !self.controls.contains(control);
        let stays = touch.controls.iter().filter(stay);
        stays.map(String::as_str).collect()
    }

    fn put_back(
        &self,
        host: &Host,
        ledger: &mut Ledger,
        touch: &Touch,
        lock: &Lock,
    ) -> Result<(PutBack, Afterwards), RevertError> {
        let thing = &touch.thing;
        if !touch.proven {
            return Err(RevertError::Unproven(thing.clone()));
        }
        if matches!(thing, Thing::Sysctl(_)) && host.live.is_none() {
            let reason = "it is a value of the running kernel: revert on the machine itself";
            return Ok((PutBack::Waits(reason.to_owned()), Afterwards::Nothing));
        }
        let staying = self.staying(touch);
        if let Some(reason) = (self.must_stay)(thing, &staying) {
            let afterwards = match self.asks_again {
                true => Afterwards::Nothing,
                false => Afterwards::GiveUp,
            };
            return Ok((PutBack::Stays(reason), afterwards));
        }
        if !staying.is_empty() {
            let done = self.divide(host, ledger, touch, &staying, lock)?;
            return Ok((done, Afterwards::GiveUp));
        }
        if let Some((target, reason)) = (self.remains)(thing) {
            self.announce(host, ledger, touch, &target, lock)?;
            let done = match self.restore(host, touch, &target)? {
                Some(PutBack::Restored(_) | PutBack::Already) => PutBack::Stays(reason),
                stays => stays.unwrap_or_else(not_empty),
            };
            return Ok((done, Afterwards::Nothing));
        }
        let before = ledger.before(thing, lock)?;
        let before = (self.left_of)(thing, &before).unwrap_or(before);
        let waits = || PutBack::Waits("something of k3warden's is in it".to_owned());
        // Nothing in a directory that others write is touched any more, so what is in it goes first.
        if self.opens(host, &before) && holds_ours(ledger, thing, lock)? {
            return Ok((waits(), Afterwards::GiveUp));
        }
        let done = match self.restore(host, touch, &before)? {
            Some(done) => done,
            None if holds_ours(ledger, thing, lock)? => waits(),
            None => not_empty(),
        };
        let afterwards = Afterwards::of(&done);
        Ok((done, afterwards))
    }

    /// Whether a directory that is put back for some controls alone would be one that others write.
    fn opens(&self, host: &Host, before: &State) -> bool {
        let attributes = match before {
            State::Attributes(attributes) | State::Directory(attributes) => attributes,
            _ => return false,
        };
        !self.controls.is_empty() && !host.root.only_root_writes(attributes)
    }

    /// Takes out of a thing what only the reverted controls needed.
    fn divide(
        &self,
        host: &Host,
        ledger: &mut Ledger,
        touch: &Touch,
        staying: &[&str],
        lock: &Lock,
    ) -> Result<PutBack, RevertError> {
        let thing = &touch.thing;
        let before = ledger.before(thing, lock)?;
        let done = match (self.shared)(thing, &before, staying) {
            Some(target) => {
                self.announce(host, ledger, touch, &target, lock)?;
                self.restore(host, touch, &target)?
                    .unwrap_or_else(not_empty)
            }
            None => PutBack::Waits(format!("needed by {}", staying.join(", "))),
        };
        Ok(done)
    }

    /// The reverted controls need the thing no longer, though it cannot go yet: with the last control that needs it, or
    /// when what hinders it is gone, it will. Where everything is reverted it stays everybody's who changed it.
    fn give_up(&self, ledger: &mut Ledger, thing: &Thing, lock: &Lock) -> Result<(), LedgerError> {
        if self.controls.is_empty() {
            return Ok(());
        }
        ledger.give_up(thing, self.controls, lock)
    }

    /// A thing that stays ours in part is written anew by us, and a later revert must know it as ours.
    fn announce(
        &self,
        host: &Host,
        ledger: &mut Ledger,
        touch: &Touch,
        target: &State,
        lock: &Lock,
    ) -> Result<(), RevertError> {
        let now = host.capture(&touch.thing, Extent::Whole)?;
        if now == *target || !(self.forces(touch) || touch.last_written.matches(&now)) {
            return Ok(());
        }
        let stays = touch
            .controls
            .iter()
            .find(|control| !self.controls.contains(control));
        let change = ledger::Change {
            control: stays.cloned().unwrap_or_default(),
            thing: touch.thing.clone(),
            before: now,
            after: target.clone(),
        };
        let _recorded = ledger.record(&change, lock)?;
        Ok(())
    }

    /// `None`: it is a directory that was not there and is not empty any more.
    fn restore(
        &self,
        host: &Host,
        touch: &Touch,
        before: &State,
    ) -> Result<Option<PutBack>, RevertError> {
        let (thing, last_written) = (&touch.thing, &touch.last_written);
        let extent = match before {
            State::Attributes(_) => Extent::AttributesOnly,
            _ => Extent::Whole,
        };
        let now = host.capture(thing, extent)?;
        if now == *before {
            return Ok(Some(PutBack::Already));
        }
        if now == State::Absent && extent == Extent::AttributesOnly {
            let reason = "it is not there any more".to_owned();
            return Ok(Some(PutBack::Stays(reason)));
        }
        let ours = last_written.matches(&now) || last_written.is_halfway(before, &now);
        if !self.forces(touch) && !ours {
            return Ok(Some(PutBack::Changed));
        }
        match host.put(thing, before) {
            Err(HostError::System {
                errno: nix::errno::Errno::ENOTEMPTY,
                ..
            }) => return Ok(None),
            result => result?,
        }
        if host.capture(thing, extent)? == *before {
            Ok(Some(PutBack::Restored(before.clone())))
        } else {
            Err(RevertError::NotVerified(thing.clone()))
        }
    }
}

/// Whether it was to go with an earlier revert and could not.
fn is_tried_again(touch: &Touch) -> bool {
    touch.controls.is_empty() || !touch.given_up.is_empty()
}

fn not_empty() -> PutBack {
    PutBack::Stays("it is not empty any more".to_owned())
}

/// Whether something that we changed and did not put back is in a directory.
fn holds_ours(ledger: &mut Ledger, directory: &Thing, lock: &Lock) -> Result<bool, LedgerError> {
    let Thing::Path(directory) = directory else {
        return Ok(false);
    };
    let inside = |touch: &Touch| match &touch.thing {
        Thing::Path(path) => path != directory && path.starts_with(directory),
        Thing::Sysctl(_) => false,
    };
    Ok(ledger.touched(lock)?.iter().any(inside))
}

/// What the ledger is told of a thing that had its turn.
enum Afterwards {
    /// It is ours no longer.
    End(Ending),
    /// The reverted controls need it no longer; the record of what was there before is still needed.
    GiveUp,
    /// It stays ours.
    Nothing,
}

impl Afterwards {
    const fn of(done: &PutBack) -> Self {
        match done {
            PutBack::Restored(_) | PutBack::Already => Self::End(Ending::Reverted),
            PutBack::Stays(_) => Self::End(Ending::Released),
            PutBack::Waits(_) | PutBack::Changed => Self::GiveUp,
        }
    }
}

/// What we last wrote, thing by thing: tells our own old content from an operator's file.
#[derive(Debug, Clone, Default)]
pub struct Written(BTreeMap<Thing, Fingerprint>);

impl Written {
    /// Takes it from the ledger.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn of(ledger: &mut Ledger, lock: &Lock) -> Result<Self, LedgerError> {
        let touched = ledger.touched(lock)?;
        Ok(Self(
            touched
                .into_iter()
                .map(|touch| (touch.thing, touch.last_written))
                .collect(),
        ))
    }

    /// Whether a file's content is what we wrote there last.
    #[must_use]
    pub fn is_ours(&self, thing: &Thing, content: &[u8]) -> bool {
        self.0
            .get(thing)
            .is_some_and(|fingerprint| fingerprint.has_content(content))
    }
}
