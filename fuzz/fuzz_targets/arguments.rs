//! Any bytes as the words of the command line, divided by NUL.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|content: &[u8]| {
    let text = String::from_utf8_lossy(content);
    let words: Vec<String> = text.split('\0').map(str::to_owned).collect();
    k3warden_fuzz::merge_everywhere(&k3warden_fuzz::files(), &words, &BTreeMap::new());
});
