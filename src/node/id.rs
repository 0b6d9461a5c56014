//! A name for the node.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::catalogue::hexadecimal;
use crate::host::Root;

/// As many digits as make a chance collision practically impossible.
const LENGTH_BYTES: usize = 16;

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
    digest.get(..LENGTH_BYTES).map(hexadecimal)
}
