//! Lines of comma-separated values as Go's `encoding/csv` takes them, which lists of flags are.

/// The fields of a line as Go's csv reader takes it: a quote opens a field at its start only, and is closed at its end.
/// `None` where it would refuse the line. Two quotes within a field, which stand for one, are left as they are.
pub(super) fn fields(value: &str) -> Option<Vec<&str>> {
    let mut fields = Vec::new();
    let mut rest = value;
    loop {
        let (field, after) = match rest.strip_prefix('"') {
            Some(quoted) => {
                let after = behind_quote(quoted)?;
                (quoted.get(..quoted.len() - after.len() - 1)?, after)
            }
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at_checked(end)?;
                if field.contains('"') {
                    return None;
                }
                (field, after)
            }
        };
        fields.push(field);
        match after.strip_prefix(',') {
            Some(next) => rest = next,
            None => return after.is_empty().then_some(fields),
        }
    }
}

/// The fields of a line of comma-separated values; of one that Go would refuse, what stands between its commas.
pub(super) fn fields_or_words(value: &str) -> Vec<&str> {
    fields(value).unwrap_or_else(|| value.split(',').collect())
}

/// What follows the quote that closes a field; two quotes in it are one.
fn behind_quote(mut quoted: &str) -> Option<&str> {
    loop {
        let (_, after) = quoted.split_once('"')?;
        match after.strip_prefix('"') {
            Some(more) => quoted = more,
            None => return Some(after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_open_and_close_whole_words_of_a_list() {
        for (good, expected) in [
            ("", &[""][..]),
            ("a,b", &["a", "b"]),
            ("\"a,b\",c", &["a,b", "c"]),
            ("\"a\"\"b\"", &["a\"\"b"]),
        ] {
            assert_eq!(fields(good).as_deref(), Some(expected), "{good}");
        }
        for bad in ["\"", "a\"", "\"a\"b", "a,\"b"] {
            assert_eq!(fields(bad), None, "{bad}");
        }
    }
}
