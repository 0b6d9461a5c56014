//! What an option or argument is set to, against what is required of it.

use super::{Fault, text};
use crate::catalogue::{Control, K3S_DEFAULT, Placeholders, Requirement, Value, holds, shown};

/// The same for an argument, which may also have K3s's own value.
pub(super) fn of_argument(
    require: &Requirement,
    set: Option<&str>,
    control: &Control,
) -> Option<Fault> {
    of(require, set.filter(|set| *set != K3S_DEFAULT), control)
}

/// A value that cannot be written, or that would not satisfy what it is written for: it would be divergent for ever.
pub(super) fn of(require: &Requirement, set: Option<&str>, control: &Control) -> Option<Fault> {
    if let Some(fault) = of_words(require) {
        return Some(fault);
    }
    let set = set?;
    if let Some(fault) = text::of_set(set, control) {
        return Some(fault);
    }
    let by_default = control.with_defaults(set);
    // Where a place is on this node the catalogue does not know.
    let is_known = Placeholders::of(&by_default).next().is_none();
    let satisfies = holds(require, &Value::Scalar(by_default.clone()), false);
    (is_known && !satisfies).then(|| {
        let message = format!(
            "`set` \"{}\" does not satisfy `require`: {require}",
            shown(&by_default)
        );
        Fault::of_word(
            set,
            message,
            Some("what is written must be what is asked for".to_owned()),
        )
    })
}

/// What one element breaks can be mended by leaving that out, and nothing else.
pub(super) fn of_leave_out(require: &Requirement, leave_out: bool) -> Option<Fault> {
    (leave_out && !require.is_broken_by_one()).then(|| {
        let message = "`leave_out` needs a requirement that a single element of the list can break";
        let mend =
            "excludes, subset_of, not_equals, absent, tls_urls and local_urls are such; leave it out with the others";
        Fault::of_word("leave_out", message.to_owned(), Some(mend.to_owned()))
    })
}

/// A required value is compared as it stands; a placeholder in it would never be met.
fn of_words(require: &Requirement) -> Option<Fault> {
    let mut words = match require {
        Requirement::Equals(word)
        | Requirement::NotEquals(word)
        | Requirement::GateNotOff(word) => std::slice::from_ref(word),
        Requirement::Includes(words)
        | Requirement::Excludes(words)
        | Requirement::SubsetOf(words)
        | Requirement::OneOf(words)
        | Requirement::TlsUrls(words)
        | Requirement::LocalUrls(words) => words.as_slice(),
        Requirement::AtLeast(_)
        | Requirement::AtMost(_)
        | Requirement::MoreThan(_)
        | Requirement::Absent(_)
        | Requirement::Present(_)
        | Requirement::NonzeroDuration(_)
        | Requirement::Loopback(_)
        | Requirement::ModeAtMost(_) => &[],
    }
    .iter();
    words.find_map(|word| {
        let has_placeholder = Placeholders::of(word).next().is_some();
        has_placeholder.then(|| {
            let message = format!(
                "`require` \"{}\" is compared as it stands: no placeholder is filled in",
                shown(word)
            );
            Fault::of_word(
                word,
                message,
                Some("{ present = true } asks for any value".to_owned()),
            )
        })
    })
}
