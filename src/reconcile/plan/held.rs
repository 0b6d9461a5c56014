//! A part of ours that K3s did not live with: it is left out of a plan, and what last worked stands in its place.

use crate::catalogue::ControlId;
use crate::host::{State, Thing};
use crate::reconcile::restart::own_part::{OurFile, OurPart};
use crate::reconcile::service::way_back::way_back;
use crate::reconcile::service::{line_out, part, restore};
use crate::reconcile::{Pass, configuration};
use crate::setting::Change;
use crate::setting::configuration::parse;

use super::draft::Draft;
use super::{Refused, RefusedBy};

/// How much a plan is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Everything,
    Some,
}

impl Draft {
    /// Keeps a part that K3s did not live with from being written again; what last worked stands in its place.
    pub(super) fn hold(&mut self, pass: &Pass<'_>, extent: Extent) {
        let Some(held) = pass.held else { return };
        let Ok(present) = part::present(pass) else {
            return;
        };
        let result = self.resulting(pass, &present);
        // Under the same rules a part that is a little different is the same try once more: a line that goes because the
        // failed start has left data behind, or a few of the changes alone.
        let is_tried = result.digest() == held.quarantine.part;
        if result.digest() == present.digest() && !is_tried {
            return;
        }
        let of_path = |part: &OurPart, change: &Change| match &change.thing {
            Thing::Path(path) => part.files.get(&*path.to_string_lossy()).cloned(),
            Thing::Sysctl(_) => None,
        };
        let mut controls: Vec<ControlId> = Vec::new();
        self.changes.retain(|_, planned| {
            let before = of_path(&present, &planned.change);
            let after = of_path(&result, &planned.change);
            let concerned = before != after;
            if concerned {
                controls.extend(concerned_by(&planned.controls, before, after));
            }
            !concerned
        });
        controls.sort_unstable();
        controls.dedup();
        let reason = format!(
            "K3s did not live with it ({}); it is written again when policy, catalogue or K3s change, or after \
             `k3warden retry`",
            held.quarantine.reason
        );
        self.refused.push(Refused {
            by: RefusedBy::Quarantine,
            controls,
            reason,
        });
        if extent == Extent::Everything && present.digest() != held.quarantine.part {
            self.restore(pass, held.last_good.as_ref());
        }
    }

    /// What drifted of the part that last worked is brought back.
    fn restore(&mut self, pass: &Pass<'_>, last_good: Option<&OurPart>) {
        let key = part::encryption_key(pass);
        let back = way_back(pass, last_good, key);
        match back.and_then(|back| restore::changes(pass.host, &back)) {
            Ok(changes) => {
                for planned in changes {
                    self.add(&planned.controls, planned.change);
                }
            }
            Err(error) => self.refused.push(Refused {
                by: RefusedBy::Host,
                controls: Vec::new(),
                reason: error.to_string(),
            }),
        }
    }

    /// Our part as this plan leaves it.
    fn resulting(&self, pass: &Pass<'_>, present: &OurPart) -> OurPart {
        let files = part::files(pass);
        let mut part = present.clone();
        for planned in self.changes.values() {
            let Thing::Path(path) = &planned.change.thing else {
                continue;
            };
            let configuration = line_out::is_ours(path, &pass.node.places.config_file)
                || configuration::unit_override::is_ours(path);
            if !configuration && !files.contains(path) {
                continue;
            }
            let name = path.to_string_lossy().into_owned();
            match &planned.change.after {
                State::File {
                    content,
                    attributes,
                } => {
                    let content = String::from_utf8_lossy(content).into_owned();
                    let mode = attributes.mode.bits();
                    part.files.insert(name, OurFile { content, mode });
                }
                State::Absent => {
                    part.files.remove(&name);
                }
                _ => {}
            }
        }
        part
    }
}

/// Of the controls that want a file of ours those that it is held back for: not those of which each line stands there already.
fn concerned_by(
    controls: &[ControlId],
    before: Option<OurFile>,
    after: Option<OurFile>,
) -> Vec<ControlId> {
    let lines = |file: Option<OurFile>| file.map(|file| parse(&file.content)).unwrap_or_default();
    let (before, after) = (lines(before), lines(after));
    let is_there = |control: &&ControlId| {
        // A list of several controls is put down to one of them, so one without a line may be in any.
        let mut own = after.iter().filter(|(_, of)| of == control).peekable();
        own.peek().is_some() && own.all(|(line, of)| before.get(line) == Some(of))
    };
    let concerned: Vec<ControlId> = controls
        .iter()
        .filter(|control| !is_there(control))
        .cloned()
        .collect();
    match concerned.is_empty() {
        true => controls.to_vec(),
        false => concerned,
    }
}
