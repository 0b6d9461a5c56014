//! Planning our drop-in for K3s's configuration, and refusing what K3s would not start with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::catalogue::ControlId;
use crate::host::sysctl::same_value;
use crate::host::{
    Attributes, FileMode, Host, HostError, Kind, NextBoot, READ_LIMIT_BYTES, State, SysctlKey,
    Thing,
};
use crate::k3s::component::KERNEL_PARAMETERS;
use crate::k3s::{Effective, Ending, Files, K3sVersion, drop_in_directory};
use crate::policy::{OnDisable, Stance};
use crate::setting::configuration::{Line, Wish, parse, render};
use crate::setting::{Change, Effect, Stage};

use super::{Judgement, Pass, Refused};

/// `config.yaml.d` came with 1.21.0; below, what is missing is only said.
const FIRST_WITH_DROP_INS: K3sVersion = K3sVersion::new(21, 1);
/// The newest release that the catalogue was made for; for a newer one nothing new is written.
const NEWEST_MINOR: u16 = 37;
/// Sorts after the names that people and Rancher's agent (`50-rancher.yaml`) use.
const NAME: &str = "zz-k3warden.yaml";
/// It can hold no secret, but the directory's other files can, and one mode for all is easier to judge.
const MODE: FileMode = FileMode::new(0o600);

/// What is to be written, and what is not and why.
#[derive(Debug, Default)]
pub(super) struct ConfigurationPlan {
    pub changes: Vec<(Vec<ControlId>, Change)>,
    pub refused: Vec<Refused>,
}

/// Works out our drop-in with the rest of a plan in place.
pub(super) fn plan(
    pass: &Pass<'_>,
    judgements: &[Judgement<'_>],
    planned: &[Change],
) -> ConfigurationPlan {
    let Ok(present) = pass.effective() else {
        return ConfigurationPlan::default();
    };
    let wishes = wishes(pass, judgements);
    let controls: Vec<ControlId> = wishes.iter().map(|(control, _)| control.clone()).collect();
    let refuse = |reason: String| ConfigurationPlan {
        changes: Vec::new(),
        refused: if wishes.is_empty() {
            Vec::new()
        } else {
            vec![Refused {
                controls: controls.clone(),
                reason,
            }]
        },
    };
    if present.version < FIRST_WITH_DROP_INS || present.version.minor > NEWEST_MINOR {
        return refuse(not_written(present.version, &wishes));
    }
    let config_file = &pass.node.places.config_file;
    if !config_file.is_absolute() {
        return refuse(format!(
            "K3s reads its configuration from {}, where we cannot write",
            config_file.display()
        ));
    }
    match own_files(pass.host, &drop_in_directory(config_file)) {
        Err(error) => refuse(error.to_string()),
        Ok((path, present)) => Draft {
            pass,
            planned,
            path,
            present,
            wishes,
            refused: Vec::new(),
        }
        .settle(judgements),
    }
}

fn not_written(version: K3sVersion, wishes: &[(ControlId, Wish)]) -> String {
    if version.minor > NEWEST_MINOR {
        return format!(
            "K3s {version} is newer than this catalogue, so nothing new is written for it"
        );
    }
    let lines: Vec<String> = wishes
        .iter()
        .map(|(_, wish)| wish.line.to_string())
        .collect();
    format!(
        "K3s {version} reads no drop-ins; to be added to config.yaml by hand: {}",
        lines.join("; ")
    )
}

/// What enforced controls want, and what stays of controls that were turned off.
fn wishes(pass: &Pass<'_>, judgements: &[Judgement<'_>]) -> Vec<(ControlId, Wish)> {
    judgements
        .iter()
        .filter(|judgement| judgement.is_enforced() && judgement.applies())
        .flat_map(|judgement| {
            let id = &judgement.control.id;
            pass.wishes(judgement.control)
                .into_iter()
                .map(move |wish| (id.clone(), wish))
        })
        .collect()
}

/// A drop-in while it is being worked out.
struct Draft<'p, 'a> {
    pass: &'p Pass<'a>,
    planned: &'p [Change],
    /// Where it will stand.
    path: PathBuf,
    /// Files that we wrote earlier under any name.
    present: BTreeMap<PathBuf, (Vec<u8>, Attributes)>,
    wishes: Vec<(ControlId, Wish)>,
    refused: Vec<Refused>,
}

