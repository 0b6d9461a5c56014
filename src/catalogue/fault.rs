//! What is wrong with a control by itself: it could never hold, or never be judged.

use std::collections::BTreeSet;

use super::{Control, SettingBody, content, did_you_mean, shown};
use crate::host::SysctlKey;

/// One fault of a control or a setting.
pub(super) struct Fault {
    /// The word to point at.
    pub(super) word: Option<String>,
    pub(super) message: String,
    /// The mend.
    pub(super) hint: Option<String>,
}

impl Fault {
    fn of_word(word: &str, message: String, hint: Option<String>) -> Self {
        Self {
            word: Some(word.to_owned()),
            message,
            hint,
        }
    }
}

/// The first fault, with the line of the control or setting that has it.
pub(super) fn of(control: &Control) -> Option<(usize, Fault)> {
    if control.settings.is_empty() {
        let message = "it has no setting, so nothing could ever be observed".to_owned();
        let hint = Some("k3warden-catalogue(5) lists the kinds of settings".to_owned());
        return Some((
            control.line,
            Fault::of_word(control.id.as_str(), message, hint),
        ));
    }
    for (name, parameter) in &control.parameters {
        if parameter.default.kind() != parameter.kind {
            let message = format!("the default of parameter `{name}` is not of its kind");
            return Some((control.line, Fault::of_word(name, message, None)));
        }
    }
    let mut seen = BTreeSet::new();
    for setting in &control.settings {
        if let Some(fault) = of_setting(&setting.body) {
            return Some((setting.line, fault));
        }
        if !seen.insert(format!("{:?}", setting.body)) {
            let fault = Fault {
                word: None,
                message: "one setting stands there twice".to_owned(),
                hint: Some("remove one of them".to_owned()),
            };
            return Some((setting.line, fault));
        }
    }
    None
}

fn of_setting(setting: &SettingBody) -> Option<Fault> {
    let path = match setting {
        SettingBody::Directory(directory) => &directory.path,
        SettingBody::Permissions(permissions) => &permissions.path,
        SettingBody::File(file) => {
            if let Some(fault) = of_content(&file.content) {
                return Some(fault);
            }
            &file.path
        }
        SettingBody::Manifest(manifest) => return of_content(&manifest.content),
        SettingBody::Sysctl(sysctl) => return of_key(&sysctl.key),
        SettingBody::Option(_) | SettingBody::Argument(_) => return None,
    };
    of_path(path)
}

fn of_path(path: &str) -> Option<Fault> {
    let absolute = path.starts_with('/') || path.starts_with('{');
    if !absolute || path.split('/').any(|component| component == "..") {
        let message = format!("path `{}` must be absolute and without `..`", shown(path));
        let hint = "begin it with `/` or `{data_dir}/`".to_owned();
        return Some(Fault::of_word(path, message, Some(hint)));
    }
    let (directory, _) = path.rsplit_once('/').unwrap_or(("", path));
    directory.contains('*').then(|| {
        let message = format!(
            "path `{}`: only the last component may be a pattern",
            shown(path)
        );
        Fault::of_word(path, message, None)
    })
}

fn of_content(name: &str) -> Option<Fault> {
    if content::exists(name) {
        return None;
    }
    let names = content::names();
    let hint = did_you_mean(name, names.iter().copied())
        .unwrap_or_else(|| format!("known are {}", names.join(", ")));
    let message = format!("there is no content `{}`", shown(name));
    Some(Fault::of_word(name, message, Some(hint)))
}

fn of_key(key: &str) -> Option<Fault> {
    let error = SysctlKey::parse(key).err()?;
    Some(Fault::of_word(key, error.to_string(), None))
}
