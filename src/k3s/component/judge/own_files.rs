//! Whether a file that an operator made is one that the apiserver would take.

use super::{admission, audit};
use crate::k3s::K3sVersion;
use crate::k3s::component::document::Document;

/// Why the apiserver would not take an audit policy; `None` if it would.
#[must_use]
pub fn refuses_audit_policy(content: &[u8], version: K3sVersion) -> Option<String> {
    match Document::parse(content) {
        Ok(policy) => audit::refuses(&policy, version.minor),
        Err(reason) => Some(format!("it is not YAML: {reason}")),
    }
}

/// Why an admission configuration would not be taken, or says nothing about Pod Security; `None` if it does.
#[must_use]
pub fn refuses_admission_configuration(content: &[u8], version: K3sVersion) -> Option<String> {
    match Document::parse(content) {
        Ok(configuration) => admission::refuses_pod_security(&configuration, version.minor),
        Err(reason) => Some(format!("it is not YAML: {reason}")),
    }
}
