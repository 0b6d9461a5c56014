//! What is wrong with a control by itself: it could never hold, never be judged, or would do what no control may.

mod known;
mod manifest;
mod path;
mod text;
mod value;

use std::collections::BTreeSet;

use super::{
    Control, Each, Editions, FileSetting, ManifestSetting, ParameterValue, PermissionsSetting,
    Setting, SettingBody, SysctlSetting,
};
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
pub(super) fn of(control: &Control, editions: &Editions) -> Option<(usize, Fault)> {
    if let Some(fault) = of_head(control, editions) {
        return Some((control.line, fault));
    }
    let mut seen = BTreeSet::new();
    for setting in &control.settings {
        if let Some(fault) = of_setting(setting, control, editions) {
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

fn of_head(control: &Control, editions: &Editions) -> Option<Fault> {
    if control.settings.is_empty() {
        let message = "it has no setting, so nothing could ever be observed".to_owned();
        let hint = Some("k3warden-catalogue(5) lists the kinds of settings".to_owned());
        return Some(Fault::of_word(control.id.as_str(), message, hint));
    }
    text::of_line("title", &control.title)
        .or_else(|| known::of_editions(control.cis.iter().map(|(edition, _)| edition), editions))
        .or_else(|| of_parameters(control))
}

fn of_parameters(control: &Control) -> Option<Fault> {
    let mut parameters = control.parameters.iter();
    let (name, _) = parameters.find(|(_, parameter)| {
        let refused = |name: &String| parameter.refuses.contains(name);
        let is_refused =
            matches!(&parameter.default, ParameterValue::Names(names) if names.iter().any(refused));
        !parameter.kind.takes(&parameter.default) || is_refused
    })?;
    let message = format!("the default of parameter `{name}` is not of its kind");
    Some(Fault::of_word(name, message, None))
}

fn of_setting(setting: &Setting, control: &Control, editions: &Editions) -> Option<Fault> {
    match &setting.body {
        SettingBody::Sysctl(sysctl) => of_sysctl(sysctl),
        SettingBody::Directory(directory) => path::of(&directory.path),
        SettingBody::Permissions(permissions) => of_permissions(permissions, setting, editions),
        SettingBody::File(file) => of_file(file, control),
        SettingBody::Manifest(manifest) => of_manifest(manifest, control),
        SettingBody::Option(option) => known::of_option(&option.name, setting, control)
            .or_else(|| value::of(&option.require, option.set.as_deref(), control))
            .or_else(|| value::of_leave_out(&option.require, option.leave_out)),
        SettingBody::Argument(argument) => known::of_flags(argument, setting, control)
            .or_else(|| value::of_argument(&argument.require, argument.set.as_deref(), control))
            .or_else(|| value::of_leave_out(&argument.require, argument.leave_out)),
    }
}

fn of_sysctl(sysctl: &SysctlSetting) -> Option<Fault> {
    let error = SysctlKey::parse(&sysctl.key).err();
    let of_key = error.map(|error| Fault::of_word(&sysctl.key, error.to_string(), None));
    of_key.or_else(|| text::of_kernel_value(&sysctl.value))
}

fn of_permissions(
    permissions: &PermissionsSetting,
    setting: &Setting,
    editions: &Editions,
) -> Option<Fault> {
    let options = [
        &permissions.follow_option,
        &permissions.mode_option,
        &permissions.group_option,
    ];
    path::of_pattern(&permissions.path)
        .or_else(|| permissions.follow.as_deref().and_then(path::of))
        .or_else(|| {
            known::of_editions(
                permissions.mode_by_edition.keys().map(String::as_str),
                editions,
            )
        })
        .or_else(|| {
            let mut options = options.into_iter().flatten();
            options.find_map(|option| known::of_option_in(option, setting.k3s))
        })
}

fn of_file(file: &FileSetting, control: &Control) -> Option<Fault> {
    path::of(&file.path)
        .or_else(|| path::of_written(&file.path))
        .or_else(|| text::of_content(&file.content, None, control))
}

fn of_manifest(manifest: &ManifestSetting, control: &Control) -> Option<Fault> {
    manifest::of_name(&manifest.name).or_else(|| {
        let each = Each::of(&manifest.name).map(|each| each.parameter);
        let of_each = each.and_then(|parameter| text::of_each(parameter, control));
        of_each
            .or_else(|| text::of_content(&manifest.content, each, control))
            .or_else(|| manifest::of_namespace(manifest.servicelb_namespace.as_deref()?, each))
            .or_else(|| manifest::of_needs(manifest, control))
    })
}
