//! What somebody else put into the place of a content of ours and a repair replaces. The ledger has what was there before our first touch;
//! an operator's edit that came later would be gone. The last one of each file is kept, as far as there is room.

use std::path::Path;

use crate::host::{FileMode, Host, HostError, OwnPlace, State, Thing};
use crate::setting::Change;

const DIRECTORY: &str = "/var/lib/k3warden/replaced";
/// No configuration that people write is longer; whoever fills the disk is not helped.
const LIMIT_BYTES: usize = 1 << 20;

/// The content that a change replaces or removes, if it is worth keeping.
pub(super) fn content(change: &Change) -> Option<&[u8]> {
    let State::File { content, .. } = &change.before else {
        return None;
    };
    let stays = matches!(&change.after, State::File { content: after, .. } if after == content);
    (!stays && !content.is_empty() && content.len() <= LIMIT_BYTES).then_some(content)
}

/// Keeps it under the name of its file. Not synced, and a full disk is no reason to leave the drift.
pub(super) fn keep(host: &Host, change: &Change) {
    if let (Thing::Path(path), Some(content)) = (&change.thing, content(change)) {
        let _ = write(host, &name(path), content);
    }
}

fn write(host: &Host, name: &str, content: &[u8]) -> Result<(), HostError> {
    let place = OwnPlace::below(&host.root, Path::new(DIRECTORY), FileMode::new(0o700))?;
    place.create()?.create_anew(name)?.append(content)
}

/// `/etc/sysctl.d/a.conf` is `etc-sysctl.d-a.conf`.
fn name(path: &Path) -> String {
    let path = path.to_string_lossy();
    path.trim_start_matches('/').replace('/', "-")
}
