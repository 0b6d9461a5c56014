//! Manifests for K3s's deploy controller, in `server/manifests`.
//!
//! While a file exists its set of objects never shrinks: the controller deletes from the cluster what leaves a file. A
//! thing is withdrawn only by taking the whole file away; its objects then stay (K3s pkg/deploy/controller.go).

mod undeployed;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::catalogue::{Each, ManifestSetting, ParameterValue, content};
use crate::host::{Attributes, FileMode, Kind, READ_LIMIT_BYTES, State, Thing, Touches};

use super::manifest_beside::{self, Hindrance};
use super::{
    Change, Effect, Finding, Outcome, Ownership, Remedy, ServiceLb, Stage, Subject, attributes,
    directory, template,
};
pub(super) use undeployed::{needs, undeployed};

/// K3s writes its own manifests with these bits.
const MODE: FileMode = FileMode::new(0o600);

/// Judges a manifest that this node should have.
pub(super) fn judge(setting: &ManifestSetting, subject: &Subject<'_>) -> Vec<Finding> {
    if let Some(component) = disabled_component(setting, subject) {
        return withdraw(
            setting,
            subject,
            &format!("{component} is disabled on this node"),
        );
    }
    instances(setting, subject)
        .into_iter()
        .map(|instance| match (subject.deploys_manifests, instance.elsewhere(subject)) {
            (true, None) => instance.judge(subject),
            (true, Some(reason)) => instance.judge_unwanted(subject, &reason),
            // What an etcd-only server has in its directory says nothing of the cluster.
            (false, _) => {
                let reason =
                    "kube-apiserver does not run on this node, so K3s deploys no manifest from it";
                instance.finding("not deployed", Outcome::NotApplicable(reason.to_owned()))
            }
        })
        .collect()
}

/// The packaged component that it is for, where that is disabled.
fn disabled_component<'s>(setting: &'s ManifestSetting, subject: &Subject<'_>) -> Option<&'s str> {
    let component = setting.component.as_ref();
    let disabled = component.filter(|component| subject.disabled.contains(component));
    disabled.map(String::as_str)
}

/// Judges a manifest that this node should not have: ours is taken away, an operator's is not looked at.
pub(super) fn withdraw(
    setting: &ManifestSetting,
    subject: &Subject<'_>,
    reason: &str,
) -> Vec<Finding> {
    instances(setting, subject)
        .into_iter()
        .map(|instance| instance.judge_unwanted(subject, reason))
        .collect()
}

/// Whether a path is of one of the setting's files.
pub(super) fn is_of(setting: &ManifestSetting, subject: &Subject<'_>, path: &Path) -> bool {
    let instances = instances(setting, subject);
    instances.iter().any(|instance| instance.path == path)
}

/// Whether a path would be of one of its files, for some name in the list that it goes through.
pub(super) fn may_be_of(setting: &ManifestSetting, subject: &Subject<'_>, path: &Path) -> bool {
    let Some(each) = Each::of(&setting.name) else {
        return false;
    };
    let pattern = each.filled(&setting.name, "\0");
    let name = path.file_name().and_then(OsStr::to_str);
    let parts = pattern.split_once('\0').zip(name);
    path.parent() == Some(&subject.places.data_dir.join("server/manifests"))
        && parts.is_some_and(|((before, after), name)| {
            let rest = name.strip_prefix(before);
            rest.is_some_and(|rest| rest.ends_with(after))
        })
}

/// One file, filled in.
struct Instance {
    path: PathBuf,
    content: Result<Vec<u8>, String>,
    /// The namespace in which the load balancer must run.
    servicelb_namespace: Option<String>,
}

fn instances(setting: &ManifestSetting, subject: &Subject<'_>) -> Vec<Instance> {
    let directory = subject.places.data_dir.join("server/manifests");
    let text = content(&setting.content).unwrap_or_default();
    let servicelb_namespace = setting.servicelb_namespace.as_deref();
    let fill = |name: &str, text: &str, servicelb_namespace: Option<String>| Instance {
        path: directory.join(name),
        content: template::fill(text, subject.parameter)
            .map(String::into_bytes)
            .map_err(|parameter| format!("its control has no parameter `{parameter}`")),
        servicelb_namespace,
    };
    let Some(each) = Each::of(&setting.name) else {
        return vec![fill(
            &setting.name,
            text,
            servicelb_namespace.map(str::to_owned),
        )];
    };
    let Some(ParameterValue::Names(names)) = (subject.parameter)(each.parameter) else {
        return Vec::new();
    };
    // The kind of the parameter sees to it that each can be the name of a namespace.
    let of_name = |name: &String| {
        let filled = |text: &str| each.filled(text, name);
        fill(
            &filled(&setting.name),
            &filled(text),
            servicelb_namespace.map(filled),
        )
    };
    names.iter().map(of_name).collect()
}

impl Instance {
    /// Why it is not for this node: it lets traffic to the pods of K3s's load balancer, which run in another namespace.
    fn elsewhere(&self, subject: &Subject<'_>) -> Option<String> {
        match (&self.servicelb_namespace, subject.servicelb) {
            (Some(wanted), ServiceLb::In(there)) if wanted != there => Some(format!(
                "K3s runs its load balancer in the namespace {there}"
            )),
            _ => None,
        }
    }

