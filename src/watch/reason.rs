//! What makes two sentences the same reason, so that it is told once.

use nix::errno::Errno;

/// What the process or the machine has no more of. Where on the way to a thing that shows is up to how much is left just then.
const EXHAUSTED: [Errno; 3] = [Errno::ENFILE, Errno::EMFILE, Errno::ENOMEM];

/// What a reason is remembered by: the kernel's answer alone where it is about no thing in particular, and else what it is about
/// and the rest, without what was tried with it: the same file is opened by one look and only looked at by another.
pub(super) fn key(reason: &str) -> &str {
    let answers = EXHAUSTED.into_iter().map(Errno::desc);
    let mut answers = answers.filter(|answer| reason.contains(answer));
    if let Some(answer) = answers.next() {
        return answer;
    }
    let tried = reason.strip_prefix("cannot ");
    let what = tried.and_then(|tried| tried.find(" /").and_then(|at| tried.get(at + 1..)));
    what.unwrap_or(reason)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::host::HostError;

    #[test]
    fn a_reason_is_the_thing_and_the_answer_and_the_answer_alone_where_it_is_about_no_thing() {
        let of = |operation, path: &str, errno| {
            let error = HostError::system(operation, Path::new(path), errno);
            key(&error.to_string()).to_owned()
        };
        assert_eq!(
            of("open", "/var/lib", Errno::EMFILE),
            of("look at", "/etc", Errno::EMFILE)
        );
        assert_ne!(
            of("open", "/etc", Errno::EMFILE),
            of("open", "/etc", Errno::ENFILE)
        );
        assert_eq!(of("open", "/a", Errno::EIO), of("read", "/a", Errno::EIO));
        assert_ne!(of("open", "/a", Errno::EIO), of("open", "/b", Errno::EIO));
        assert_ne!(
            of("open", "/a", Errno::EIO),
            of("open", "/a", Errno::EACCES)
        );
        assert_eq!(key("its version is not known"), "its version is not known");
    }
}
