//! The kinds of settings: how each is observed on the host, compared with what the catalogue asks, and made right.
//!
//! Judging reads the host and changes nothing. What would have to change is part of the answer, as [`Remedy`].

use std::path::{Path, PathBuf};

mod argument;
mod attributes;
pub mod configuration;
mod directory;
mod file;
mod finding;
mod manifest;
mod manifest_beside;
mod manifest_objects;
mod option;
mod option_traces;
mod own_link;
mod pattern;
mod permissions;
mod subject;
mod sysctl;
mod sysctl_file;
mod template;
mod watched;

pub use directory::missing_parents;
pub use file::content_of;
pub use finding::{Change, Effect, Finding, Outcome, Remedy, Stage, Want};
pub use manifest_objects::{kubectl_lines, objects_of};
pub use pattern::matches_pattern;
pub use subject::{
    Ownership, Parameters, Places, Running, ServiceLb, StartedWith, Subject, Validate, Validity,
};
pub use sysctl_file::{
    Persisted, persist as persist_sysctls, with_settings as sysctl_file_with,
    without_ours as sysctl_file_without_ours,
};

pub use watched::{Aspect, Named, Watched, judge_named, watched};

use crate::catalogue::{Setting, SettingBody};

/// Judges one setting on the host: one finding for each thing that it is about.
#[must_use]
pub fn judge(setting: &SettingBody, subject: &Subject<'_>) -> Vec<Finding> {
    match setting {
        SettingBody::Sysctl(sysctl) => sysctl::judge(sysctl, subject),
        SettingBody::Directory(directory) => directory::judge(directory, subject),
        SettingBody::File(file) => file::judge(file, subject),
        SettingBody::Permissions(permissions) => permissions::judge(permissions, subject),
        SettingBody::Option(option) => option::judge(option, subject),
        SettingBody::Argument(argument) => argument::judge(argument, subject),
        SettingBody::Manifest(manifest) => manifest::judge(manifest, subject),
    }
}

/// Judges a setting that this node should not have, because its K3s is not one that it is for: what we left there for
/// another version is taken away again.
#[must_use]
pub fn judge_unwanted(setting: &SettingBody, subject: &Subject<'_>, reason: &str) -> Vec<Finding> {
    match setting {
        SettingBody::Manifest(manifest) => manifest::withdraw(manifest, subject, reason),
        _ => Vec::new(),
    }
}

/// Why K3s would not deploy a manifest of ours, in one sentence with the mend; `None` where it does or will, where the manifest is
/// not for this node, and for other kinds. `named` is the one file that is asked about.
#[must_use]
pub fn undeployed(
    setting: &SettingBody,
    subject: &Subject<'_>,
    named: Option<&Path>,
) -> Option<String> {
    match setting {
        SettingBody::Manifest(manifest) => manifest::undeployed(manifest, subject, named),
        _ => None,
    }
}

/// The manifests without which the one at a path does harm, as far as it is of this setting.
#[must_use]
pub fn needs(setting: &SettingBody, subject: &Subject<'_>, path: &Path) -> Vec<PathBuf> {
    match setting {
        SettingBody::Manifest(manifest) => manifest::needs(manifest, subject, path),
        _ => Vec::new(),
    }
}

/// Whether a file is one that the setting asked for earlier, for a name that is in its list no longer.
#[must_use]
pub fn is_taken_out(settings: &[Setting], subject: &Subject<'_>, path: &Path) -> bool {
    let manifests = || {
        settings.iter().filter_map(|setting| match &setting.body {
            SettingBody::Manifest(manifest) => Some(manifest),
            _ => None,
        })
    };
    manifests().any(|manifest| manifest::may_be_of(manifest, subject, path))
        && !manifests().any(|manifest| manifest::is_of(manifest, subject, path))
}

/// What a setting wants left out of an operator's list; `None` for kinds and settings that leave his lists alone.
#[must_use]
pub fn leave_out(setting: &SettingBody, subject: &Subject<'_>) -> Option<configuration::LeaveOut> {
    match setting {
        SettingBody::Option(option) => option::leave_out(option, subject),
        SettingBody::Argument(argument) => argument::leave_out(argument, subject),
        _ => None,
    }
}

/// The line that a setting wants in K3s's configuration; `None` for other kinds and for those that are only judged.
#[must_use]
pub fn wish(setting: &SettingBody, subject: &Subject<'_>) -> Option<configuration::Wish> {
    match setting {
        SettingBody::Option(option) => option::wish(option, subject),
        SettingBody::Argument(argument) => argument::wish(argument, subject),
        _ => None,
    }
}