impl Draft<'_, '_> {
    fn settle(mut self, judgements: &[Judgement<'_>]) -> ConfigurationPlan {
        let base = match self.effective(None) {
            Ok(base) => base,
            Err(reason) => return self.refuse_all(reason),
        };
        let mut lines = self.lines(&base, judgements);
        // A line that does not bring what it is for is taken out again; the rest is judged once more without it.
        for _ in 0..2 {
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

    /// The lines that the wishes need over what is there without us, as far as they may be written.
    fn lines(
        &mut self,
        base: &Effective,
        judgements: &[Judgement<'_>],
    ) -> BTreeMap<Line, ControlId> {
        let mut lines = self.kept(judgements);
        for (control, wish) in std::mem::take(&mut self.wishes) {
            if !wish.holds(base) {
                match self.forbids(&wish.line) {
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
        let encrypted = self.has_encryption_key();
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
                    || (turned_off && keep_off && self.forbids(&line).is_none())
                {
                    lines.insert(line, control);
                }
            }
        }
        lines
    }

    /// Why K3s's own nature forbids a line here and now.
    fn forbids(&self, line: &Line) -> Option<String> {
        let Line::Option { name, value } = line else {
            return None;
        };
        match (name.as_str(), value.as_str()) {
            ("protect-kernel-defaults", "true") => self.wrong_kernel_value(),
            ("secrets-encryption", _) if !self.has_encryption_key() && !self.is_new_cluster() => {
                Some(
                    "secrets-encryption is only turned on with a new cluster; `k3warden explain` has the way for one \
                     that has data"
                        .to_owned(),
                )
            }
            _ => None,
        }
    }

    fn is_new_cluster(&self) -> bool {
        self.pass.node.new_cluster
    }

    fn has_encryption_key(&self) -> bool {
        let key = self
            .pass
            .node
            .places
            .data_dir
            .join("server/cred/encryption-config.json");
        // What cannot be looked at may be there.
        !matches!(self.pass.host.root.look(&key), Ok(None))
    }

    /// The kernel value with which a kubelet that protects the defaults would not start, now or after a boot.
    fn wrong_kernel_value(&self) -> Option<String> {
        let next_boot = match NextBoot::read(&self.pass.host.root) {
            Ok(next_boot) => next_boot,
            Err(error) => return Some(error.to_string()),
        };
        KERNEL_PARAMETERS.iter().find_map(|(name, wanted)| {
            let key = SysctlKey::parse(name).ok()?;
            let wanted = wanted.to_string();
            let live = self.live_after(&key);
            if live.as_deref().is_some_and(|value| !same_value(value, &wanted)) {
                return Some(format!(
                    "protect-kernel-defaults would keep K3s from starting while {name} is not {wanted}"
                ));
            }
            let boot = next_boot.assignment(&key).map(|assignment| assignment.value.clone());
            let persisted = self.planned.iter().any(|change| change.stage == Stage::PersistedSysctl);
            let right = boot.as_deref().is_some_and(|value| same_value(value, &wanted));
            (!right && !persisted).then(|| {
                format!(
                    "protect-kernel-defaults would keep K3s from starting after a boot that does not set {name} to \
                     {wanted}"
                )
            })
        })
    }

    /// The live value as this plan leaves it; `None` where the machine does not run.
    fn live_after(&self, key: &SysctlKey) -> Option<String> {
        let live = self.pass.host.live.as_ref()?;
        let thing = Thing::Sysctl(key.as_str().to_owned());
        let planned = self.planned.iter().find(|change| change.thing == thing);
        match planned.map(|change| &change.after) {
            Some(State::Value(value)) => Some(value.clone()),
            _ => Some(live.read(key).ok().flatten().unwrap_or_default()),
        }
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
        for (control, wish) in &self.wishes {
            if wish.holds(after) || !lines.values().any(|other| other == control) {
                continue;
            }
            lines.retain(|_, other| other != control);
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
        let mut plan = ConfigurationPlan {
            changes: Vec::new(),
            refused: self.refused,
        };
        let mut controls: Vec<ControlId> = lines.values().cloned().collect();
        controls.dedup();
        let (uid, gid) = self.pass.host.root.superuser();
        let fresh = Attributes {
            mode: MODE,
            uid,
            gid,
        };
        let mut add = |thing: PathBuf, before: State, after: State| {
            plan.changes.push((
                controls.clone(),
                Change {
                    thing: Thing::Path(thing),
                    before,
                    after,
                    stage: Stage::Configuration,
                    effect: Effect::K3sRestart,
                },
            ));
        };
        if !lines.is_empty() {
            let content = render(lines).into_bytes();
            let (before, attributes) = match self.present.get(&self.path) {
                None => (State::Absent, fresh),
                Some((old, attributes)) => {
                    let attributes = attributes.clone();
                    let state = State::File {
                        content: old.clone(),
                        attributes: attributes.clone(),
                    };
                    (state, attributes)
                }
            };
            let after = State::File {
                content,
                attributes,
            };
            if before != after {
                for directory in self
                    .pass
                    .missing_directories(&self.path)
                    .unwrap_or_default()
                {
                    if let Thing::Path(path) = directory.thing {
                        add(path, directory.before, directory.after);
                    }
                }
                add(self.path.clone(), before, after);
            }
        }
        for (path, (content, attributes)) in self.present {
            if path != self.path || lines.is_empty() {
                add(
                    path,
                    State::File {
                        content,
                        attributes,
                    },
                    State::Absent,
                );
            }
        }
        plan
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

type OwnFiles = BTreeMap<PathBuf, (Vec<u8>, Attributes)>;

/// The name that sorts last, and what we wrote earlier under this or another name.
fn own_files(host: &Host, directory: &Path) -> Result<(PathBuf, OwnFiles), HostError> {
    let mut own = OwnFiles::new();
    let mut last = NAME.to_owned();
    for name in host.root.names(directory)?.unwrap_or_default() {
        let path = directory.join(&name);
        let Some(name) = name.to_str() else { continue };
        let lower = name.to_lowercase();
        if name.ends_with("z-k3warden.yaml") {
            let Some(entry) = host.root.look(&path)? else {
                continue;
            };
            if let Some(reason) = host.root.hazard(&entry, &path, Kind::File)? {
                return Err(HostError::refused(&path, reason));
            }
            let content = host
                .root
                .read_here(&path, READ_LIMIT_BYTES)?
                .unwrap_or_default();
            own.insert(path, (content, entry.attributes));
        } else if (lower.ends_with(".yaml") || lower.ends_with(".yml")) && *name > *last {
            last = after(name);
        }
    }
    Ok((directory.join(last), own))
}

/// A name of ours that sorts after another.
fn after(name: &str) -> String {
    let zs = name.bytes().take_while(|byte| *byte == b'z').count();
    let plain = format!("{}-k3warden.yaml", "z".repeat(zs + 1));
    if plain.as_str() > name && plain.ends_with("z-k3warden.yaml") {
        plain
    } else {
        format!("{name}z-k3warden.yaml")
    }
}
