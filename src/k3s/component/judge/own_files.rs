//! Whether a file that an operator made is one that the apiserver would take.

use std::path::Path;

use super::{admission, audit};
use crate::k3s::component::document::Document;
use crate::k3s::component::{Component, InForce};
use crate::k3s::{Effective, Files, K3sVersion};

/// Why the apiserver would not take an audit policy; `None` if it would.
#[must_use]
pub fn refuses_audit_policy(content: &[u8], version: K3sVersion) -> Option<String> {
    match Document::parse(content) {
        Ok(policy) => audit::refuses(&policy, version.minor),
        Err(reason) => Some(format!("it is not YAML: {reason}")),
    }
}

/// Why the apiserver would end with its audit log at a path; `None` if it would not.
#[must_use]
pub fn refuses_audit_log(path: &Path, version: K3sVersion, files: &Files<'_>) -> Option<String> {
    audit::no_place_for_log(path, version, files)
}

/// The plug-ins that an admission configuration has a section for.
///
/// # Errors
/// Why the apiserver would not take it.
pub fn admission_sections(content: &[u8], version: K3sVersion) -> Result<Vec<String>, String> {
    let configuration =
        Document::parse(content).map_err(|reason| format!("it is not YAML: {reason}"))?;
    admission::sections_of(&configuration, version.minor)
}

/// The plug-ins that are on, need a section in the admission configuration to start at all, and have none there.
#[must_use]
pub fn plugins_without_section(effective: &Effective, files: &Files<'_>) -> Vec<&'static str> {
    let flag = |flag| {
        effective
            .start
            .in_force(Component::Apiserver, flag, effective.version)
    };
    let InForce::List { elements } = flag("enable-admission-plugins") else {
        return Vec::new();
    };
    let file = match flag("admission-control-config-file") {
        InForce::One { value, .. } => files.read(&effective.named_file(&value)).ok().flatten(),
        _ => None,
    };
    // A file that is not taken at all ends K3s for a reason of its own.
    let sections = file.map_or_else(Vec::new, |content| {
        admission_sections(&content, effective.version).unwrap_or_default()
    });
    let lacks = |plugin: &&&str| {
        elements.iter().any(|(element, _)| element == **plugin)
            && !sections.iter().any(|section| section == **plugin)
    };
    admission::NEED_A_SECTION
        .iter()
        .map(|(plugin, _)| plugin)
        .filter(lacks)
        .copied()
        .collect()
}
