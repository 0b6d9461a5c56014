//! Any bytes as the configuration file, and behind the first NUL as a drop-in.
#![no_main]

use std::collections::BTreeMap;

use k3warden::k3s::DEFAULT_CONFIG_FILE;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let mut parts = content.splitn(2, |byte| *byte == 0);
    let mut files = k3warden_fuzz::files();
    for path in [
        DEFAULT_CONFIG_FILE,
        "/etc/rancher/k3s/config.yaml.d/50.yaml",
    ] {
        let part = parts.next().unwrap_or_default();
        k3warden_fuzz::document_reads_the_same(part);
        files = files.with(path, part);
    }
    k3warden_fuzz::merge_everywhere(&files, &[], &BTreeMap::new());
});
