//! Any bytes as the environment file of a unit that puts its variables into the command.
#![no_main]

use k3warden::k3s::find_k3s_units;
use libfuzzer_sys::fuzz_target;

const UNIT: &str = "[Service]\nEnvironmentFile=/etc/k3s.env\n\
    ExecStart=/usr/local/bin/k3s server $A ${B} --token=${K3S_TOKEN} $A $A\n";

fuzz_target!(|content: &[u8]| {
    let files = || {
        k3warden_fuzz::files()
            .with("/etc/systemd/system/k3s.service", UNIT)
            .with("/etc/k3s.env", content)
    };
    for unit in find_k3s_units(&files()).unwrap_or_default().units {
        k3warden_fuzz::merge_as(&files(), &unit.invocation());
        k3warden_fuzz::variables_read_the_same(files(), &unit);
        k3warden_fuzz::command_reads_the_same(files(), &unit);
    }
});
