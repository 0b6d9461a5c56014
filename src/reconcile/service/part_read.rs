//! Our part as a start of K3s has read it, which is not always what was on disk before: the door may have written since.

use super::circumstances::Candidate;
use crate::host::Root;
use crate::host::records::{Records, STATE};
use crate::host::systemd::InvocationId;
use crate::reconcile::restart::own_part::OurPart;
use crate::reconcile::restart::starts::Starts;

/// Our part as this run read it, where that is known: the door wrote down which it was. Without the door it is known
/// where the start was seen to begin, and ours was the same before and after. `parts`: ours as it was seen around the
/// start, the oldest first.
#[must_use]
pub fn part_read(
    root: &Root,
    run: &InvocationId,
    parts: &[OurPart],
    seen_to_begin: bool,
) -> Option<OurPart> {
    let Some(record) = Starts::of(root).ok()?.load(run) else {
        return match parts {
            [before, after] if seen_to_begin && before == after => Some(before.clone()),
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
    use crate::reconcile::restart::starts::StartRecord;

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
            let found = part_read(&root, &run, &seen.map(Clone::clone), true);
            assert_eq!(found, expected.map(part), "{name}");
        }
    }
}
