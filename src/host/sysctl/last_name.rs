//! A file name of our own that systemd reads last.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What every such name ends with.
const ENDING: &str = "z-k3warden.conf";

/// More z's than this give way to the name to be beaten, with our ending.
const Z_LIMIT: usize = 8;

/// The longest name a file can have (`NAME_MAX`).
const NAME_LIMIT_BYTES: usize = 255;

/// A name that sorts after every `*.conf` among the given ones; one of ours that sorts last already stays.
///
/// `None` where no name can do that: the last one is as long as a name can be.
#[must_use]
pub fn last_sorting_name<N: AsRef<OsStr>>(
    existing: impl IntoIterator<Item = N>,
) -> Option<OsString> {
    // systemd sorts by bytes, and a name need not be text.
    let mut last: Vec<u8> = Vec::new();
    for name in existing {
        let name = name.as_ref().as_bytes();
        let read = name.ends_with(b".conf") && !name.starts_with(b".");
        if read && name > last.as_slice() {
            last = name.to_vec();
        }
    }
    if is_own_last_name(OsStr::from_bytes(&last)) {
        return Some(OsString::from_vec(last));
    }
    let mut plain = (1..Z_LIMIT).map(|count| format!("{}{ENDING}", "z".repeat(count)));
    if let Some(name) = plain.find(|name| name.as_bytes() > last.as_slice()) {
        return Some(OsString::from(name));
    }
    // A letter sorts after the dot that follows the stem.
    let stem = last.strip_suffix(b".conf").unwrap_or(&last);
    let name = [stem, ENDING.as_bytes()].concat();
    (name.len() <= NAME_LIMIT_BYTES).then(|| OsString::from_vec(name))
}

/// Whether a name is one that [`last_sorting_name`] gives, now or earlier.
#[must_use]
pub fn is_own_last_name(name: &OsStr) -> bool {
    name.as_bytes().ends_with(ENDING.as_bytes())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_usual_name_is_short_and_stays() {
        for found in [
            &["10-x.conf", "99-sysctl.conf", "zz.bak", ".zzz.conf"][..],
            &["99-sysctl.conf", "zz-k3warden.conf"],
            &[],
        ] {
            let name = last_sorting_name(found).unwrap();
            assert_eq!(name, "zz-k3warden.conf", "{found:?}");
        }
    }

    #[test]
    fn a_later_name_of_the_operator_is_beaten() {
        for (name, ours) in [
            ("zz-site.conf", "zzz-k3warden.conf"),
            ("zzzz.conf", "zzzzz-k3warden.conf"),
            ("~last.conf", "~lastz-k3warden.conf"),
            ("\u{10ffff}.conf", "\u{10ffff}z-k3warden.conf"),
        ] {
            let found = [name, "zz-k3warden.conf"];
            assert_eq!(last_sorting_name(found).unwrap(), ours);
        }
    }

    #[test]
    fn a_name_that_is_no_text_is_beaten_too() {
        let name = last_sorting_name([OsStr::from_bytes(b"\xffmine.conf")]);
        assert_eq!(name.unwrap(), OsStr::from_bytes(b"\xffminez-k3warden.conf"));
    }

    #[test]
    fn a_name_that_cannot_be_beaten_gives_none() {
        let long = format!("{}.conf", "~".repeat(250));
        assert_eq!(last_sorting_name([long]), None);
    }

    proptest! {
        #[test]
        fn the_name_sorts_last_and_is_stable(found in prop::collection::vec("[.0Az{~-]{0,9}(\\.conf)?", 0..8)) {
            let name = last_sorting_name(&found).unwrap();
            let read = |other: &&String| other.ends_with(".conf") && !other.starts_with('.');
            prop_assert!(found.iter().filter(read).all(|other| OsStr::new(other) <= name));
            let again = last_sorting_name(found.iter().map(OsStr::new).chain([name.as_os_str()]));
            prop_assert_eq!(again, Some(name));
        }
    }
}
