//! Loading the catalogue: the built-in controls and the operator's own, with the same strictness.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    ArgumentSetting, Control, ControlId, Datastore, DirectorySetting, Editions, Enforcement,
    FileSetting, ManifestSetting, OptionSetting, Parameter, PermissionsSetting, Runbook, Setting,
    SettingBody, SysctlSetting, VersionRange, content,
};
use crate::k3s::Role;

const BUILT_IN: &[(&str, &str)] = &[
    ("10-host.toml", include_str!("controls/10-host.toml")),
    (
        "20-directories.toml",
        include_str!("controls/20-directories.toml"),
    ),
    ("30-files.toml", include_str!("controls/30-files.toml")),
    (
        "40-permissions.toml",
        include_str!("controls/40-permissions.toml"),
    ),
    (
        "50-configuration.toml",
        include_str!("controls/50-configuration.toml"),
    ),
    (
        "60-defaults.toml",
        include_str!("controls/60-defaults.toml"),
    ),
    (
        "70-workloads.toml",
        include_str!("controls/70-workloads.toml"),
    ),
];

/// A catalogue file that cannot be used. Names the file and, where it can, the line.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file is not what a catalogue file looks like.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column, excerpt and hint.
        message: String,
    },
    /// Two controls have one name.
    #[error("{}: control `{id}` is already defined in {first}; give yours another id", path.display())]
    Duplicate {
        /// The file with the second one.
        path: PathBuf,
        /// The name.
        id: ControlId,
        /// Where the first one is.
        first: String,
    },
    /// A control that could never hold or never be judged.
    #[error("{}: control `{id}`: {reason}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// The control.
        id: ControlId,
        /// What is wrong, and the mend.
        reason: String,
    },
}

/// All controls, in the order of their files.
#[derive(Debug, Clone)]
pub struct Catalogue {
    controls: Vec<Control>,
    editions: Editions,
    digest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlFile {
    #[serde(default)]
    control: Vec<ControlEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlEntry {
    id: ControlId,
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

impl Catalogue {
    /// The built-in controls alone.
    ///
    /// # Errors
    /// Never for a released build: a test loads every file.
    pub fn built_in() -> Result<Self, CatalogueError> {
        Self::with_operator_files(&[])
    }

    /// The built-in controls and the operator's files (path and content), in the order given.
    ///
    /// # Errors
    /// When a file is malformed, repeats a control or states one that cannot be judged.
    pub fn with_operator_files(files: &[(PathBuf, String)]) -> Result<Self, CatalogueError> {
        let mut catalogue = Self {
            controls: Vec::new(),
            editions: Editions::built_in()?,
            digest: String::new(),
        };
        let mut digest = Sha256::new();
        for (name, text) in BUILT_IN {
            digest.update(text.as_bytes());
            catalogue.add(Path::new(name), "built-in", text)?;
        }
        digest.update(content::digest_input());
        for (path, text) in files {
            digest.update(text.as_bytes());
            catalogue.add(path, &path.display().to_string(), text)?;
        }
        catalogue.digest = hex(&digest.finalize());
        Ok(catalogue)
    }

    /// Every control.
    #[must_use]
    pub fn controls(&self) -> &[Control] {
        &self.controls
    }

    /// A control by name.
    #[must_use]
    pub fn control(&self, id: &str) -> Option<&Control> {
        self.controls
            .iter()
            .find(|control| control.id.as_str() == id)
    }

    /// The controls that have this number in an edition; one control may answer several numbers.
    #[must_use]
    pub fn with_number(&self, edition: &str, number: &str) -> Vec<&Control> {
        let has = |control: &&Control| {
            control
                .cis
                .get(edition)
                .is_some_and(|numbers| numbers.split(',').any(|listed| listed.trim() == number))
        };
        self.controls.iter().filter(has).collect()
    }

    /// The benchmark editions that the numbers refer to.
    #[must_use]
    pub const fn editions(&self) -> &Editions {
        &self.editions
    }

    /// SHA-256 over everything the catalogue says, as hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    fn add(&mut self, path: &Path, source: &str, text: &str) -> Result<(), CatalogueError> {
        let file: ControlFile = toml::from_str(text).map_err(|error| CatalogueError::Syntax {
            path: path.to_path_buf(),
            message: error.to_string().trim_end().to_owned(),
        })?;
        for entry in file.control {
            if let Some(first) = self.control(entry.id.as_str()) {
                return Err(CatalogueError::Duplicate {
                    path: path.to_path_buf(),
                    id: entry.id,
                    first: first.source.clone(),
                });
            }
            let control = entry.into_control(source);
            validate(&control).map_err(|reason| CatalogueError::Invalid {
                path: path.to_path_buf(),
                id: control.id.clone(),
                reason,
            })?;
            self.controls.push(control);
        }
        Ok(())
    }
}

impl ControlEntry {
    fn into_control(self, source: &str) -> Control {
        let mut settings = Vec::new();
        macro_rules! take {
            ($list:expr, $variant:ident) => {
                settings.extend($list.into_iter().map(|setting| Setting {
                    k3s: setting.k3s,
                    body: SettingBody::$variant(setting),
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
            id: self.id,
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

fn validate(control: &Control) -> Result<(), String> {
    if control.settings.is_empty() {
        return Err("it has no setting, so nothing could ever be observed".to_owned());
    }
    for (name, parameter) in &control.parameters {
        if parameter.default.kind() != parameter.kind {
            return Err(format!(
                "the default of parameter `{name}` is not of its kind"
            ));
        }
    }
    let mut targets = BTreeSet::new();
    for setting in &control.settings {
        validate_setting(&setting.body)?;
        let target = format!("{:?}", setting.body);
        if !targets.insert(target) {
            return Err("one setting stands there twice".to_owned());
        }
    }
    Ok(())
}

fn validate_setting(setting: &SettingBody) -> Result<(), String> {
    let path = match setting {
        SettingBody::Directory(directory) => &directory.path,
        SettingBody::Permissions(permissions) => &permissions.path,
        SettingBody::File(file) => {
            known_content(&file.content)?;
            &file.path
        }
        SettingBody::Manifest(manifest) => return known_content(&manifest.content),
        SettingBody::Sysctl(_) | SettingBody::Option(_) | SettingBody::Argument(_) => return Ok(()),
    };
    let absolute = path.starts_with('/') || path.starts_with('{');
    if !absolute || path.split('/').any(|component| component == "..") {
        return Err(format!("path `{path}` must be absolute and without `..`"));
    }
    let (directory, _) = path.rsplit_once('/').unwrap_or(("", path));
    if directory.contains('*') {
        return Err(format!(
            "path `{path}`: only the last component may be a pattern"
        ));
    }
    Ok(())
}

fn known_content(name: &str) -> Result<(), String> {
    if content::exists(name) {
        return Ok(());
    }
    Err(format!(
        "there is no content `{name}`; known are {}",
        content::names().join(", ")
    ))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
