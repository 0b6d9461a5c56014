//! A start of K3s from its beginning to what it has come to, for whoever follows it: a command that sleeps between two
//! looks, or the daemon with its timers. [`Settling::Waiting`] says when to look again.

use super::circumstances::{Candidate, Knowledge};
use super::following::following;
use super::part;
use super::rollback::Failure;
use crate::host::records::{Records, STATE};
use crate::host::systemd::{InvocationId, ServiceError, ServiceManager, UnitName};
use crate::host::{Clock, HostError, Root};
use crate::reconcile::Pass;
use crate::reconcile::restart::follow::Follower;
use crate::reconcile::restart::heard::Heard;
use crate::reconcile::restart::own_part::OurPart;
use crate::reconcile::restart::settle::Settling;
use crate::reconcile::restart::starts::{Starts, Trust};

/// A start that is followed.
#[derive(Debug)]
pub struct Start {
    follower: Follower,
    /// Our part as it was when the start was seen, and after a look at it: the door may have written in between.
    parts: Vec<OurPart>,
    since: Since,
}

/// Since when a start is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// It was seen to begin: it has read nothing before we looked at our part.
    ItsBeginning,
    /// It may have begun before that. What it read of ours only the door knows.
    Later,
}

impl Start {
    /// The start that replaces `previous`, before a restart is asked for.
    #[must_use]
    pub fn after_restart(pass: &Pass<'_>, unit: UnitName, previous: Option<InvocationId>) -> Self {
        let follower = Follower::after_restart(unit, previous, following(pass));
        Self::new(pass, follower, Since::ItsBeginning)
    }

    /// A run that somebody else started.
    #[must_use]
    pub fn of_run(pass: &Pass<'_>, unit: UnitName, run: InvocationId, since: Since) -> Self {
        Self::new(pass, Follower::of_run(unit, run, following(pass)), since)
    }

    fn new(pass: &Pass<'_>, follower: Follower, since: Since) -> Self {
        Self {
            follower,
            parts: part::present(pass).into_iter().collect(),
            since,
        }
    }

    /// A run was seen to begin, see [`Follower::sees`].
    pub fn sees(&mut self, run: &InvocationId) {
        self.follower.sees(run);
    }

    /// Looks once, see [`Follower::look`].
    ///
    /// # Errors
    /// When systemd does not answer: nothing is decided then.
    pub fn look(
        &mut self,
        manager: &dyn ServiceManager,
        clock: &dyn Clock,
    ) -> Result<Settling, ServiceError> {
        self.follower.look(manager, clock)
    }

    /// To be told after a look: ours as it is when the run is known.
    pub fn looked(&mut self, pass: &Pass<'_>) {
        if self.parts.len() < 2 && self.run().is_some() {
            self.parts.extend(part::present(pass));
        }
    }

    /// The run, once it is known.
    #[must_use]
    pub fn run(&self) -> Option<&InvocationId> {
        self.follower.invocation()
    }

    /// Whether it was seen ready, see [`Follower::was_ready`].
    #[must_use]
    pub const fn was_ready(&self) -> bool {
        self.follower.was_ready()
    }

    /// What its journal told so far.
    #[must_use]
    pub const fn heard(&self) -> &Heard {
        self.follower.heard()
    }

    /// Our part as it read it, where that is known. One that was overtaken may have read another after this, but is judged
    /// by this one where it fails: a part that was put back without need is tried again.
    #[must_use]
    pub fn part_read(&self, root: &Root) -> Option<OurPart> {
        part_read(root, self.run()?, &self.parts, self.since)
    }

    /// It has settled and was ready: what it read of ours works. Whether that is known.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn proves(&self, pass: &Pass<'_>) -> Result<bool, HostError> {
        let root = &pass.host.root;
        let record = self.run().and_then(|run| Starts::of(root).ok()?.load(run));
        let is_overtaken = record.is_some_and(|record| record.trust == Trust::Overtaken);
        let Some(part) = self.part_read(root).filter(|_| !is_overtaken) else {
            return Ok(false);
        };
        Knowledge::of(&pass.host.root)?.settled(part, pass)?;
        Ok(true)
    }

    /// How it failed.
    #[must_use]
    pub fn failure(&self, reason: String) -> Failure {
        Failure {
            reason,
            errors: self.heard().errors().map(str::to_owned).collect(),
            run: self.run().cloned(),
        }
    }
}

