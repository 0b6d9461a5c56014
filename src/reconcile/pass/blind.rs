//! What cannot be judged of a control on this node, and why: what is not looked at is unknown, never compliant.

use crate::catalogue::{Control, SettingBody};
use crate::k3s::NEWEST_CATALOGUED_MINOR;
use crate::reconcile::Pass;
use crate::reconcile::baseline::{self, Applies};
use crate::setting::{Finding, Outcome};

impl Pass<'_> {
    /// Why a setting cannot be judged, or not be made right, before more is known.
    pub(super) fn cannot_judge(&self, control: &Control, setting: &SettingBody) -> Option<String> {
        self.place_unknown(setting)
            .or_else(|| self.is_newer_than_the_catalogue(setting))
            .or_else(|| self.lacks_a_part(control, setting))
    }

    /// Why a manifest is not written yet: nobody knows which others of its control belong to it on this release of K3s. A
    /// policy that denies without the one that allows cuts off what was to stay reachable.
    pub(super) fn lacks_a_part(&self, control: &Control, setting: &SettingBody) -> Option<String> {
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
}

/// The finding of what cannot be judged.
pub(super) fn blind(control: &Control, reason: String) -> Finding {
    Finding {
        what: control.id.to_string(),
        wanted: String::new(),
        observed: "unknown".to_owned(),
        seen_at: String::new(),
        outcome: Outcome::Unknown(reason),
    }
}
