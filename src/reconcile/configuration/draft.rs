//! Working out our drop-in: the lines it needs, and whether K3s would start with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::catalogue::ControlId;
use crate::host::{Attributes, FileMode};
use crate::k3s::Effective;
use crate::setting::Change;
use crate::setting::configuration::{Line, Wish, parse};

use super::super::{Judgement, Pass, Refused, RefusedBy};
use super::ConfigurationPlan;
use super::conditions::Conditions;
use super::own_files::OwnFiles;
use super::unit_override::UnitOverride;

/// It can hold no secret, but the directory's other files can, and one mode for all is easier to judge.
pub(super) const MODE: FileMode = FileMode::new(0o600);

/// What a drop-in may have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Extent {
    /// All that is wanted.
    New,
    /// Of that, what we wrote earlier.
    Earlier,
    /// Of that, K3s's own options: this release ends on the `key+` of our lists.
    EarlierOptions,
}

/// A drop-in while it is being worked out.
pub(super) struct Draft<'p, 'a> {
    pub pass: &'p Pass<'a>,
    pub planned: &'p [Change],
    /// Where it will stand.
    pub path: PathBuf,
    /// Files that we wrote earlier under any name.
    pub present: OwnFiles,
    /// The unit's drop-in, where we have one or may write one.
    pub unit: Option<UnitOverride>,
    pub wishes: Vec<(ControlId, Wish)>,
    /// What the unit's command outranks.
    pub outranked: Vec<(ControlId, Wish)>,
    pub refused: Vec<Refused>,
    pub extent: Extent,
}

impl<'p, 'a> Draft<'p, 'a> {
    /// One that nothing is known of yet but what is wished for; `own` is where it will stand, and our files from earlier.
    pub(super) fn new(
        pass: &'p Pass<'a>,
        planned: &'p [Change],
        own: (PathBuf, OwnFiles),
        unit: Option<UnitOverride>,
        wishes: Vec<(ControlId, Wish)>,
        extent: Extent,
    ) -> Self {
        let (path, present) = own;
        Self {
            pass,
            planned,
            path,
            present,
            unit,
            wishes,
            outranked: Vec::new(),
            refused: Vec::new(),
            extent,
        }
    }

    pub(super) fn conditions(&self) -> Conditions<'p, 'a> {
        let ours = self.present.values();
        let encrypts = |(content, _): &(Vec<u8>, Attributes)| {
            parse(&String::from_utf8_lossy(content))
                .keys()
                .any(Line::is_about_encryption)
        };
        Conditions {
            pass: self.pass,
            planned: self.planned,
            encrypts: ours.into_iter().any(encrypts),
        }
    }

