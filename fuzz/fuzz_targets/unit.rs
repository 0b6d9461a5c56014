//! Any bytes as the unit of K3s, and behind the first NUL as a drop-in of it.
#![no_main]

use k3warden::k3s::find_k3s_units;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let mut parts = content.splitn(2, |byte| *byte == 0);
    let mut files = k3warden_fuzz::files();
    for path in [
        "/etc/systemd/system/k3s.service",
        "/etc/systemd/system/k3s.service.d/50.conf",
    ] {
        files = files.with(path, parts.next().unwrap_or_default());
    }
    for unit in find_k3s_units(&files).unwrap_or_default() {
        k3warden_fuzz::merge_as(&files, &unit.invocation());
    }
});
