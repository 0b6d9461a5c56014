//! A drop-in for K3s's unit, where a word of its command outranks K3s's configuration and the policy has
//! `unit_override = true`: the whole command again, each word of the operator's as it is written, ours in their places.
//!
//! It stands for the command that the unit had when it was written. install.sh writes that anew, so it is worked out in
//! each pass, and a control that rests on an old one diverges.

mod text;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::catalogue::ControlId;
use crate::host::{Attributes, State, Thing};
use crate::k3s::{Effective, Files, Invocation, K3sVersion, Loaded, Unit, Word, load_unit};
use crate::reconcile::Pass;
use crate::reconcile::ledger::Hash;
use crate::setting::configuration::{Line, Wish};
use crate::setting::{Change, Effect, Finding, Outcome, Remedy, Stage};

use super::draft::MODE;
use super::own_files::{OwnFiles, UNIT, own_files};

pub(in crate::reconcile) use text::controls_of;
use text::{made_for, render, word, words_of};

/// For the operator who has not turned it on.
pub(super) const HOW_TO_OVERRIDE: &str =
    "or have k3warden do it: unit_override = true in /etc/k3warden/config.toml";
const DIRECTORY: &str = "/etc/systemd/system";

/// The unit without our drop-in, and the drop-in.
#[derive(Debug)]
pub(super) struct UnitOverride {
    /// The unit as its files say without ours.
    pub(super) base: Unit,
    path: PathBuf,
    present: OwnFiles,
}

/// Another command for the unit.
#[derive(Debug)]
pub(super) struct Overriding {
    /// What K3s would be started with.
    pub(super) invocation: Invocation,
    content: String,
    controls: Vec<ControlId>,
}

/// Why a command cannot be had: which of the wishes stands in the way, or none of them alone.
type Refusal = (Option<usize>, String);

impl UnitOverride {
    /// Looks at the unit where we have a drop-in there or may write one.
    pub(super) fn of(pass: &Pass<'_>) -> Result<Option<Self>, String> {
        let Some(unit) = &pass.node.unit else {
            return Ok(None);
        };
        let may_write = pass.policy.unit_override.value;
        let has_ours = unit.drop_ins.iter().any(|path| is_ours(path))
            || matches!(unit.on_disk(), Some(Loaded::Unit(unit)) if unit.drop_ins.iter().any(|path| is_ours(path)));
        if !may_write && !has_ours {
            return Ok(None);
        }
        let directory = Path::new(DIRECTORY).join(format!("{}.d", unit.name));
        let (path, present) =
            own_files(pass.host, &directory, UNIT).map_err(|error| error.to_string())?;
        let mut files = Files::new(&pass.host.root);
        for path in present.keys() {
            files = files.without(path);
        }
        let base = match load_unit(&files, &unit.name).map_err(|error| error.to_string())? {
            Loaded::Unit(unit) => *unit,
            _ => return Err(format!("{} cannot be used as it is on disk", unit.name)),
        };
        let names = base
            .drop_ins
            .iter()
            .filter_map(|path| path.file_name()?.to_str());
        let path = path.with_file_name(UNIT.last(names));
        Ok(Some(Self {
            base,
            path,
            present,
        }))
    }

    /// The command with our words in the places of those that outrank the configuration.
    pub(super) fn give(
        &self,
        pass: &Pass<'_>,
        outranked: &[(ControlId, Wish)],
        effective: &Effective,
    ) -> Result<Overriding, Refusal> {
        if !pass.policy.unit_override.value {
            return Err((None, HOW_TO_OVERRIDE.to_owned()));
        }
        if pass
            .node
            .unit
            .as_ref()
            .is_some_and(|unit| unit.on_disk().is_some())
            && self.present.is_empty()
        {
            let reason = "its files were changed and wait for `systemctl daemon-reload`";
            return Err((None, reason.to_owned()));
        }
        let Some((version, written)) = pass
            .node
            .version
            .as_ref()
            .map(|fact| fact.value)
            .zip(self.base.as_written.as_ref())
        else {
            return Err((None, "its command cannot be rewritten".to_owned()));
        };
        let invocation = self.base.invocation();
        let mut exchanged = BTreeMap::new();
        let mut ours = Vec::new();
        for (index, (control, wish)) in outranked.iter().enumerate() {
            let line = in_place_of_all(wish, outranked, effective);
            let word = word(&line);
            let places = exchange(&invocation, version, &line, &word)
                .map_err(|reason| (Some(index), reason))?;
            written
                .with(&places)
                .map_err(|error| (Some(index), error.to_string()))?;
            exchanged.extend(places);
            ours.push((control.clone(), word));
        }
        let line = written
            .with(&exchanged)
            .map_err(|error| (None, error.to_string()))?
            .line();
        Ok(Overriding {
            invocation: with_words(invocation, &exchanged),
            content: render(&ours, &Hash::of(written.line().as_bytes()), &line),
            controls: ours.into_iter().map(|(control, _)| control).collect(),
        })
    }

    /// Our words in the command that lies there; `None` where there is none, or it was made for another command than the
    /// unit has now, whose words it would bring back.
    pub(super) fn words(&self) -> Option<Vec<(ControlId, Line)>> {
        let now = Hash::of(self.base.as_written.as_ref()?.line().as_bytes()).to_string();
        let (content, _) = self.present.get(&self.path)?;
        (made_for(content).as_deref() == Some(now.as_str()) && self.present.len() == 1)
            .then(|| words_of(content))
    }

