//! Any bytes as the words of the command line, divided by NUL, over a file that they outrank.
#![no_main]

use std::collections::BTreeMap;

use k3warden::k3s::DEFAULT_CONFIG_FILE;
use libfuzzer_sys::fuzz_target;

const CONFIG: &str = "token: t\nkubelet-arg: [v=1]\ndata-dir: /d\nprotect-kernel-defaults: true\n";

fuzz_target!(|content: &[u8]| {
    let text = String::from_utf8_lossy(content);
    let words: Vec<String> = text.split('\0').map(str::to_owned).collect();
    let files = k3warden_fuzz::files().with(DEFAULT_CONFIG_FILE, CONFIG);
    k3warden_fuzz::merge_everywhere(&files, &words, &BTreeMap::new());
});
