//! Carrying out what was decided: announced where the thing stays ours, written, looked at again, recorded.

use nix::errno::Errno;

use crate::host::{Extent, Host, HostError, State};
use crate::reconcile::ledger::{Change, Ending, Ledger, LedgerError, Touch};
use crate::reconcile::lock::Lock;

use super::Revert;
use super::decision::{Afterwards, Decision, Put, PutBack, Reason, RevertError};

impl Revert<'_> {
    /// Does what was decided. Where it is done, but could not be recorded, the thing counts as ours as before.
    pub(super) fn carry_out(
        &self,
        ledger: &mut Ledger,
        touch: &Touch,
        decision: Decision,
        lock: &Lock,
    ) -> Result<(PutBack, Option<LedgerError>), RevertError> {
        let Decision {
            mut end,
            put,
            mut afterwards,
        } = decision;
        if let Some(put) = put {
            if put.stays_ours {
                let _recorded = ledger.record(&self.announced(touch, &put), lock)?;
            }
            match write(self.pass.host, touch, &put.to) {
                // Somebody was quicker and has put something into it.
                Err(RevertError::Host(HostError::System {
                    errno: Errno::ENOTEMPTY,
                    ..
                })) => {
                    end = PutBack::Stays(Reason::NotEmpty);
                    afterwards = Afterwards::End(Ending::Released);
                }
                result => result?,
            }
        }
        let thing = &touch.thing;
        let recorded = match afterwards {
            Afterwards::End(ending) => ledger.end(&[(thing.clone(), ending)], lock),
            // Where everything is reverted it stays everybody's who changed it.
            Afterwards::GiveUp if !self.controls.is_empty() => {
                ledger.give_up(thing, self.controls, lock)
            }
            Afterwards::GiveUp | Afterwards::Nothing => Ok(()),
        };
        Ok((end, recorded.err()))
    }

    /// What is recorded of a thing that stays ours in part, for a control that keeps it.
    fn announced(&self, touch: &Touch, put: &Put) -> Change {
        let mut keep = touch.controls.iter();
        let keeps = keep.find(|control| !self.controls.contains(control));
        Change {
            control: keeps.cloned().unwrap_or_default(),
            thing: touch.thing.clone(),
            before: put.from.clone(),
            after: put.to.clone(),
        }
    }
}

fn write(host: &Host, touch: &Touch, to: &State) -> Result<(), RevertError> {
    let thing = &touch.thing;
    host.put(thing, to)?;
    let extent = match to {
        State::Attributes(_) => Extent::AttributesOnly,
        _ => Extent::Whole,
    };
    match host.capture(thing, extent)? == *to {
        true => Ok(()),
        false => Err(RevertError::NotVerified(thing.clone())),
    }
}
