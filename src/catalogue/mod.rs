//! The catalogue: what CIS and the K3s guide ask of a node, as data that an auditor can read.
//!
//! The engine knows no control by name. A control is an entry in `controls/*.toml`: which nodes it is for, and the
//! settings that make it true. Operators add their own in `/etc/k3warden/catalogue.d`.

mod applies;
mod comparison;
mod content;
mod contradiction;
mod control;
mod describe;
mod edition;
mod entry;
mod fault;
mod hexadecimal;
mod load;
mod nearest;
mod numbers;
mod placeholder;
mod problem;
mod requirement;
mod setting;
mod urls;

#[cfg(test)]
mod broken_catalogues;
#[cfg(test)]
mod broken_settings;

pub use applies::{Datastore, VersionRange};
pub use content::content;
pub use control::{
    Control, ControlId, Enforcement, Parameter, ParameterKind, ParameterValue, Runbook,
};
pub use edition::{Edition, Editions};
pub use load::{Catalogue, CatalogueError};
pub use nearest::nearest;
pub use numbers::Numbers;
pub use problem::{Problem, Problems};

pub(crate) use comparison::{Value, holds};
pub(crate) use hexadecimal::hexadecimal;
pub(crate) use nearest::did_you_mean;
pub(crate) use placeholder::{Each, K3S_DEFAULT, PLACES, Placeholders};
pub(crate) use problem::{Source, shown};

pub use requirement::{Requirement, is_loopback};
pub use setting::{
    ArgumentSetting, DirectorySetting, EntryKind, FileSetting, KeepKind, ManifestSetting,
    OptionSetting, PermissionsSetting, Setting, SettingBody, SysctlSetting, Unless,
};