    pub(super) fn settle(mut self, judgements: &[Judgement<'_>]) -> ConfigurationPlan {
        let base = match self.effective(None) {
            Ok(base) => base,
            Err(reason) => return self.refuse_all(reason),
        };
        if let Some(ending) = base.unknown() {
            // Nobody can say what a line of ours would come to. What K3s reads of ours stays as it is.
            let told = ending.told();
            return self.refuse_all(format!(
                "K3s would not start, with it or without it: {told}"
            ));
        }
        self.refuse_undeployed(&base);
        let lists = match self.lists(&base, judgements) {
            Ok(lists) => lists,
            Err(reason) => return self.refuse_all(reason),
        };
        let over = match lists.is_empty() {
            true => Ok(None),
            false => self.effective(Some(&lists)).map(Some),
        };
        let mut lines = match &over {
            Ok(over) => self.lines(over.as_ref().unwrap_or(&base), judgements),
            Err(reason) => return self.refuse_all(reason.clone()),
        };
        lines.extend(lists);
        // A line that the node is not fit for, or that does not bring what it is for, is taken out again; the rest is
        // judged once more without it. Each round takes one out.
        loop {
            let worked_out;
            let after = match self.is_there_already(&lines) {
                Some(present) => present,
                None => {
                    worked_out = self.effective(Some(&lines));
                    match &worked_out {
                        Ok(after) => after,
                        Err(reason) => return self.refuse_all(reason.clone()),
                    }
                }
            };
            if self.drop_unfit(&mut lines, &base, after) {
                continue;
            }
            if let Some(ending) = after.first_end_over(&base) {
                let reason = format!("K3s would not start with it: {ending}");
                if let Some(line) = self.culprit(&lines, ending) {
                    self.refused.push(Refused {
                        by: RefusedBy::Preflight,
                        controls: lines.remove(&line).into_iter().collect(),
                        reason,
                    });
                    continue;
                }
                self.wishes.retain(|(_, wish)| !wish.holds(&base));
                return self.refuse_all(reason);
            }
            if !self.drop_idle(&mut lines, after) {
                break;
            }
        }
        let staying = self.staying_words(judgements);
        let command = self.command(&base, &lines, &staying);
        self.finish(&lines, command.as_ref())
    }

    /// The lines that the wishes need over what is there without us, as far as they may be written.
    fn lines(
        &mut self,
        base: &Effective,
        judgements: &[Judgement<'_>],
    ) -> BTreeMap<Line, ControlId> {
        let mut lines = self.kept(judgements);
        let wishes = std::mem::take(&mut self.wishes);
        let served = served_by_another(&wishes, base);
        for ((control, wish), is_served) in wishes.into_iter().zip(served) {
            // The line that stays under a key whatever is wanted needs no second thought.
            let stays = wish.line.is_about_encryption() && lines.contains_key(&wish.line);
            if !wish.holds(base) && !stays && !is_served {
                match self.conditions().forbids(&wish.line) {
                    Some(reason) => {
                        self.refused.push(Refused {
                            by: RefusedBy::Preflight,
                            controls: vec![control.clone()],
                            reason,
                        });
                    }
                    None => {
                        lines.insert(wish.line_over(base), control.clone());
                    }
                }
            }
            self.wishes.push((control, wish));
        }
        match self.extent {
            Extent::New => lines,
            Extent::Earlier => self.of_what_is_there(lines),
            Extent::EarlierOptions => {
                let mut lines = self.of_what_is_there(lines);
                lines.retain(|line, _| matches!(line, Line::Option { .. }));
                lines
            }
        }
    }

    /// Whether it is about a list, which holds what several controls want.
    pub(super) fn is_list(&self, line: &Line) -> bool {
        let mut wishes = self.wishes.iter().map(|(_, wish)| wish);
        wishes.any(|wish| wish.extends_a_list() && wish.line.what() == line.what())
    }

    /// Takes out lines that only the whole result shows to be unfit: a plug-in without its section, audit logs that the
    /// disk has no room for. True if any was.
    fn drop_unfit(
        &mut self,
        lines: &mut BTreeMap<Line, ControlId>,
        base: &Effective,
        after: &Effective,
    ) -> bool {
        let files = self.files(Some(lines));
        let Some(unfit) = self.conditions().unfit(lines, base, after, &files) else {
            return false;
        };
        let controls: Vec<ControlId> = unfit
            .lines
            .iter()
            .filter_map(|line| lines.remove(line))
            .collect();
        self.refused.push(Refused {
            by: RefusedBy::Preflight,
            controls,
            reason: unfit.reason,
        });
        true
    }

    /// Takes out lines whose requirement does not hold with them: something outranks our drop-in. True if any was.
    fn drop_idle(&mut self, lines: &mut BTreeMap<Line, ControlId>, after: &Effective) -> bool {
        let encrypted = self.conditions().has_encryption_key();
        let mut dropped = false;
        let mut idle = Vec::new();
        for (control, wish) in &self.wishes {
            let what = wish.line.what();
            let is_its = |line: &Line, other: &ControlId| other == control && line.what() == what;
            if wish.holds(after) || !lines.iter().any(|(line, other)| is_its(line, other)) {
                continue;
            }
            let before = lines.len();
            lines.retain(|line, other| {
                !is_its(line, other) || (encrypted && line.is_about_encryption())
            });
            dropped |= lines.len() < before;
            idle.push((control.clone(), wish.clone()));
        }
        for outranked in idle {
            if !self.outranked.contains(&outranked) {
                self.outranked.push(outranked);
            }
        }
        dropped
    }

    fn refuse_all(mut self, reason: String) -> ConfigurationPlan {
        let controls: Vec<ControlId> = self
            .wishes
            .into_iter()
            .map(|(control, _)| control)
            .collect();
        if !controls.is_empty() {
            self.refused.push(Refused {
                by: RefusedBy::Preflight,
                controls,
                reason,
            });
        }
        ConfigurationPlan {
            changes: Vec::new(),
            refused: self.refused,
        }
    }
}

/// For each wish whether the line of another one is written that satisfies it too: of two lines for one thing only the
/// last would count, whichever that is. Of two that satisfy both it is the first.
fn served_by_another(wishes: &[(ControlId, Wish)], base: &Effective) -> Vec<bool> {
    let written: Vec<(usize, &Wish)> = wishes
        .iter()
        .map(|(_, wish)| wish)
        .enumerate()
        .filter(|(_, wish)| !wish.holds(base))
        .collect();
    let serves = |(index, wish): (usize, &Wish), (other_index, other): (usize, &Wish)| {
        let is_stronger = !other.is_satisfied_by(wish) || other_index < index;
        other_index != index && wish.is_satisfied_by(other) && is_stronger
    };
    let indexed = wishes.iter().map(|(_, wish)| wish).enumerate();
    indexed
        .map(|wish| written.iter().any(|other| serves(wish, *other)))
        .collect()
}
