//! One pass over the node: everything that judging and planning look at, taken together.

use std::cell::OnceCell;
use std::path::Path;
use std::rc::Rc;

use jiff::civil::Date;

use crate::catalogue::{Catalogue, Control, KeepKind, Setting, SettingBody};
use crate::host::{Host, HostError, NextBoot, State, Thing};
use crate::k3s::component::{admission_sections, refuses_audit_policy};
use crate::k3s::{Effective, K3sVersion, NEWEST_CATALOGUED_MINOR};
use crate::node::Node;
use crate::policy::{Decision, Policy, Stance};
use crate::setting::configuration::Wish;
use crate::setting::{
    self, Change, Finding, Named, Outcome, Ownership, Persisted, Running, Stage, Subject, Validity,
    Want,
};

use super::baseline::{self, Applies};
use super::configuration::unit_override;
use super::service::circumstances::Held;
use super::service::line_out;
use super::{Judgement, Verdict, Written, running};

/// What a pass looks at. Borrowed, so that it cannot outlive a reload.
#[allow(missing_debug_implementations)]
pub struct Pass<'a> {
    /// The machine.
    pub host: &'a Host,
    /// What the node is.
    pub node: &'a Node,
    /// What the operator wants.
    pub policy: &'a Policy,
    /// What CIS and the guide ask.
    pub catalogue: &'a Catalogue,
    /// The day that exceptions are judged by.
    pub today: Date,
    /// What we wrote ourselves, as far as the ledger knows.
    pub written: &'a Written,
    /// A part of ours that is not written again, because K3s did not live with it.
    pub held: Option<&'a Held>,
    /// What was worked out already. A pass is about one moment: after changes take a new one.
    pub seen: Seen,
}

/// What takes long to find out and is the same for all of a pass.
#[derive(Debug, Default)]
pub struct Seen {
    effective: OnceCell<Result<Effective, String>>,
    running: OnceCell<Rc<Running>>,
    next_boot: OnceCell<Result<NextBoot, HostError>>,
}

impl Seen {
    /// Nothing but what the running K3s was started with.
    #[must_use]
    pub fn with_running(running: Rc<Running>) -> Self {
        Self {
            running: OnceCell::from(running),
            ..Self::default()
        }
    }
}

