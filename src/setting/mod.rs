//! The kinds of settings: how each is observed on the host, compared with what the catalogue asks, and made right.
//!
//! Judging reads the host and changes nothing. What would have to change is part of the answer, as [`Remedy`].

mod attributes;
mod directory;
mod file;
mod finding;
mod permissions;
mod subject;
mod sysctl;
mod sysctl_file;
mod template;

pub use finding::{Change, Effect, Finding, Outcome, Remedy, Stage, Want};
pub use subject::{Ownership, Places, Subject};
pub use sysctl_file::{Persisted, persist as persist_sysctls, with_settings as sysctl_file_with};

use crate::catalogue::SettingBody;

/// Judges one setting on the host: one finding for each thing that it is about.
#[must_use]
pub fn judge(setting: &SettingBody, subject: &Subject<'_>) -> Vec<Finding> {
    match setting {
        SettingBody::Sysctl(sysctl) => sysctl::judge(sysctl, subject),
        SettingBody::Directory(directory) => directory::judge(directory, subject),
        SettingBody::File(file) => file::judge(file, subject),
        SettingBody::Permissions(permissions) => permissions::judge(permissions, subject),
        SettingBody::Option(_) | SettingBody::Argument(_) | SettingBody::Manifest(_) => Vec::new(),
    }
}
