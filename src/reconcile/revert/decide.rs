//! Deciding what becomes of a thing. Looks at the host and the record, and changes neither.

use crate::host::{Extent, HostError, State, Thing};
use crate::reconcile::Pass;
use crate::reconcile::ledger::{Ending, Touch};
use crate::reconcile::service::stay;

use super::decision::{Afterwards, Decision, Put, PutBack, Reason, RevertError};
use super::record::Record;
use super::{Revert, remnant};

/// What is between a thing and the state that it is to be put back to.
enum Way {
    /// It is there already.
    Already,
    /// It can be put there from this.
    Free(State),
    /// It cannot.
    Barred(Reason),
}

impl Revert<'_> {
    /// What becomes of a thing when it has its turn now, on the host and with the record that these are.
    pub(super) fn decide(
        &self,
        pass: &Pass<'_>,
        record: &mut Record<'_>,
        touch: &Touch,
    ) -> Result<Decision, RevertError> {
        let thing = &touch.thing;
        if !touch.proven {
            return Err(RevertError::Unproven(thing.clone()));
        }
        if matches!(thing, Thing::Sysctl(_)) && pass.host.live.is_none() {
            let waits = PutBack::Waits(Reason::RunningKernel);
            return Ok(Decision::left(waits, Afterwards::Nothing));
        }
        let staying = self.staying(touch);
        if let Some(need) = stay::must_stay(pass, thing, &staying, self.running) {
            let afterwards = match self.asks_again {
                true => Afterwards::Nothing,
                false => Afterwards::GiveUp,
            };
            return Ok(Decision::left(PutBack::Stays(need.into()), afterwards));
        }
        if !staying.is_empty() {
            let before = record.before(thing)?;
            return self.for_those_that_stay(pass, touch, &before, &staying);
        }
        if let Some((remains, need)) = stay::remains(pass, thing) {
            let mut decision = self.in_part(pass, touch, remains, Afterwards::Nothing)?;
            if matches!(decision.end, PutBack::Restored(_) | PutBack::Already) {
                decision.end = PutBack::Stays(need.into());
            }
            return Ok(decision);
        }
        let before = remnant::without_us(pass, thing, record.before(thing)?);
        self.as_a_whole(pass, touch, before, record)
    }

    /// Only what the reverted controls needed goes.
    fn for_those_that_stay(
        &self,
        pass: &Pass<'_>,
        touch: &Touch,
        before: &State,
        staying: &[&str],
    ) -> Result<Decision, RevertError> {
        match remnant::for_controls(pass, &touch.thing, before, staying) {
            Some(left) => Ok(self.in_part(pass, touch, left, Afterwards::GiveUp)?),
            None => {
                let staying = staying.iter().map(ToString::to_string).collect();
                let waits = PutBack::Waits(Reason::NeededBy(staying));
                Ok(Decision::left(waits, Afterwards::GiveUp))
            }
        }
    }

    /// A part goes, and what is left stays ours.
    fn in_part(
        &self,
        pass: &Pass<'_>,
        touch: &Touch,
        left: State,
        afterwards: Afterwards,
    ) -> Result<Decision, HostError> {
        Ok(match self.way(pass, touch, &left)? {
            Way::Already => Decision::left(PutBack::Already, afterwards),
            Way::Barred(reason) => Decision::left(PutBack::Stays(reason), afterwards),
            Way::Free(from) => Decision {
                end: PutBack::Restored(left.clone()),
                put: Some(Put {
                    from,
                    to: left,
                    stays_ours: true,
                }),
                afterwards,
            },
        })
    }

    /// All of it goes, and it is ours no longer.
    fn as_a_whole(
        &self,
        pass: &Pass<'_>,
        touch: &Touch,
        before: State,
        record: &Record<'_>,
    ) -> Result<Decision, RevertError> {
        let holds_ours = || record.holds_ours(&touch.thing);
        let waits = || Decision::left(PutBack::Waits(Reason::HoldsOurs), Afterwards::GiveUp);
        // Nothing in a directory that others write is touched any more, so what is in it goes first.
        if self.opens(pass, &before) && holds_ours() {
            return Ok(waits());
        }
        Ok(match self.way(pass, touch, &before)? {
            Way::Already => Decision::left(PutBack::Already, Afterwards::End(Ending::Reverted)),
            Way::Barred(Reason::NotEmpty) if holds_ours() => waits(),
            Way::Barred(Reason::Theirs) => {
                Decision::left(PutBack::Stays(Reason::Theirs), Afterwards::GiveUp)
            }
            Way::Barred(reason) => {
                Decision::left(PutBack::Stays(reason), Afterwards::End(Ending::Released))
            }
            Way::Free(from) => Decision {
                end: PutBack::Restored(before.clone()),
                put: Some(Put {
                    from,
                    to: before,
                    stays_ours: false,
                }),
                afterwards: Afterwards::End(Ending::Reverted),
            },
        })
    }

    /// Whether a directory that is put back for some controls alone would be one that others write.
    fn opens(&self, pass: &Pass<'_>, before: &State) -> bool {
        let attributes = match before {
            State::Attributes(attributes) | State::Directory(attributes) => attributes,
            _ => return false,
        };
        !self.controls.is_empty() && !pass.host.root.only_root_writes(attributes)
    }

    fn way(&self, pass: &Pass<'_>, touch: &Touch, to: &State) -> Result<Way, HostError> {
        let (thing, last_written) = (&touch.thing, &touch.last_written);
        let extent = match to {
            State::Attributes(_) => Extent::AttributesOnly,
            _ => Extent::Whole,
        };
        let now = pass.state(thing, extent)?;
        if now == *to {
            return Ok(Way::Already);
        }
        if now == State::Absent && extent == Extent::AttributesOnly {
            return Ok(Way::Barred(Reason::NotThere));
        }
        let ours = last_written.matches(&now) || last_written.is_halfway(to, &now);
        if !self.forces(touch) && !ours {
            return Ok(Way::Barred(Reason::Theirs));
        }
        match (thing, &now, to) {
            (Thing::Path(path), State::Directory(_), State::Absent) if !pass.is_empty(path)? => {
                Ok(Way::Barred(Reason::NotEmpty))
            }
            _ => Ok(Way::Free(now)),
        }
    }
}