impl<'a> Pass<'a> {
    /// Judges every control.
    #[must_use]
    pub fn judge(&self) -> Vec<Judgement<'a>> {
        let host = self.host.for_one_look();
        let controls = self.catalogue.controls().iter();
        controls
            .map(|control| self.judge_control_on(&host, control))
            .collect()
    }

    /// The same pass over a host that is taken to be as a plan leaves it.
    #[must_use]
    pub fn over<'h>(&'h self, host: &'h Host) -> Pass<'h> {
        Pass {
            host,
            seen: Seen {
                running: self.seen.running.clone(),
                ..Seen::default()
            },
            ..*self
        }
    }

    /// Judges one control.
    #[must_use]
    pub fn judge_control(&self, control: &'a Control) -> Judgement<'a> {
        self.judge_control_on(&self.host.for_one_look(), control)
    }

    fn judge_control_on(&self, host: &Host, control: &'a Control) -> Judgement<'a> {
        if let Some(withdrawal) = self.withdrawal(control) {
            return withdrawal;
        }
        let (decision, note) = self.decide(control);
        let mut judgement = Judgement {
            control,
            decision,
            verdict: Verdict::NotApplicable,
            findings: Vec::new(),
            note,
        };
        if decision.stance == Stance::Off {
            judgement.note = Some(match decision.place {
                Some(place) => format!("turned off in {place}"),
                None => "opt-in, and not turned on".to_owned(),
            });
            return judgement;
        }
        match baseline::control(control, self.node) {
            Applies::Yes => {}
            Applies::No(reason) => {
                judgement.note = Some(reason);
                return judgement;
            }
            Applies::Unknown(reason) => {
                judgement.note = Some(reason);
                judgement.verdict = Verdict::Unknown;
                return judgement;
            }
        }
        judgement.findings = self.findings(host, control);
        judgement
            .findings
            .extend(unit_override::stale(self, &control.id));
        judgement.verdict = match (judgement.exception(), Verdict::of(&judgement.findings)) {
            (Some(_), Verdict::Divergent | Verdict::Unknown) => Verdict::Excepted,
            (_, verdict) => verdict,
        };
        judgement
    }

    /// How far a control is taken here. One that restricts workloads is only observed on a cluster that has data, until
    /// the policy says otherwise: a workload that cannot be made again after a reboot would be our fault.
    pub(super) fn decide(&self, control: &Control) -> (Decision<'a>, Option<String>) {
        let decision = self.policy.enforcement(control, self.today);
        if !self.waits_for_the_operator(control) {
            return (decision, None);
        }
        let note = format!(
            "it restricts workloads, and this is not known to be a new cluster: observed until \
             [control.{}] state = \"enforce\"",
            control.id
        );
        (
            Decision {
                stance: Stance::Observe,
                place: None,
            },
            Some(note),
        )
    }

    /// Whether a control restricts workloads, this is no new cluster, and the policy says nothing of it.
    pub(super) fn waits_for_the_operator(&self, control: &Control) -> bool {
        let decision = self.policy.enforcement(control, self.today);
        let by_default = decision.stance == Stance::Enforce && decision.place.is_none();
        control.restricts_workloads && by_default && !self.node.new_cluster
    }

    /// Judges what one setting of a control says about one thing, and looks at nothing else. `None` if the control is
    /// off or does not concern this node.
    #[must_use]
    pub fn judge_named(
        &self,
        control: &'a Control,
        setting: &Setting,
        named: Named<'_>,
    ) -> Option<Judgement<'a>> {
        let (decision, note) = self.decide(control);
        let concerned = decision.stance != Stance::Off
            && baseline::control(control, self.node) == Applies::Yes
            && baseline::version(setting.k3s, self.node) == Applies::Yes
            && self.lacks_a_part(control, &setting.body).is_none();
        if !concerned {
            return None;
        }
        let host = self.host.within_look();
        let findings = self.with_subject(&host, Some(control), |subject| {
            setting::judge_named(&setting.body, subject, named)
        });
        Some(Judgement {
            control,
            decision,
            verdict: Verdict::of(&findings),
            findings,
            note,
        })
    }

    /// The changes after which the next boot sets these values.
    ///
    /// # Errors
    /// When the sysctl.d files cannot be read.
    pub fn persist_sysctls(&self, wants: &[Want]) -> Result<Vec<Persisted>, HostError> {
        let persist = |subject: &Subject<'_>| setting::persist_sysctls(subject, wants);
        self.with_subject(self.host, None, persist)
    }

    /// What a thing that several controls share becomes when only some of them stay: its state before us, with what
    /// those that stay ask for. `None` where that cannot be told.
    #[must_use]
    pub fn shared_state(&self, thing: &Thing, before: &State, stay: &[&str]) -> Option<State> {
        if let Thing::Path(path) = thing
            && line_out::is_ours(path, &self.node.places.config_file)
        {
            return line_out::of_controls(self, thing, before, stay);
        }
        let controls: Vec<&Control> = stay
            .iter()
            .filter_map(|id| self.catalogue.control(id))
            .collect();
        if let Some(state) = self.shared_file(thing, &controls) {
            return Some(state);
        }
        let settings: Vec<&SettingBody> = controls
            .iter()
            .flat_map(|control| control.settings.iter().map(|setting| &setting.body))
            .collect();
        let others = self.left_of(thing, before);
        let before = others.as_ref().unwrap_or(before);
        setting::sysctl_file_with(&self.host.root, thing, before, &settings)
    }

    /// What is left of a thing without us, where others have written into it beside us; `None` where its state of before
    /// is all there is to put back.
    #[must_use]
    pub fn left_of(&self, thing: &Thing, before: &State) -> Option<State> {
        let controls = self.catalogue.controls().iter();
        let settings: Vec<&SettingBody> = controls
            .flat_map(|control| control.settings.iter().map(|setting| &setting.body))
            .collect();
        setting::sysctl_file_without_ours(&self.host.root, thing, before, &settings)
    }

    /// The directories to create so that a file of our configuration has a parent.
    ///
    /// # Errors
    /// When a directory on the way cannot be looked at.
    pub fn missing_directories(&self, path: &Path) -> Result<Vec<Change>, HostError> {
        self.with_subject(self.host, None, |subject| {
            setting::missing_parents(subject, path, Stage::Configuration)
        })
    }

    fn findings(&self, host: &Host, control: &Control) -> Vec<Finding> {
        let mut findings = Vec::new();
        for setting in &control.settings {
            match baseline::version(setting.k3s, self.node) {
                Applies::Yes => {
                    let unknown = self
                        .place_unknown(&setting.body)
                        .or_else(|| self.is_newer_than_the_catalogue(&setting.body))
                        .or_else(|| self.lacks_a_part(control, &setting.body));
                    if let Some(reason) = unknown {
                        findings.push(blind(control, reason));
                        continue;
                    }
                    findings.extend(self.with_subject(host, Some(control), |subject| {
                        setting::judge(&setting.body, subject)
                    }));
                }
                Applies::No(reason) => {
                    findings.extend(self.with_subject(host, Some(control), |subject| {
                        setting::judge_unwanted(&setting.body, subject, &reason)
                    }))
                }
                Applies::Unknown(reason) => findings.push(blind(control, reason)),
            }
        }
        findings
    }

    /// Why a manifest is not written yet: nobody knows which others of its control belong to it on this release of K3s. A
    /// policy that denies without the one that allows cuts off what was to stay reachable.
    fn lacks_a_part(&self, control: &Control, setting: &SettingBody) -> Option<String> {
        let is_manifest = |body: &SettingBody| matches!(body, SettingBody::Manifest(_));
        if !is_manifest(setting) {
            return None;
        }
        let parts = control
            .settings
            .iter()
            .filter(|part| is_manifest(&part.body));
        parts
            .map(|part| baseline::version(part.k3s, self.node))
            .find_map(|applies| match applies {
                Applies::Unknown(reason) => Some(format!("another part is {reason}")),
                Applies::Yes | Applies::No(_) => None,
            })
    }

    /// Why a setting cannot be looked for: it is in the data dir, and nobody knows where that is.
    fn place_unknown(&self, setting: &SettingBody) -> Option<String> {
        // Which packaged components have manifests the options say, and what is exempt in a shared file.
        let by_options = match setting {
            SettingBody::Manifest(_) => true,
            SettingBody::File(file) => file.section.is_some(),
            _ => false,
        };
        if let Some(problem) = self
            .node
            .configuration_problem
            .as_ref()
            .filter(|_| by_options)
        {
            return Some(format!("what K3s's options are is not known: {problem}"));
        }
        let problem = self.node.data_dir_problem.as_ref()?;
        let in_data_dir = match setting {
            SettingBody::Directory(directory) => directory.path.contains("{data_dir}"),
            SettingBody::File(file) => file.path.contains("{data_dir}"),
            SettingBody::Permissions(permissions) => permissions.path.contains("{data_dir}"),
            SettingBody::Manifest(_) => true,
            SettingBody::Sysctl(_) | SettingBody::Option(_) | SettingBody::Argument(_) => false,
        };
        in_data_dir.then(|| format!("K3s's data dir is not known: {problem}"))
    }

    /// Why nobody here knows what a setting does to this K3s: it is newer than the catalogue.
    fn is_newer_than_the_catalogue(&self, setting: &SettingBody) -> Option<String> {
        let version = self.node.version.as_ref()?.value;
        let is_k3ss = matches!(
            setting,
            SettingBody::Option(_)
                | SettingBody::Argument(_)
                | SettingBody::File(_)
                | SettingBody::Manifest(_)
        );
        (is_k3ss && version.minor > NEWEST_CATALOGUED_MINOR).then(|| {
            format!("K3s {version} is newer than this catalogue, which ends with 1.{NEWEST_CATALOGUED_MINOR}")
        })
    }

    pub(super) fn with_subject<T>(
        &self,
        host: &Host,
        control: Option<&Control>,
        judge: impl FnOnce(&Subject<'_>) -> T,
    ) -> T {
        let edition = self.edition();
        let version = self.node.version.as_ref().map(|fact| fact.value);
        let validity = |kind: KeepKind, section: Option<&str>, content: &[u8]| {
            validity(kind, section, content, version)
        };
        judge(&Subject {
            host,
            places: &self.node.places,
            version,
            effective: &|| self.settled(),
            next_boot: &|| self.next_boot(),
            running: &|| self.running(),
            disabled: &self.node.disabled,
            edition,
            parameter: &|name| self.parameter(control?, name),
            content_is_ours: control.is_some_and(|control| self.policy.content_is_ours(control)),
            validity: &validity,
            content: &|file| self.content_of(control, file),
            written_by: &|thing, content| {
                if self.written.is_ours(thing, content) {
                    Ownership::Ours
                } else {
                    Ownership::Theirs
                }
            },
        })
    }

    /// What K3s would run with at its next start, or why that is not known.
    pub fn effective(&self) -> &Result<Effective, String> {
        self.seen.effective.get_or_init(|| {
            self.node
                .effective(self.host)
                .map_err(|error| error.to_string())
        })
    }

    /// The same for judging options and arguments: where K3s would end before they are settled, nothing is known of them.
    pub(super) fn settled(&self) -> Result<&Effective, String> {
        let effective = self.effective().as_ref().map_err(Clone::clone)?;
        match effective.unsettled() {
            Some(ending) => Err(format!("K3s would not start: {ending}")),
            None => Ok(effective),
        }
    }

    /// What the running K3s was started with.
    #[must_use]
    pub fn running(&self) -> Rc<Running> {
        let look = || Rc::new(running::look(self));
        Rc::clone(self.seen.running.get_or_init(look))
    }

    /// What the next boot would set.
    ///
    /// # Errors
    /// When a sysctl.d file cannot be read.
    pub fn next_boot(&self) -> Result<&NextBoot, HostError> {
        let read = || NextBoot::read(&self.host.root);
        let next_boot = self.seen.next_boot.get_or_init(read);
        next_boot.as_ref().map_err(Clone::clone)
    }

    /// The lines that the settings of a control want in K3s's configuration.
    #[must_use]
    pub fn wishes(&self, control: &Control) -> Vec<Wish> {
        let applies = |range| baseline::version(range, self.node) == Applies::Yes;
        let settings = control
            .settings
            .iter()
            .filter(|setting| applies(setting.k3s));
        settings
            .filter_map(|setting| {
                self.with_subject(self.host, Some(control), |subject| {
                    setting::wish(&setting.body, subject)
                })
            })
            .collect()
    }

    /// The CIS edition that numbers and modes are taken from.
    #[must_use]
    pub fn edition(&self) -> Option<&'a str> {
        let version = self.node.version.as_ref().map(|fact| fact.value);
        let editions = self.catalogue.editions();
        self.policy
            .edition
            .as_ref()
            .and_then(|given| editions.named(&given.value))
            .or_else(|| editions.for_version(version))
            .map(|edition| edition.name.as_str())
    }
}

/// What an operator's file is worth to the apiserver of this node. Where the version is not known no file is known to be
/// invalid, and nothing is written over it: its control is unknown then.
fn validity(
    kind: KeepKind,
    section: Option<&str>,
    content: &[u8],
    version: Option<K3sVersion>,
) -> Validity {
    let Some(version) = version else {
        return Validity::Valid;
    };
    match kind {
        KeepKind::AuditPolicy => match refuses_audit_policy(content, version) {
            None => Validity::Valid,
            Some(reason) => Validity::Invalid(reason),
        },
        KeepKind::AdmissionConfiguration => match (admission_sections(content, version), section) {
            (Err(reason), _) => Validity::Invalid(reason),
            (Ok(sections), Some(section)) if !sections.iter().any(|known| known == section) => {
                Validity::Lacks(section.to_owned())
            }
            (Ok(_), _) => Validity::Valid,
        },
    }
}

fn blind(control: &Control, reason: String) -> Finding {
    Finding {
        what: control.id.to_string(),
        wanted: String::new(),
        observed: "unknown".to_owned(),
        seen_at: String::new(),
        outcome: Outcome::Unknown(reason),
    }
}
