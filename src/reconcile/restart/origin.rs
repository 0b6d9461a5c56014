//! What brought a change of our part: drift and the policy, or nothing but a new catalogue or a new k3warden. The first
//! restarts K3s within the rules; the second waits for a window or the next start, because a package comes to a whole
//! fleet at once.

use serde::{Deserialize, Serialize};

use super::records::{Found, Records};
use crate::host::HostError;
use crate::reconcile::ledger::Hash;

const NAME: &str = "origin.json";

/// Under which rules our part was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The digest of the policy.
    pub policy: String,
    /// The digest of the catalogue.
    pub catalogue: String,
    /// The version of k3warden.
    pub program: String,
}

/// What brought a change that the running K3s has not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cause {
    /// Nothing changed.
    Nothing,
    /// A new catalogue or k3warden alone.
    Catalogue,
    /// Drift, the policy or the operator, whatever else beside it.
    Controls,
}

/// Our part as it was last looked at, and what has changed it since K3s last read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    rules: Rules,
    part: Hash,
    cause: Cause,
}

impl Origin {
    /// What has changed our part since the running K3s read it. `in_step`: it has read what is there now. Of a part that
    /// was never looked at before, such as that of a first installation, the operator is the cause.
    #[must_use]
    pub fn next(before: Option<&Self>, rules: Rules, part: Hash, in_step: bool) -> Self {
        let earlier = match before {
            _ if in_step => Cause::Nothing,
            None => Cause::Controls,
            Some(before) => before.cause.max(before.change(&rules, part)),
        };
        Self {
            rules,
            part,
            cause: earlier,
        }
    }

    fn change(&self, rules: &Rules, part: Hash) -> Cause {
        if self.part == part {
            Cause::Nothing
        } else if self.rules.policy == rules.policy && self.rules != *rules {
            Cause::Catalogue
        } else {
            Cause::Controls
        }
    }

    /// What brought the change.
    #[must_use]
    pub const fn cause(&self) -> Cause {
        self.cause
    }

    /// Takes note of a look at our part. Nothing is written where nothing is new.
    ///
    /// # Errors
    /// When it cannot be written; the next look then sees the same change again.
    pub fn note(
        records: &Records,
        rules: Rules,
        part: Hash,
        in_step: bool,
    ) -> Result<Cause, HostError> {
        let before: Found<Self> = records.load(NAME);
        let before = before.record();
        let now = Self::next(before.as_ref(), rules, part, in_step);
        if before.as_ref() != Some(&now) {
            records.save(NAME, &now)?;
        }
        Ok(now.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::super::records::STATE;
    use super::super::records::tests::tree;
    use super::*;

    fn rules(policy: &str, catalogue: &str, program: &str) -> Rules {
        Rules {
            policy: policy.to_owned(),
            catalogue: catalogue.to_owned(),
            program: program.to_owned(),
        }
    }

    /// Looks at our part, a word each: policy, catalogue, program, the part's content, and `+` if K3s has read it.
    fn course(looks: &str) -> Cause {
        let mut origin: Option<Origin> = None;
        for look in looks.split(' ') {
            let part = Hash::of(&look.as_bytes()[3..4]);
            let rules = rules(&look[..1], &look[1..2], &look[2..3]);
            origin = Some(Origin::next(
                origin.as_ref(),
                rules,
                part,
                look.ends_with('+'),
            ));
        }
        origin.unwrap().cause()
    }

    #[test]
    fn only_what_a_new_catalogue_or_package_alone_brings_is_theirs() {
        use Cause::{Catalogue, Controls, Nothing};
        for (name, looks, expected) in [
            ("the first installation", "pc1a", Controls),
            ("in step from the start", "pc1a+", Nothing),
            ("drift", "pc1a+ pc1b", Controls),
            ("a new catalogue", "pc1a+ pd1b", Catalogue),
            ("a new package", "pc1a+ pc2b", Catalogue),
            ("a new package that changes nothing", "pc1a+ pc2a", Nothing),
            ("a new policy", "pc1a+ qc1b", Controls),
            ("a new policy and a new package", "pc1a+ qc2b", Controls),
            ("looked at again", "pc1a+ pc2b pc2b", Catalogue),
            ("drift after a new package", "pc1a+ pc2b pc2x", Controls),
            (
                "a new package while drift waits",
                "pc1a+ pc1x pc2b",
                Controls,
            ),
            ("taken by a natural start", "pc1a+ pc2b pc2b+ pc2b", Nothing),
        ] {
            assert_eq!(course(looks), expected, "{name}");
        }
    }

    #[test]
    fn it_is_remembered_from_one_k3warden_to_the_next_and_a_lost_memory_is_the_operators() {
        let (directory, root) = tree();
        let records = Records::at(&root, STATE).unwrap();
        let note = |program, part: &str, in_step| {
            let part = Hash::of(part.as_bytes());
            Origin::note(&records, rules("p", "c", program), part, in_step).unwrap()
        };
        assert_eq!(note("1", "a", true), Cause::Nothing);
        assert_eq!(note("2", "b", false), Cause::Catalogue);
        let path = directory.path().join("var/lib/k3warden").join(NAME);
        std::fs::write(path, "torn").unwrap();
        assert_eq!(note("2", "b", false), Cause::Controls);
    }
}
