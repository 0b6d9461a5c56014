//! What is known of our part on this node, and under which policy, catalogue and version.

use crate::catalogue::Catalogue;
use serde::{Deserialize, Serialize};

use crate::host::records::{Found, Records, STATE};
use crate::host::systemd::InvocationId;
use crate::host::{Clock, Host, HostError, Root, SystemClock, boot_id};
use crate::node::Node;
use crate::policy::Policy;
use crate::reconcile::Pass;
use crate::reconcile::restart::moment::Moment;
use crate::reconcile::restart::own_part::OurPart;
use crate::reconcile::restart::proof::{Circumstances, LastGood, Quarantine, is_proven};

/// What lifts a quarantine when it changes, as it is now.
#[must_use]
pub fn circumstances(policy: &Policy, catalogue: &Catalogue, node: &Node) -> Circumstances {
    Circumstances {
        policy: policy.digest().to_owned(),
        catalogue: catalogue.digest().to_owned(),
        k3s_version: node.version.as_ref().map(|fact| fact.value.to_string()),
    }
}

/// A quarantine that stands, and what is held in the meantime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The part that failed.
    pub quarantine: Quarantine,
    /// Our part as it last worked; `None`: nothing of ours did yet.
    pub last_good: Option<OurPart>,
}

impl Held {
    /// The quarantine that stands on this node; none for most.
    #[must_use]
    pub fn look(root: &Root, now: &Circumstances) -> Option<Self> {
        let records = Records::at(root, STATE).ok()?;
        let quarantine = Quarantine::load(&records).record()?;
        quarantine.stands(now).then(|| Self {
            quarantine,
            last_good: LastGood::load(&records).record().map(|good| good.part),
        })
    }

    /// Whether it is about the same part under the same circumstances.
    #[must_use]
    pub fn is_same_case(&self, other: &Self) -> bool {
        let (this, other) = (&self.quarantine, &other.quarantine);
        this.part == other.part && this.circumstances == other.circumstances
    }
}

/// The records about our part that outlive a reboot.
#[derive(Debug)]
pub struct Knowledge {
    /// Where they lie.
    pub records: Records,
    /// The part that last settled.
    pub last_good: Found<LastGood>,
}

impl Knowledge {
    /// Reads them.
    ///
    /// # Errors
    /// When the root's descriptor cannot be duplicated.
    pub fn of(root: &Root) -> Result<Self, HostError> {
        let records = Records::at(root, STATE)?;
        let last_good = LastGood::load(&records);
        Ok(Self { records, last_good })
    }

    /// The part that last settled.
    #[must_use]
    pub const fn good_part(&self) -> Option<&OurPart> {
        match &self.last_good {
            Found::Record(good) => Some(&good.part),
            _ => None,
        }
    }

    /// Whether a start with this part has settled.
    #[must_use]
    pub fn proves(&self, part: &OurPart) -> bool {
        is_proven(part, &self.last_good)
    }

    /// Keeps a part that has settled; nothing is written where it is known already.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn settled(&mut self, part: OurPart, pass: &Pass<'_>) -> Result<(), HostError> {
        if self.good_part() == Some(&part) {
            return Ok(());
        }
        let good = LastGood {
            part,
            k3s_version: pass
                .node
                .version
                .as_ref()
                .map(|fact| fact.value.to_string()),
            settled: now(pass.host),
        };
        good.save(&self.records)?;
        self.last_good = Found::Record(good);
        Ok(())
    }
}

/// Our part as a start read it that nobody has proven yet. Without a daemon nobody follows that start; at the next one
/// systemd tells how long it lived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The start.
    pub invocation: InvocationId,
    /// What it read of ours.
    pub part: OurPart,
}

const CANDIDATE: &str = "candidate.json";

impl Candidate {
    /// The part that this start read, if it is known.
    #[must_use]
    pub fn of(records: &Records, invocation: &InvocationId) -> Option<OurPart> {
        let candidate: Self = records.load(CANDIDATE).record()?;
        (candidate.invocation == *invocation).then_some(candidate.part)
    }

    /// Keeps it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, records: &Records) -> Result<(), HostError> {
        records.save(CANDIDATE, self)
    }
}

/// Now, in this boot.
#[must_use]
pub fn now(host: &Host) -> Moment {
    Moment::now(&SystemClock as &dyn Clock, &boot(&host.root))
}

/// The kernel's id of this boot; empty where nobody says it.
#[must_use]
pub fn boot(root: &Root) -> String {
    root.is_live().then(boot_id).flatten().unwrap_or_default()
}
