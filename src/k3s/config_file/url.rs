//! A path as the URL that K3s reads it as.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// K3s reads each path through Go's `url.Parse`, which has its own mind about `%` and control characters.
pub(super) fn url_problem(path: &Path) -> Option<&'static str> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.iter().any(|byte| *byte < 0x20 || *byte == 0x7f) {
        return Some("net/url: invalid control character in URL");
    }
    let (before, fragment) = split_at_byte(bytes, b'#');
    let (path, _query) = split_at_byte(before, b'?');
    let bad = |part: &[u8]| {
        part.split(|byte| *byte == b'%').skip(1).any(|after| {
            !after
                .get(..2)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
        })
    };
    (bad(path) || bad(fragment)).then_some("invalid URL escape")
}

fn split_at_byte(bytes: &[u8], byte: u8) -> (&[u8], &[u8]) {
    let at = bytes.iter().position(|found| *found == byte);
    bytes
        .split_at_checked(at.unwrap_or(bytes.len()))
        .unwrap_or((bytes, &[]))
}
