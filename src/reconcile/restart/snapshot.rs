//! What each K3s was started with, kept by us so that it outlives the rotation of the journal.

use serde::{Deserialize, Serialize};

use super::heard::Arguments;
use super::moment::Moment;
use super::records::{Found, Records, SNAPSHOTS};
use super::starts::SetOptions;
use crate::host::systemd::{InvocationId, UnitName};
use crate::host::{HostError, Root};

const KEPT: usize = 5;

/// The arguments of one run's components, as its journal had them, secrets masked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The run.
    pub invocation: InvocationId,
    /// The unit.
    pub unit: UnitName,
    /// When it was taken.
    pub taken: Moment,
    /// Goes up by one with each, so that their order needs no clock.
    number: u64,
    /// Component by component, in K3s's own order.
    pub arguments: Arguments,
    /// The options of that start, where they are known.
    #[serde(default)]
    pub options: Option<SetOptions>,
}

/// The snapshots of the last runs.
#[derive(Debug)]
pub struct Snapshots {
    records: Records,
}

impl Snapshots {
    /// The snapshots below a root.
    ///
    /// # Errors
    /// When the root's descriptor cannot be duplicated.
    pub fn of(root: &Root) -> Result<Self, HostError> {
        Ok(Self {
            records: Records::at(root, SNAPSHOTS)?,
        })
    }

    /// What a run was started with, if we kept it.
    #[must_use]
    pub fn load(&self, invocation: &InvocationId) -> Option<Snapshot> {
        let found: Found<Snapshot> = self.records.load(&format!("{invocation}.json"));
        found
            .record()
            .filter(|snapshot| snapshot.invocation == *invocation)
    }

    /// Keeps what a run was started with, over what was kept of the same run before, and drops the oldest beyond five.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(
        &self,
        root: &Root,
        invocation: &InvocationId,
        unit: &UnitName,
        taken: Moment,
        arguments: Arguments,
        options: Option<SetOptions>,
    ) -> Result<(), HostError> {
        let mut all = self.all(root);
        all.retain(|snapshot| snapshot.invocation != *invocation);
        let last = all.last().map_or(0, |snapshot| snapshot.number);
        let snapshot = Snapshot {
            invocation: invocation.clone(),
            unit: unit.clone(),
            taken,
            number: last.saturating_add(1),
            arguments,
            options,
        };
        self.records
            .save(&format!("{invocation}.json"), &snapshot)?;
        let surplus = (all.len() + 1).saturating_sub(KEPT);
        for old in all.iter().take(surplus) {
            self.records.remove(&format!("{}.json", old.invocation))?;
        }
        Ok(())
    }

    /// The oldest first.
    fn all(&self, root: &Root) -> Vec<Snapshot> {
        let mut all = Vec::new();
        for name in self.records.names(root) {
            match self.records.load::<Snapshot>(&name) {
                Found::Record(snapshot) => all.push(snapshot),
                Found::Nothing => {}
                // Tells nobody anything and would stay for ever.
                Found::Unreadable(_) => drop(self.records.remove(&name)),
            }
        }
        all.sort_by_key(|snapshot| snapshot.number);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::super::moment::at;
    use super::super::records::tests::tree;
    use super::*;
    use crate::k3s::component::Component;

    fn run(number: u32) -> InvocationId {
        format!("{number:032x}").parse().unwrap()
    }

    fn arguments(text: &str) -> Arguments {
        [(Component::Kubelet, vec![text.to_owned()])].into()
    }

    #[test]
    fn the_last_five_are_kept_whatever_the_clock_says() {
        let (directory, root) = tree();
        let snapshots = Snapshots::of(&root).unwrap();
        let unit: UnitName = "k3s.service".parse().unwrap();
        let save = |number: u32, text: &str| {
            let taken = at("a", -i64::from(number), 0);
            snapshots
                .save(&root, &run(number), &unit, taken, arguments(text), None)
                .unwrap();
        };
        for number in 1..=7 {
            save(number, "--a=1");
        }
        assert_eq!(snapshots.load(&run(2)), None);
        assert_eq!(
            snapshots.load(&run(3)).unwrap().arguments,
            arguments("--a=1")
        );
        save(3, "--a=2");
        save(8, "--a=1");
        assert_eq!(
            snapshots.load(&run(3)).unwrap().arguments,
            arguments("--a=2"),
            "taken anew, so younger than 4"
        );
        assert_eq!(snapshots.load(&run(4)), None);
        std::fs::write(
            directory.path().join("var/lib/k3warden/starts/torn.json"),
            "{",
        )
        .unwrap();
        save(9, "--a=1");
        assert_eq!(snapshots.records.names(&root).len(), KEPT);
    }
}
