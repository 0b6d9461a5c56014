//! Working out our drop-in: the lines it needs, and whether K3s would start with them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::catalogue::ControlId;
use crate::host::{Attributes, FileMode, HostError, Root, State, Thing, Touches};
use crate::k3s::{Effective, Ending, Files};
use crate::policy::{OnDisable, Stance};
use crate::setting::configuration::{Line, Wish, parse, render};
use crate::setting::{Change, Effect, Stage};

use super::super::{Judgement, Pass, Refused};
use super::ConfigurationPlan;
use super::conditions::Conditions;
use super::own_files::OwnFiles;

/// It can hold no secret, but the directory's other files can, and one mode for all is easier to judge.
const MODE: FileMode = FileMode::new(0o600);

/// A drop-in while it is being worked out.
pub(super) struct Draft<'p, 'a> {
    pub pass: &'p Pass<'a>,
    pub planned: &'p [Change],
    /// Where it will stand.
    pub path: PathBuf,
    /// Files that we wrote earlier under any name.
    pub present: OwnFiles,
    pub wishes: Vec<(ControlId, Wish)>,
    pub refused: Vec<Refused>,
}

impl<'p, 'a> Draft<'p, 'a> {
    fn conditions(&self) -> Conditions<'p, 'a> {
        let ours = self.present.values();
        let encrypts = |(content, _): &(Vec<u8>, Attributes)| {
            parse(&String::from_utf8_lossy(content))
                .keys()
                .any(is_encryption)
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
        let mut lines = self.lines(&base, judgements);
        // A line that does not bring what it is for is taken out again; the rest is judged once more without it.
        for _ in 0..2 {
            if self.is_there_already(&lines) {
                break;
            }
            let after = match self.effective(Some(&lines)) {
                Ok(after) => after,
                Err(reason) => return self.refuse_all(reason),
            };
            if let Some(ending) = worse(&base, &after) {
                let reason = format!("K3s would not start with it: {}", ending.reason);
                return self.refuse_all(reason);
            }
            if !self.drop_idle(&mut lines, &after) {
                break;
            }
        }
        self.finish(&lines)
    }

    /// Whether K3s would read nothing else than it does now, so that what is judged already holds for it too.
    fn is_there_already(&self, lines: &BTreeMap<Line, ControlId>) -> bool {
        let content = |change: &Change| matches!(change.after, State::File { .. } | State::Absent);
        let ours = self.present.get(&self.path);
        self.present.len() == 1
            && ours.is_some_and(|(present, _)| *present == render(lines).into_bytes())
            && !self.planned.iter().any(content)
            && self.wishes.iter().all(|(_, wish)| self.holds_now(wish))
    }

    fn holds_now(&self, wish: &Wish) -> bool {
        let effective = self.pass.effective().as_ref();
        effective
            .is_ok_and(|effective| wish.holds(effective) && effective.endings().next().is_none())
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
            let stays = is_encryption(&wish.line) && lines.contains_key(&wish.line);
            if !wish.holds(base) && !stays {
                match self.conditions().forbids(&wish.line) {
                    Some(reason) => {
                        self.refused.push(Refused {
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
        let mut lines = BTreeMap::new();
        for (content, _) in self.present.values() {
            for (line, control) in parse(&String::from_utf8_lossy(content)) {
                let judgement = judgements
                    .iter()
                    .find(|judged| judged.control.id == control);
                let turned_off = judgement.is_some_and(|judged| {
                    !judged.is_enforced() && judged.decision.stance != Stance::Enforce
                });
                let about_encryption = is_encryption(&line);
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
        let mut files = Files::new(&self.pass.host.root);
        for change in self.planned {
            if let Thing::Path(path) = &change.thing {
                files = match &change.after {
                    State::File { content, .. } => files.with(path, content.clone()),
                    State::Absent => files.without(path),
                    _ => files,
                };
            }
        }
        for path in self.present.keys() {
            files = files.without(path);
        }
        if let Some(lines) = lines.filter(|lines| !lines.is_empty()) {
            files = files.with(&self.path, render(lines));
        }
        self.pass
            .node
            .effective_with(self.pass.host, &files)
            .map_err(|error| error.to_string())
    }

    /// Takes out lines whose requirement does not hold with them: something outranks our drop-in. True if any was.
    fn drop_idle(&mut self, lines: &mut BTreeMap<Line, ControlId>, after: &Effective) -> bool {
        let mut dropped = false;
        let encrypted = self.conditions().has_encryption_key();
        for (control, wish) in &self.wishes {
            if wish.holds(after) || !lines.values().any(|other| other == control) {
                continue;
            }
            lines.retain(|line, other| other != control || (encrypted && is_encryption(line)));
            dropped = true;
            self.refused.push(Refused {
                controls: vec![control.clone()],
                reason: format!(
                    "{} is decided by {}, which outranks every drop-in; change it there",
                    wish.line.what(),
                    wish.decided_by(after)
                ),
            });
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
            self.refused.push(Refused { controls, reason });
        }
        ConfigurationPlan {
            changes: Vec::new(),
            refused: self.refused,
        }
    }

    fn finish(self, lines: &BTreeMap<Line, ControlId>) -> ConfigurationPlan {
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
            changes.extend(self.written(render(lines).into_bytes()));
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
            refused.push(Refused { controls, reason });
        }
        let changes = changes
            .into_iter()
            .map(|change| (controls.clone(), change))
            .collect();
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

fn is_encryption(line: &Line) -> bool {
    matches!(line, Line::Option { name, .. } if name.starts_with("secrets-encryption"))
}
