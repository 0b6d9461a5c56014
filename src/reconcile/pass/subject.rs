//! What a setting is judged against in a pass.

use crate::catalogue::{Control, KeepKind};
use crate::host::Host;
use crate::k3s::K3sVersion;
use crate::k3s::component::{admission_sections, refuses_audit_policy};
use crate::policy::Stance;
use crate::reconcile::Pass;
use crate::setting::{Ownership, Subject, Validity};

impl Pass<'_> {
    /// Has a setting of a control judged on a host.
    pub(in crate::reconcile) fn with_subject<T>(
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
            effective: &|| self.known(),
            next_boot: &|| self.next_boot(),
            running: &|| self.running(),
            disabled: &self.node.disabled,
            deploys_manifests: self.node.deploys_manifests,
            servicelb: &self.node.servicelb,
            edition,
            parameter: &|name| self.parameter(control?, name),
            content_is_ours: control.is_some_and(|control| self.policy.content_is_ours(control)),
            is_asked_for: control.is_some_and(|control| {
                let decision = self.policy.enforcement(control, self.today);
                decision.stance == Stance::Enforce && decision.place.is_some()
            }),
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
