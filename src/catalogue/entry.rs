//! What a catalogue file may say, as it is written there.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::control::BUILT_IN_SOURCE;
use super::{
    ArgumentSetting, Control, ControlId, Datastore, DirectorySetting, Enforcement, FileSetting,
    ManifestSetting, Numbers, OptionSetting, Parameter, PermissionsSetting, Runbook, Setting,
    SettingBody, Source, SysctlSetting, VersionRange,
};
use crate::k3s::Role;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlFile<'t> {
    #[serde(borrow, default)]
    control: Vec<ControlEntry<'t>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlEntry<'t> {
    id: ControlId,
    #[serde(borrow)]
    title: Cow<'t, str>,
    #[serde(borrow)]
    why: Cow<'t, str>,
    role: RoleEntry,
    #[serde(default)]
    k3s: VersionRange,
    datastore: Option<Datastore>,
    #[serde(default)]
    default: Enforcement,
    #[serde(default)]
    restricts_workloads: bool,
    #[serde(default)]
    cis: Numbers,
    #[serde(default)]
    runbook: Vec<Runbook>,
    #[serde(default)]
    parameter: BTreeMap<String, Parameter>,
    #[serde(default)]
    sysctl: Vec<SysctlSetting>,
    #[serde(default)]
    directory: Vec<DirectorySetting>,
    #[serde(default)]
    file: Vec<FileSetting>,
    #[serde(default)]
    permissions: Vec<PermissionsSetting>,
    #[serde(default)]
    option: Vec<OptionSetting>,
    #[serde(default)]
    argument: Vec<ArgumentSetting>,
    #[serde(default)]
    manifest: Vec<ManifestSetting>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum RoleEntry {
    Server,
    Agent,
    Any,
}

/// The controls that came with this build, from what `build.rs` made of them.
pub(super) fn built_in(json: &'static str) -> Result<Vec<Control>, serde_json::Error> {
    let file: ControlFile<'static> = serde_json::from_str(json)?;
    let controls = file.control.into_iter();
    let controls = controls.map(|entry| entry.into_control(BUILT_IN_SOURCE, None, |text| text));
    Ok(controls.collect())
}

/// The controls of a file; `source` is what they give as the place where they are defined.
pub(super) fn read(
    text: &str,
    file: &Source<'_>,
    source: &str,
) -> Result<Vec<Control>, toml::de::Error> {
    let entries: ControlFile<'_> = toml::from_str(text)?;
    let tree = DeTable::parse(text)?;
    let mut written = elements(tree.get_ref(), "control");
    let controls = entries.control.into_iter().map(|entry| {
        let table = written.next().and_then(|value| value.get_ref().as_table());
        let written = table.map(|table| Written { table, file });
        entry.into_control(source, written, |text| Cow::Owned(text.into_owned()))
    });
    Ok(controls.collect())
}

/// The elements of a list of tables, as they are written.
fn elements<'t>(
    table: &'t DeTable<'t>,
    name: &str,
) -> impl Iterator<Item = &'t Spanned<DeValue<'t>>> {
    let value = table.get(name).and_then(|value| value.get_ref().as_array());
    value.into_iter().flatten()
}

/// A control as it is written in a file of the operator's.
#[derive(Clone, Copy)]
struct Written<'t> {
    table: &'t DeTable<'t>,
    file: &'t Source<'t>,
}

impl<'t> Written<'t> {
    /// The line of the control's id, counted from 1.
    fn line_of_id(self) -> usize {
        let id = self.table.get("id").map_or(0, |id| id.span().start);
        self.file.line_number(id)
    }

    /// The lines on which the settings of a kind begin.
    fn lines_of(self, kind: &'static str) -> impl Iterator<Item = usize> + 't {
        elements(self.table, kind).map(move |setting| self.file.line_number(setting.span().start))
    }
}

impl<'t> ControlEntry<'t> {
    /// `written` is where it stands; what came with the build cannot be mended where the program runs. `keep` keeps
    /// a text of the file for as long as the control.
    fn into_control(
        self,
        source: &str,
        written: Option<Written<'_>>,
        keep: impl Fn(Cow<'t, str>) -> Cow<'static, str>,
    ) -> Control {
        let mut settings = Vec::new();
        macro_rules! take {
            ($list:ident, $variant:ident) => {
                let lines = written.map(|written| written.lines_of(stringify!($list)));
                let mut lines = lines.into_iter().flatten();
                settings.extend(self.$list.into_iter().map(|setting| Setting {
                    k3s: setting.k3s,
                    body: SettingBody::$variant(setting),
                    line: lines.next().unwrap_or_default(),
                }));
            };
        }
        take!(sysctl, Sysctl);
        take!(directory, Directory);
        take!(file, File);
        take!(permissions, Permissions);
        take!(option, Option);
        take!(argument, Argument);
        take!(manifest, Manifest);
        // They stay for as long as the daemon runs.
        settings.shrink_to_fit();
        Control {
            line: written.map_or(0, Written::line_of_id),
            id: self.id,
            title: keep(self.title),
            why: keep(self.why),
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
