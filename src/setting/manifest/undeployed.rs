//! What only does good together with a manifest: whether K3s deploys that manifest, or will once it is written.

use std::path::{Path, PathBuf};

use crate::catalogue::{Each, ManifestSetting, ParameterValue};

use super::{Instance, disabled_component, instances, manifest_beside};
use crate::setting::{Outcome, Subject};

/// Why K3s would not deploy a file of this setting, with what stands in its way and the mend. `None` where it is there, can be
/// written or is not for this node. `named` is the one file that is asked about.
pub(in crate::setting) fn undeployed(
    setting: &ManifestSetting,
    subject: &Subject<'_>,
    named: Option<&Path>,
) -> Option<String> {
    if !subject.deploys_manifests || disabled_component(setting, subject).is_some() {
        return None;
    }
    let asked = |instance: &Instance| named.is_none_or(|path| instance.path == path);
    let mut instances = instances(setting, subject)
        .into_iter()
        .filter(|instance| asked(instance) && instance.elsewhere(subject).is_none());
    instances.find_map(|instance| instance.undeployed(subject))
}

/// The files that must be beside the one at a path, if that is of this setting.
pub(in crate::setting) fn needs(
    setting: &ManifestSetting,
    subject: &Subject<'_>,
    path: &Path,
) -> Vec<PathBuf> {
    let beside = |name: String| path.with_file_name(name);
    let Some(each) = Each::of(&setting.name) else {
        let is_its = super::is_of(setting, subject, path);
        let needs = setting.needs.iter().filter(|_| is_its);
        return needs.cloned().map(beside).collect();
    };
    let Some(ParameterValue::Names(names)) = (subject.parameter)(each.parameter) else {
        return Vec::new();
    };
    let is_its = |name: &&String| path.ends_with(each.filled(&setting.name, name));
    let Some(name) = names.iter().find(is_its) else {
        return Vec::new();
    };
    let needs = setting.needs.iter();
    needs.map(|need| beside(each.filled(need, name))).collect()
}

impl Instance {
    fn undeployed(self, subject: &Subject<'_>) -> Option<String> {
        match manifest_beside::hindrance(subject, &self.path) {
            Err(error) => return Some(error.with_mend()),
            Ok(Some(hindrance)) => return Some(hindrance.told_of(&self.path)),
            Ok(None) => {}
        }
        let path = self.path.display().to_string();
        match self.judge(subject).outcome {
            Outcome::Unknown(reason) | Outcome::Untouched(reason) => Some(format!(
                "{path} is not made right ({reason}); mend what stands in its way"
            )),
            // What diverges and has nothing in its way is written.
            Outcome::Holds | Outcome::Diverges(_) | Outcome::NotApplicable(_) => None,
        }
    }
}
