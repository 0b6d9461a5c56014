//! Working out our drop-in: the lines it needs, and whether K3s would start with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::catalogue::ControlId;
use crate::host::{Attributes, FileMode, HostError, Root, State, Thing, Touches};
use crate::k3s::component::Facts;
use crate::k3s::{Effective, Ending, Files, Invocation};
use crate::node;
use crate::policy::{OnDisable, Stance};
use crate::setting::configuration::{Line, Wish, parse, render};
use crate::setting::{Change, Effect, Stage};

use super::super::baseline::{self, Applies};
use super::super::{Judgement, Pass, Refused, RefusedBy};
use super::ConfigurationPlan;
use super::conditions::Conditions;
use super::own_files::OwnFiles;
use super::unit_override::{HOW_TO_OVERRIDE, Overriding, UnitOverride};

/// It can hold no secret, but the directory's other files can, and one mode for all is easier to judge.
pub(super) const MODE: FileMode = FileMode::new(0o600);

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
}

impl<'p, 'a> Draft<'p, 'a> {
    fn conditions(&self) -> Conditions<'p, 'a> {
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
        if let Some(ending) = base.unsettled() {
            // Nobody can say what a line of ours would come to. What K3s reads of ours stays as it is.
            return self.refuse_all(format!(
                "K3s would not start, with it or without it: {ending}"
            ));
        }
        let mut lines = self.lines(&base, judgements);
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
            if let Some(ending) = worse(&base, after) {
                let reason = format!("K3s would not start with it: {}", ending.reason);
                return self.refuse_all(reason);
            }
            if !self.drop_idle(&mut lines, after) {
                break;
            }
        }
        let command = self.command(&base, &lines);
        self.finish(&lines, command)
    }

    /// The drop-in of the unit that gives what its command outranks; what it cannot give is refused.
    fn command(
        &mut self,
        base: &Effective,
        lines: &BTreeMap<Line, ControlId>,
    ) -> Option<Overriding> {
        let mut outranked = std::mem::take(&mut self.outranked);
        while !outranked.is_empty() {
            let made = match &self.unit {
                None => Err((None, HOW_TO_OVERRIDE.to_owned())),
                Some(unit) => unit.give(self.pass, &outranked, base),
            };
            let made = made.and_then(|overriding| {
                let invocation = overriding.invocation.clone();
                let after = self
                    .effective_of(Some(lines), Some(invocation))
                    .map_err(|reason| (None, reason))?;
                if let Some(ending) = worse(base, &after) {
                    let reason = format!("K3s would not start with it: {}", ending.reason);
                    return Err((None, reason));
                }
                let idle = outranked.iter().position(|(_, wish)| !wish.holds(&after));
                match idle {
                    Some(index) => Err((
                        Some(index),
                        "another command would not change it".to_owned(),
                    )),
                    None => Ok(overriding),
                }
            });
            match made {
                Ok(overriding) => return Some(overriding),
                Err((Some(index), reason)) => {
                    let (control, wish) = outranked.remove(index);
                    self.refuse_outranked(base, control, &wish, &reason);
                }
                Err((None, reason)) => {
                    for (control, wish) in std::mem::take(&mut outranked) {
                        self.refuse_outranked(base, control, &wish, &reason);
                    }
                }
            }
        }
        None
    }

    fn refuse_outranked(&mut self, base: &Effective, control: ControlId, wish: &Wish, more: &str) {
        self.refused.push(Refused {
            by: RefusedBy::Preflight,
            controls: vec![control],
            reason: format!(
                "{} is decided by {}, which outranks every drop-in; change it there ({more})",
                wish.line.what(),
                wish.decided_by(base)
            ),
        });
    }

    /// What K3s would run with, where these lines are in our file already and the plan changes nothing else that it reads.
    fn is_there_already(&self, lines: &BTreeMap<Line, ControlId>) -> Option<&'p Effective> {
        let read = |change: &Change| {
            matches!(
                change.after,
                State::File { .. } | State::Absent | State::Value(_)
            )
        };
        let (ours, _) = self.present.get(&self.path)?;
        let same = self.present.len() == 1
            && self.unit.is_none()
            && *ours == render(&self.united(lines)).into_bytes()
            && !self.planned.iter().any(read);
        self.pass.effective().as_ref().ok().filter(|_| same)
    }

    /// The lines that the wishes need over what is there without us, as far as they may be written.
    fn lines(
        &mut self,
        base: &Effective,
        judgements: &[Judgement<'_>],
    ) -> BTreeMap<Line, ControlId> {
        let mut lines = self.kept(judgements);
        for (control, wish) in std::mem::take(&mut self.wishes) {
            // The line that stays under a key whatever is wanted needs no second thought.
            let stays = wish.line.is_about_encryption() && lines.contains_key(&wish.line);
            if !wish.holds(base) && !stays {
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
        lines
    }

    /// Lines of ours that stay although no enforced control wants them: what a control changed is kept when it is
    /// turned off, unless the policy says otherwise, and encryption is never turned off under a key.
    fn kept(&self, judgements: &[Judgement<'_>]) -> BTreeMap<Line, ControlId> {
        let keep_off = self.pass.policy.on_disable.value == OnDisable::Keep;
        let encrypted = self.conditions().has_encryption_key();
        let provisional = |judged: &Judgement<'_>| self.pass.was_provisional(judged.control);
        // Another release may not start with it, and an agent ends on a server's option.
        let of_another_node = |judged: &Judgement<'_>| {
            matches!(
                baseline::control(judged.control, self.pass.node),
                Applies::No(_)
            )
        };
        let mut lines = BTreeMap::new();
        for (content, _) in self.present.values() {
            for (line, control) in parse(&String::from_utf8_lossy(content)) {
                let judgement = judgements
                    .iter()
                    .find(|judged| judged.control.id == control);
                let turned_off = judgement.is_some_and(|judged| {
                    let off = !judged.is_enforced() && judged.decision.stance != Stance::Enforce;
                    off && !provisional(judged) && !of_another_node(judged)
                });
                let about_encryption = line.is_about_encryption();
                if (about_encryption && encrypted)
                    || (turned_off && keep_off && self.conditions().forbids(&line).is_none())
                {
                    lines.insert(line, control);
                }
            }
        }
        lines
    }

    /// What K3s would run with: the files of the plan, and ours with these lines or without any.
    fn effective(&self, lines: Option<&BTreeMap<Line, ControlId>>) -> Result<Effective, String> {
        let invocation = match &self.unit {
            Some(unit) => Some(unit.base.invocation()),
            None => self.pass.node.invocation(),
        };
        self.effective_of(lines, invocation)
    }

    fn effective_of(
        &self,
        lines: Option<&BTreeMap<Line, ControlId>>,
        invocation: Option<Invocation>,
    ) -> Result<Effective, String> {
        self.pass
            .node
            .effective_of(&self.files(lines), invocation, &self.facts())
            .map_err(|error| error.to_string())
    }

    /// What the kernel tells once the plan has set its values: they come before K3s's configuration.
    fn facts(&self) -> Facts {
        let mut facts = node::facts(self.pass.host);
        for change in self.planned {
            if let (Thing::Sysctl(key), State::Value(value)) = (&change.thing, &change.after) {
                facts
                    .kernel
                    .insert(key.to_string(), value.trim().parse().ok());
            }
        }
        facts
    }

    fn files(&self, lines: Option<&BTreeMap<Line, ControlId>>) -> Files<'a> {
        let mut files = Files::new(&self.pass.host.root);
        for change in self.planned {
            if let Thing::Path(path) = &change.thing {
                files = match &change.after {
                    State::File { content, .. } => files.with(path, content.clone()),
                    State::Absent => files.without(path),
                    State::Directory(_) => files.with_directory(path),
                    _ => files,
                };
            }
        }
        for path in self.present.keys() {
            files = files.without(path);
        }
        if let Some(lines) = lines.filter(|lines| !lines.is_empty()) {
            files = files.with(&self.path, render(&self.united(lines)));
        }
        files
    }

    /// One line for a list that several controls have elements in: up to 1.23.5 the last of several would count alone.
    fn united(&self, lines: &BTreeMap<Line, ControlId>) -> BTreeMap<Line, ControlId> {
        let is_list = |line: &Line| {
            let mut wishes = self.wishes.iter().map(|(_, wish)| wish);
            wishes.any(|wish| wish.extends_a_list() && wish.line.what() == line.what())
        };
        let mut united: BTreeMap<Line, ControlId> = BTreeMap::new();
        for (line, control) in lines {
            let other = united
                .keys()
                .find(|other| other.what() == line.what() && is_list(line))
                .cloned();
            match other.and_then(|other| united.remove_entry(&other)) {
                Some((other, first)) => united.insert(other.with_elements_of(line), first),
                None => united.insert(line.clone(), control.clone()),
            };
        }
        united
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

    fn finish(
        self,
        lines: &BTreeMap<Line, ControlId>,
        command: Option<Overriding>,
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
        if let Some(reason) = hindered(&self.pass.host.root, &changes) {
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
        if let Some(unit) = self.unit {
            changes.extend(unit.changes(self.pass, command));
        }
        ConfigurationPlan { changes, refused }
    }

    /// The changes after which our file has this content; none if it has it.
    fn written(&self, content: Vec<u8>) -> Vec<Change> {
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

/// What stands in the way of the first change that cannot be made.
fn hindered(root: &Root, changes: &[Change]) -> Option<String> {
    changes.iter().find_map(|change| {
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

/// The reason for which K3s would end with our lines and would not without them.
fn worse<'e>(base: &Effective, after: &'e Effective) -> Option<&'e Ending> {
    let known: Vec<&str> = base
        .endings()
        .map(|ending| ending.reason.as_str())
        .collect();
    after
        .endings()
        .find(|ending| !known.contains(&ending.reason.as_str()))
}