    /// The changes after which this command, or none of ours, is there.
    pub(super) fn changes(
        self,
        pass: &Pass<'_>,
        command: Option<Overriding>,
    ) -> Vec<(Vec<ControlId>, Change)> {
        let mut changes = Vec::new();
        if let Some(overriding) = &command {
            let controls = overriding.controls.clone();
            let written = self.written(pass, overriding.content.clone().into_bytes());
            changes.extend(written.into_iter().map(|change| (controls.clone(), change)));
        }
        for (path, (content, attributes)) in self.present {
            if path != self.path || command.is_none() {
                let controls = controls_of(&content).into_iter().collect();
                let before = State::File {
                    content,
                    attributes,
                };
                changes.push((controls, change(path, before, State::Absent)));
            }
        }
        changes
    }

    fn written(&self, pass: &Pass<'_>, content: Vec<u8>) -> Vec<Change> {
        let (uid, gid) = pass.host.root.superuser();
        // The command can hold a token.
        let attributes = Attributes {
            mode: MODE,
            uid,
            gid,
        };
        let after = State::File {
            content,
            attributes,
        };
        let before = match self.present.get(&self.path) {
            None => State::Absent,
            Some((content, attributes)) => State::File {
                content: content.clone(),
                attributes: attributes.clone(),
            },
        };
        if before == after {
            return Vec::new();
        }
        let mut changes = pass.missing_directories(&self.path).unwrap_or_default();
        changes.push(change(self.path.clone(), before, after));
        changes
    }
}

/// Whether a path is that of a drop-in of ours for a unit.
#[must_use]
pub fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    path.starts_with(DIRECTORY) && name.is_some_and(|name| UNIT.is_ours(name))
}

/// Our drop-ins for the node's unit, whatever they stand for; nothing where none is known to be there.
pub(in crate::reconcile) fn present(pass: &Pass<'_>) -> OwnFiles {
    let unit = UnitOverride::of(pass).ok().flatten();
    unit.map(|unit| unit.present).unwrap_or_default()
}

/// A control that rests on a drop-in made for another command than the unit has now: words that came since are lost, and
/// whether it holds is luck.
#[must_use]
pub fn stale(pass: &Pass<'_>, control: &ControlId) -> Option<Finding> {
    if !pass
        .node
        .unit
        .as_ref()?
        .drop_ins
        .iter()
        .any(|path| is_ours(path))
    {
        return None;
    }
    let unit = UnitOverride::of(pass).ok()??;
    let (path, (content, _)) = unit
        .present
        .iter()
        .find(|(_, (content, _))| controls_of(content).contains(control))?;
    let now = Hash::of(unit.base.as_written.as_ref()?.line().as_bytes()).to_string();
    (made_for(content).as_deref() != Some(now.as_str())).then(|| Finding {
        what: path.display().to_string(),
        wanted: format!("made for the command in {}", unit.base.fragment.display()),
        observed: "made for another command, whose words it brings back".to_owned(),
        seen_at: path.display().to_string(),
        outcome: Outcome::Diverges(vec![Remedy::Configure]),
    })
}

fn change(path: PathBuf, before: State, after: State) -> Change {
    Change {
        thing: Thing::Path(path),
        before,
        after,
        stage: Stage::UnitDropIn,
        effect: Effect::DaemonReloadAndK3sRestart,
    }
}

/// The line for one word of the command: of a list all elements, what is there and what each of the controls adds, since
/// the word stands in the place of every other about that flag.
fn in_place_of_all(wish: &Wish, outranked: &[(ControlId, Wish)], effective: &Effective) -> Line {
    let line = wish.line_instead_of(effective);
    let what = line.what();
    let others = outranked.iter().map(|(_, other)| other);
    others
        .filter(|other| other.extends_a_list() && wish.extends_a_list())
        .filter(|other| other.line.what() == what)
        .fold(line, |line, other| line.with_elements_of(&other.line))
}

/// Ours in the place of the first word that sets the same, and none in the places of the others.
fn exchange(
    invocation: &Invocation,
    version: K3sVersion,
    line: &Line,
    ours: &str,
) -> Result<BTreeMap<usize, Option<String>>, String> {
    let places = match line {
        line if line.is_about_encryption() => {
            return Err("secrets-encryption is the operator's alone".to_owned());
        }
        Line::Option { name, .. } => invocation.words_that_set(name, version, &|_| true),
        Line::Argument {
            component, flag, ..
        } => invocation.words_that_set(component.option(), version, &|value| is_flag(value, flag)),
    };
    let places: Vec<usize> = places.into_iter().flatten().flatten().collect();
    if places.is_empty() {
        return Err("no word of the unit's command sets it".to_owned());
    }
    let mut exchanged: BTreeMap<usize, Option<String>> =
        places.iter().map(|place| (*place, None)).collect();
    if let Some(mut first) = exchanged.first_entry() {
        first.insert(Some(ours.to_owned()));
    }
    Ok(exchanged)
}

/// Whether an item of a component's arguments is about a flag: `audit-log-maxage=7`, `--audit-log-maxage=7`,
/// `enable-admission-plugins+=X`.
fn is_flag(item: &str, flag: &str) -> bool {
    let name = item.split('=').next().unwrap_or_default();
    name.trim_start_matches('-').trim_end_matches(['+', '-']) == flag
}

fn with_words(
    mut invocation: Invocation,
    exchanged: &BTreeMap<usize, Option<String>>,
) -> Invocation {
    let words = std::mem::take(&mut invocation.words)
        .into_iter()
        .enumerate();
    invocation.words = words
        .filter_map(|(index, word)| match exchanged.get(&index) {
            None => Some(word),
            Some(None) => None,
            Some(Some(text)) => Some(Word {
                text: text.clone(),
                place: word.place,
            }),
        })
        .collect();
    invocation
}
