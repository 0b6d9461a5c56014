//! One enforceable thing on the host, as the catalogue states it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Requirement, VersionRange};
use crate::host::FileMode;
use crate::k3s::component::Component;

/// A kernel parameter, live and at the next boot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SysctlSetting {
    /// The key, dots or slashes: `vm.overcommit_memory`.
    pub key: String,
    /// The exact value that the kubelet asks for.
    pub value: String,
    /// K3s versions that this setting is for.
    #[serde(default)]
    pub k3s: VersionRange,
}

/// A directory with no more than some permission bits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectorySetting {
    /// Path, with placeholders such as `{data_dir}`.
    pub path: String,
    /// No more than these bits.
    pub mode: FileMode,
    /// An absent directory is created; otherwise it is not applicable.
    #[serde(default)]
    pub create: bool,
    /// K3s versions that this setting is for.
    #[serde(default)]
    pub k3s: VersionRange,
}

/// What kind of file of the operator's own stands in place of ours, if it is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeepKind {
    /// An `AdmissionConfiguration`, with the section that the setting names.
    AdmissionConfiguration,
    /// An audit `Policy` with at least one rule.
    AuditPolicy,
}

/// A file with our content.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileSetting {
    /// Path, with placeholders.
    pub path: String,
    /// No more than these bits.
    pub mode: FileMode,
    /// Name of the content.
    pub content: String,
    /// An operator's own valid file of this kind stands.
    pub keep: Option<KeepKind>,
    /// The section of the file that the content is. A file can hold sections of several controls; without a name the
    /// content is the whole file.
    pub section: Option<String>,
    /// K3s versions that this setting is for.
    #[serde(default)]
    pub k3s: VersionRange,
}

/// What kind of thing a permission rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// Regular files.
    #[default]
    File,
    /// Directories.
    Directory,
}

/// Permissions and owner of what K3s writes; content is never touched.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionsSetting {
    /// Path with placeholders; the last component may be a glob.
    pub path: String,
    /// No more than these bits.
    pub mode: FileMode,
    /// Bits that some CIS editions ask for instead.
    #[serde(default)]
    pub mode_by_edition: BTreeMap<String, FileMode>,
    /// Names in the directory that are not judged.
    #[serde(default)]
    pub except: Vec<String>,
    /// Files or directories.
    #[serde(default)]
    pub kind: EntryKind,
    /// K3s makes this path a link to that one itself, which is judged then. A link to anything else is nobody's to follow.
    pub follow: Option<String>,
    /// The same, to where this option has K3s write.
    pub follow_option: Option<String>,
    /// The option from which K3s takes the bits at each start. Where the unit's command line asks for other ones, which
    /// nothing of ours outranks, they are judged and left alone.
    pub mode_option: Option<String>,
    /// The same for the group, for which nothing of ours is ever set.
    pub group_option: Option<String>,
    /// K3s versions that this setting is for.
    #[serde(default)]
    pub k3s: VersionRange,
}

impl PermissionsSetting {
    /// Whether what is judged may stand behind a link.
    #[must_use]
    pub const fn follows(&self) -> bool {
        self.follow.is_some() || self.follow_option.is_some()
    }
}

/// A K3s option.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionSetting {
    /// Long name: `protect-kernel-defaults`.
    pub name: String,
    /// What its effective value must be.
    pub require: Requirement,
    /// K3s's default satisfies the requirement when nothing sets the option.
    #[serde(default)]
    pub absent_holds: bool,
    /// What we write; nothing means that we only judge.
    pub set: Option<String>,
    /// Items of the operator's list that break the requirement are left out of it: a list of ours takes the place of his.
    #[serde(default)]
    pub leave_out: bool,
    /// K3s versions that this setting is for.
    #[serde(default)]
    pub k3s: VersionRange,
}

/// An argument of a component.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArgumentSetting {
    /// The component.
    pub component: Component,
    /// The flag without dashes: `audit-log-maxage`.
    pub flag: String,
    /// What its effective value must be.
    pub require: Requirement,
    /// The component's default satisfies the requirement when nothing sets the flag.
    #[serde(default)]
    pub absent_holds: bool,
    /// What we write, `{k3s_default}` for what K3s itself would give the flag; nothing means that we only judge.
    pub set: Option<String>,
    /// Elements that break the requirement are left out of the operator's list of arguments: a list of ours takes the place of his.
    #[serde(default)]
    pub leave_out: bool,
    /// The section that the admission configuration which the flag names must have.
    pub section: Option<String>,
    /// Another flag with which this one does nothing.
    pub unless: Option<Unless>,
    /// K3s versions that this setting is for.
    #[serde(default)]
    pub k3s: VersionRange,
}

/// A flag of the same component that leaves another nothing to do, such as a port of 0 its address.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unless {
    /// The flag without dashes.
    pub flag: String,
    /// Its effective value.
    pub equals: String,
}

/// A manifest for K3s's deploy controller.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestSetting {
    /// File name in `server/manifests`.
    pub name: String,
    /// Name of the content.
    pub content: String,
    /// Only while this packaged component is not disabled.
    pub component: Option<String>,
    /// Only while K3s runs the pods of its load balancer in this namespace, or may.
    pub servicelb_namespace: Option<String>,
    /// Manifests of the same control without which this one does harm: it is not written unless each that is for the node is
    /// deployed or written with it.
    #[serde(default)]
    pub needs: Vec<String>,
    /// K3s versions that this setting is for.
    #[serde(default)]
    pub k3s: VersionRange,
}

/// One enforceable thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// What it is.
    pub body: SettingBody,
    /// K3s versions that it is for.
    pub k3s: VersionRange,
    /// Where it begins in its file, counted from 1.
    pub line: usize,
}

/// The kinds of things that we enforce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SettingBody {
    /// A kernel parameter.
    Sysctl(SysctlSetting),
    /// A directory.
    Directory(DirectorySetting),
    /// A file with our content.
    File(FileSetting),
    /// Permissions of what K3s writes.
    Permissions(PermissionsSetting),
    /// A K3s option.
    Option(OptionSetting),
    /// A component argument.
    Argument(ArgumentSetting),
    /// A manifest.
    Manifest(ManifestSetting),
}

impl SettingBody {
    /// Whether what breaks its requirement is left out of an operator's list.
    #[must_use]
    pub const fn leaves_out(&self) -> bool {
        match self {
            Self::Option(option) => option.leave_out,
            Self::Argument(argument) => argument.leave_out,
            _ => false,
        }
    }
}
