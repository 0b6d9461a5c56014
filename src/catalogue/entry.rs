//! What a catalogue file may say, as it is written there.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::{
    ArgumentSetting, Control, ControlId, Datastore, DirectorySetting, Enforcement, FileSetting,
    ManifestSetting, OptionSetting, Parameter, PermissionsSetting, Runbook, Setting, SettingBody,
    Source, SysctlSetting, VersionRange,
};
use crate::k3s::Role;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlFile {
    #[serde(default)]
    control: Vec<ControlEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlEntry {
    id: Spanned<ControlId>,
    title: String,
    why: String,
    role: RoleEntry,
    #[serde(default)]
    k3s: VersionRange,
    datastore: Option<Datastore>,
    #[serde(default)]
    default: Enforcement,
    #[serde(default)]
    restricts_workloads: bool,
    #[serde(default)]
    cis: BTreeMap<String, String>,
    #[serde(default)]
    runbook: Vec<Runbook>,
    #[serde(default)]
    parameter: BTreeMap<String, Parameter>,
    #[serde(default)]
    sysctl: Vec<Spanned<SysctlSetting>>,
    #[serde(default)]
    directory: Vec<Spanned<DirectorySetting>>,
    #[serde(default)]
    file: Vec<Spanned<FileSetting>>,
    #[serde(default)]
    permissions: Vec<Spanned<PermissionsSetting>>,
    #[serde(default)]
    option: Vec<Spanned<OptionSetting>>,
    #[serde(default)]
    argument: Vec<Spanned<ArgumentSetting>>,
    #[serde(default)]
    manifest: Vec<Spanned<ManifestSetting>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RoleEntry {
    Server,
    Agent,
    Any,
}

/// The controls of a file; `source` is what they give as the place where they are defined.
pub(super) fn read(
    text: &str,
    file: &Source<'_>,
    source: &str,
) -> Result<Vec<Control>, toml::de::Error> {
    let entries: ControlFile = toml::from_str(text)?;
    let entries = entries.control.into_iter();
    Ok(entries
        .map(|entry| entry.into_control(file, source))
        .collect())
}

impl ControlEntry {
    fn into_control(self, text: &Source<'_>, source: &str) -> Control {
        let mut settings = Vec::new();
        macro_rules! take {
            ($list:expr, $variant:ident) => {
                settings.extend($list.into_iter().map(|setting| {
                    let line = text.line_number(setting.span().start);
                    let setting = setting.into_inner();
                    Setting {
                        k3s: setting.k3s,
                        body: SettingBody::$variant(setting),
                        line,
                    }
                }));
            };
        }
        take!(self.sysctl, Sysctl);
        take!(self.directory, Directory);
        take!(self.file, File);
        take!(self.permissions, Permissions);
        take!(self.option, Option);
        take!(self.argument, Argument);
        take!(self.manifest, Manifest);
        Control {
            line: text.line_number(self.id.span().start),
            id: self.id.into_inner(),
            title: self.title,
            why: self.why,
            role: match self.role {
                RoleEntry::Server => Some(Role::Server),
                RoleEntry::Agent => Some(Role::Agent),
                RoleEntry::Any => None,
            },
            k3s: self.k3s,
            datastore: self.datastore,
            default: self.default,
            restricts_workloads: self.restricts_workloads,
            cis: self.cis,
            runbooks: self.runbook,
            parameters: self.parameter,
            settings,
            source: source.to_owned(),
        }
    }
}
