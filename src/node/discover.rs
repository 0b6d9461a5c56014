//! Finding out what a node is.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Fact, Node, Surroundings};
use crate::host::Root;
use crate::k3s::K3sVersion;
use crate::policy::Policy;
use crate::setting::Places;

/// What this node is, from its files alone where it is not the running machine.
#[must_use]
pub fn discover(
    _root: &Root,
    policy: &Policy,
    surroundings: Surroundings,
    given: Option<K3sVersion>,
) -> Node {
    let from_policy = |place: &Option<crate::policy::PolicyPlace>| match place {
        Some(place) => place.to_string(),
        None => "policy".to_owned(),
    };
    Node {
        role: policy.role.as_ref().map(|role| Fact {
            value: role.value,
            source: from_policy(&role.place),
        }),
        version: given
            .map(|value| Fact {
                value,
                source: "--k3s-version".to_owned(),
            })
            .or_else(|| {
                policy.k3s_version.as_ref().map(|version| Fact {
                    value: version.value,
                    source: from_policy(&version.place),
                })
            }),
        places: Places::default(),
        binary: None,
        datastore: None,
        disabled: Vec::new(),
        surroundings,
    }
}

/// A name for the node that gives nothing away: its machine id is confidential (machine-id(5)), a keyed digest of it
/// is not.
#[must_use]
pub fn id(root: &Root) -> Option<String> {
    let machine_id = root.read(Path::new("/etc/machine-id"), 64).ok()??;
    let text = std::str::from_utf8(&machine_id).ok()?.trim().to_owned();
    if text.is_empty() {
        return None;
    }
    let digest = Sha256::new()
        .chain_update("k3warden node id")
        .chain_update(text)
        .finalize();
    Some(
        digest
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    )
}
