//! Any bytes as the unit of K3s, and behind the first NUL as a drop-in of it.
#![no_main]

use k3warden::k3s::find_k3s_units;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let files = || {
        let mut parts = content.splitn(2, |byte| *byte == 0);
        let mut part = || parts.next().unwrap_or_default();
        k3warden_fuzz::files()
            .with("/etc/systemd/system/k3s.service", part())
            .with("/etc/systemd/system/k3s.service.d/50.conf", part())
            .with("/etc/k3s.env", "A='a b' c\nB=b\n")
            .with("/etc/hostname", "edge.example\n")
    };
    for unit in find_k3s_units(&files()).unwrap_or_default().units {
        k3warden_fuzz::merge_as(&files(), &unit.invocation());
        k3warden_fuzz::command_reads_the_same(files(), &unit);
    }
});
