//! The changes that make a draft true.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::catalogue::ControlId;
use crate::host::{Attributes, HostError, Root, State, Thing, Touches};
use crate::reconcile::{Pass, Refused, RefusedBy};
use crate::setting::configuration::{Line, parse, render};
use crate::setting::{Change, Effect, Stage};

use super::ConfigurationPlan;
use super::draft::{Draft, MODE};
use super::unit_override::{Overriding, UnitOverride};

impl Draft<'_, '_> {
    pub(super) fn finish(
        self,
        lines: &BTreeMap<Line, ControlId>,
        command: Option<&Overriding>,
    ) -> ConfigurationPlan {
        let mut controls: Vec<ControlId> = lines.values().cloned().collect();
        if controls.is_empty() {
            // A file that goes is put down to the controls that had wanted it: what no control answers for could not
            // be recorded, and so would not be done.
            let texts = self
                .present
                .values()
                .map(|(content, _)| String::from_utf8_lossy(content));
            controls = texts.flat_map(|text| parse(&text).into_values()).collect();
        }
        controls.dedup();
        let mut changes = Vec::new();
        if !lines.is_empty() {
            changes.extend(self.written(render(&self.united(lines)).into_bytes()));
        }
        for (path, (content, attributes)) in self.present {
            if path != self.path || lines.is_empty() {
                let before = State::File {
                    content,
                    attributes,
                };
                changes.push(change(path, before, State::Absent));
            }
        }
        let mut refused = self.refused;
        if let Some(reason) = hindered(&self.pass.host.root, changes.iter()) {
            changes.clear();
            let controls = controls.clone();
            refused.push(Refused {
                by: RefusedBy::Preflight,
                controls,
                reason,
            });
        }
        let mut changes: Vec<(Vec<ControlId>, Change)> = changes
            .into_iter()
            .map(|change| (controls.clone(), change))
            .collect();
        let Some(unit) = self.unit else {
            return ConfigurationPlan { changes, refused };
        };
        match of_unit(self.pass, &unit, command) {
            Ok(of_unit) => changes.extend(of_unit),
            Err(reason) => refused.push(Refused {
                by: RefusedBy::Preflight,
                controls: command.map_or_else(Vec::new, |command| command.controls.clone()),
                reason,
            }),
        }
        ConfigurationPlan { changes, refused }
    }

    /// The changes after which our file has this content; none if it has it.
    pub(super) fn written(&self, content: Vec<u8>) -> Vec<Change> {
        let (uid, gid) = self.pass.host.root.superuser();
        let (before, attributes) = match self.present.get(&self.path) {
            None => (
                State::Absent,
                Attributes {
                    mode: MODE,
                    uid,
                    gid,
                },
            ),
            Some((old, attributes)) => {
                let (content, attributes) = (old.clone(), attributes.clone());
                (
                    State::File {
                        content,
                        attributes: attributes.clone(),
                    },
                    attributes,
                )
            }
        };
        let after = State::File {
            content,
            attributes,
        };
        if before == after {
            return Vec::new();
        }
        let mut changes = self
            .pass
            .missing_directories(&self.path)
            .unwrap_or_default();
        changes.push(change(self.path.clone(), before, after));
        changes
    }
}

/// The changes of the unit's drop-in, or what stands in their way.
pub(super) fn of_unit(
    pass: &Pass<'_>,
    unit: &UnitOverride,
    command: Option<&Overriding>,
) -> Result<Vec<(Vec<ControlId>, Change)>, String> {
    let changes = unit
        .changes(pass, command)
        .map_err(|error| error.to_string())?;
    let hindered = hindered(&pass.host.root, changes.iter().map(|(_, change)| change));
    hindered.map_or(Ok(changes), Err)
}

/// What stands in the way of the first change that cannot be made.
fn hindered<'c>(root: &Root, mut changes: impl Iterator<Item = &'c Change>) -> Option<String> {
    changes.find_map(|change| {
        let Thing::Path(path) = &change.thing else {
            return None;
        };
        match root.obstacle(path, Touches::Name) {
            Ok(refusal) => refusal.map(|reason| HostError::refused(path, reason).to_string()),
            Err(error) => Some(error.to_string()),
        }
    })
}

fn change(path: PathBuf, before: State, after: State) -> Change {
    Change {
        thing: Thing::Path(path),
        before,
        after,
        stage: Stage::Configuration,
        effect: Effect::K3sRestart,
    }
}