    fn judge(self, subject: &Subject<'_>) -> Finding {
        if self.servicelb_namespace.is_some() && *subject.servicelb == ServiceLb::Unknown {
            let reason =
                "K3s's version is not known, and with it the namespace of its load balancer";
            return self.finding("unknown", Outcome::Unknown(reason.to_owned()));
        }
        let wanted = match &self.content {
            Ok(content) => content.clone(),
            Err(reason) => return self.finding("unknown", Outcome::Unknown(reason.clone())),
        };
        match manifest_beside::hindrance(subject, &self.path) {
            Err(error) => return Finding::unreadable(self.what(), "our manifest", &error),
            Ok(Some(disabled @ Hindrance::Disabled(_))) => {
                return self.judge_disabled(subject, &disabled);
            }
            Ok(Some(beside)) => {
                let by_operator = Outcome::Diverges(vec![Remedy::ByOperator]);
                let mut finding = self.finding(beside.observed(), by_operator);
                finding.seen_at = beside.seen_at();
                return finding;
            }
            Ok(None) => {}
        }
        let root = &subject.host.root;
        let (uid, gid) = root.superuser();
        let owner = Attributes {
            mode: MODE,
            uid,
            gid,
        };
        let after = State::File {
            content: wanted.clone(),
            attributes: owner,
        };
        let standing = match root.find(&self.path) {
            Err(error) => return Finding::unreadable(self.what(), "our manifest", &error),
            Ok(None) => return self.absent(subject, after),
            Ok(Some(standing)) => standing,
        };
        match self.present(subject) {
            Err(finding) => *finding,
            Ok(found) if found == wanted => {
                let mut finding = attributes::judge(root, &self.path, &standing, Kind::File, MODE);
                finding.wanted = "our manifest".to_owned();
                finding
            }
            Ok(found) => {
                let before = State::File {
                    content: found,
                    attributes: standing.entry.attributes,
                };
                let change = self.change(before, after);
                self.finding(
                    "other content",
                    Outcome::Diverges(vec![Remedy::Change(change)]),
                )
                .unless_hindered(root, &self.path, Touches::Name)
            }
        }
    }

    fn absent(&self, subject: &Subject<'_>, wanted: State) -> Finding {
        match directory::missing_parents(subject, &self.path, Stage::Manifest) {
            Err(error) => Finding::unreadable(self.what(), "our manifest", &error),
            Ok(mut changes) => {
                changes.push(self.change(State::Absent, wanted));
                let remedies = changes.into_iter().map(Remedy::Change).collect();
                self.finding("absent", Outcome::Diverges(remedies))
                    .unless_hindered(&subject.host.root, &self.path, Touches::Name)
            }
        }
    }

    /// K3s takes the file away at every look, and its objects out of the cluster; without the file it leaves them.
    fn judge_disabled(self, subject: &Subject<'_>, disabled: &Hindrance) -> Finding {
        let mut finding = self.judge_unwanted(subject, "disable names it");
        if let Outcome::NotApplicable(_) = finding.outcome {
            disabled.observed().clone_into(&mut finding.observed);
            finding.outcome = Outcome::Diverges(vec![Remedy::ByOperator]);
        }
        finding.seen_at = disabled.seen_at();
        finding
    }

    fn judge_unwanted(self, subject: &Subject<'_>, reason: &str) -> Finding {
        let absent = || Outcome::NotApplicable(reason.to_owned());
        match subject.host.root.look(&self.path) {
            Err(error) => Finding::unreadable(self.what(), "no such file", &error),
            Ok(None) => self.finding("absent", absent()),
            Ok(Some(entry)) => match self.present(subject) {
                Err(finding) => *finding,
                Ok(found) => {
                    let thing = Thing::Path(self.path.clone());
                    if (subject.written_by)(&thing, &found) == Ownership::Theirs {
                        return self.finding("the operator's own", absent());
                    }
                    let before = State::File {
                        content: found,
                        attributes: entry.attributes,
                    };
                    let change = self.change(before, State::Absent);
                    self.finding(
                        &format!("present, though {reason}"),
                        Outcome::Diverges(vec![Remedy::Change(change)]),
                    )
                    .unless_hindered(
                        &subject.host.root,
                        &self.path,
                        Touches::Name,
                    )
                }
            },
        }
    }

    /// The content of what is there, or why it must be left alone.
    fn present(&self, subject: &Subject<'_>) -> Result<Vec<u8>, Box<Finding>> {
        let root = &subject.host.root;
        let unreadable = |error| Box::new(Finding::unreadable(self.what(), "our manifest", &error));
        let entry = root.look(&self.path).map_err(unreadable)?;
        if let Some(entry) = entry
            && let Some(refusal) = root
                .hazard(&entry, &self.path, Kind::File)
                .map_err(unreadable)?
        {
            let untouched = Outcome::Untouched(refusal.to_string());
            return Err(Box::new(self.finding("unknown", untouched)));
        }
        Ok(root
            .read_here(&self.path, READ_LIMIT_BYTES)
            .map_err(unreadable)?
            .unwrap_or_default())
    }

    fn change(&self, before: State, after: State) -> Change {
        Change {
            thing: Thing::Path(self.path.clone()),
            before,
            after,
            stage: Stage::Manifest,
            effect: Effect::None,
        }
    }

    fn finding(&self, observed: &str, outcome: Outcome) -> Finding {
        Finding {
            what: self.what(),
            wanted: "our manifest".to_owned(),
            observed: observed.to_owned(),
            seen_at: self.what(),
            outcome,
        }
    }

    fn what(&self) -> String {
        self.path.display().to_string()
    }
}
