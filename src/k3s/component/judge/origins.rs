//! The origins that a browser's scripts may come from, which are expressions to the apiserver.

use super::Line;

const READ_SINCE_MINOR: u16 = 21;
use super::limits::CHECKED_SINCE_MINOR;

pub(super) fn judge(line: &mut Line<'_>) {
    match line.minor() {
        CHECKED_SINCE_MINOR.. => pinned(line),
        READ_SINCE_MINOR.. => repeated(line),
        _ => {}
    }
}

/// They are expressions, in which a star repeats what stands before it; no other slip in one is looked for here (apiserver
/// `pkg/server/filters/cors.go` allowedOriginRegexps, read in 0.21.14 to 0.30.0).
fn repeated(line: &mut Line<'_>) {
    let words = line.words("cors-allowed-origins");
    let repeats = |word: &str| word.starts_with(['*', '+', '?']);
    let Some((word, argument)) = words.iter().find(|(word, _)| repeats(word)) else {
        return;
    };
    let given: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let reason = format!(
        "Invalid CORS allowed origin, --cors-allowed-origins flag was set to {} - error parsing regexp: missing argument to \
         repetition operator: `{}`",
        given.join(","),
        word.get(..1).unwrap_or_default()
    );
    line.end(&reason, Some(argument));
}

/// An expression that matches a part of a host's name lets others in (CVE-2022-1996, apiserver
/// `pkg/server/options/server_run_options.go`).
fn pinned(line: &mut Line<'_>) {
    let is_pinned = |word: &str| {
        (word.contains('^') || word.contains("//")) && (word.contains('$') || word.contains(':'))
    };
    let words = line.words("cors-allowed-origins");
    let wrong = words.iter().find(|(word, _)| !is_pinned(word));
    if let Some((_, argument)) = wrong {
        line.end(
            "--cors-allowed-origins has an invalid regular expression: regular expression does not pin to start/end of host in \
             the origin header",
            Some(argument),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::component::tests::reason;

    /// Asked of a real 1.24.4.
    #[test]
    fn a_star_alone_repeats_nothing() {
        for version in ["1.21.5", "1.24.4", "1.30.4"] {
            for (item, word) in [
                ("*", Some("*")),
                ("*.example.com", Some("*")),
                ("https://a.example,*", Some("*")),
                (".*", None),
                ("https://.*\\.example\\.com", None),
                ("abc", None),
            ] {
                let item = format!("cors-allowed-origins={item}");
                let found = reason(version, &[("kube-apiserver-arg", &item)]);
                let expected = word.map_or_else(String::new, |word| {
                    let given = item.split_once('=').unwrap().1;
                    format!(
                        "apiserver exited: Invalid CORS allowed origin, --cors-allowed-origins flag was set to {given} - error \
                         parsing regexp: missing argument to repetition operator: `{word}`"
                    )
                });
                assert_eq!(found, expected, "{version} {item}");
            }
        }
    }
}