/// Our part as this run read it, where that is known: the door wrote down which it was. Without the door it is known
/// where the start was seen to begin, and ours was the same before and after. `parts`: ours as it was seen around the
/// start, the oldest first.
fn part_read(root: &Root, run: &InvocationId, parts: &[OurPart], since: Since) -> Option<OurPart> {
    let Some(record) = Starts::of(root).ok()?.load(run) else {
        return match parts {
            [before, after] if since == Since::ItsBeginning && before == after => {
                Some(before.clone())
            }
            _ => None,
        };
    };
    let records = Records::at(root, STATE).ok();
    let candidate = records.and_then(|records| Candidate::of(&records, run));
    let mut known = parts.iter().cloned().chain(candidate);
    known.find(|part| part.digest() == record.ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::restart::inputs::InputDigest;
    use crate::reconcile::restart::moment::Moment;
    use crate::reconcile::restart::own_part::OurFile;
    use crate::reconcile::restart::starts::{StartRecord, Trust};

    fn part(content: &str) -> OurPart {
        let content = content.to_owned();
        let file = OurFile {
            content,
            mode: 0o600,
        };
        OurPart {
            files: [("/c/zz-k3warden.yaml".to_owned(), file)].into(),
        }
    }

    fn the_door_writes(root: &Root, run: &InvocationId, ours: &OurPart) {
        let record = StartRecord {
            invocation: run.clone(),
            unit: "k3s.service".parse().unwrap(),
            at: Moment {
                wall_seconds: 0,
                boot: String::new(),
                since_boot_seconds: 1,
            },
            awake_seconds: None,
            restarts: 0,
            ours: ours.digest(),
            inputs: InputDigest::default(),
            options: None,
            trust: Trust::Whole,
        };
        Starts::of(root).unwrap().save(root, &record).unwrap();
    }

    #[test]
    fn what_the_door_wrote_down_counts_and_not_what_was_seen_before() {
        let (before, other) = (part("before"), part("other"));
        for (name, door, candidate, seen, expected) in [
            (
                "the door left it",
                Some("before"),
                None,
                [&before, &before],
                Some("before"),
            ),
            (
                "the door changed it",
                Some("other"),
                None,
                [&before, &other],
                Some("other"),
            ),
            (
                "changed, and again since",
                Some("other"),
                Some("other"),
                [&before, &before],
                Some("other"),
            ),
            (
                "changed to what nobody has",
                Some("other"),
                None,
                [&before, &before],
                None,
            ),
            ("no door", None, None, [&before, &before], Some("before")),
            (
                "no door, and changed meanwhile",
                None,
                None,
                [&before, &other],
                None,
            ),
        ] {
            let kept = tempfile::tempdir().unwrap();
            let root = Root::open(kept.path()).unwrap();
            let run: InvocationId = "0".repeat(32).parse().unwrap();
            if let Some(ours) = door {
                the_door_writes(&root, &run, &part(ours));
            }
            if let Some(content) = candidate {
                let candidate = Candidate {
                    invocation: run.clone(),
                    part: part(content),
                };
                candidate.save(&Records::at(&root, STATE).unwrap()).unwrap();
            }
            let found = part_read(&root, &run, &seen.map(Clone::clone), Since::ItsBeginning);
            assert_eq!(found, expected.map(part), "{name}");
        }
    }

    #[test]
    fn without_the_door_only_a_start_that_was_seen_to_begin_tells_what_it_read() {
        let kept = tempfile::tempdir().unwrap();
        let root = Root::open(kept.path()).unwrap();
        let run: InvocationId = "0".repeat(32).parse().unwrap();
        let parts = [part("ours"), part("ours")];
        let read = |since| part_read(&root, &run, &parts, since);
        assert_eq!(read(Since::ItsBeginning), Some(part("ours")));
        assert_eq!(read(Since::Later), None);
    }
}
