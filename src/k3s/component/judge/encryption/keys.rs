//! The keys of a provider. No message holds one.

use crate::k3s::component::document::Document;

/// Why keys are not taken, which are to have one of these lengths in bytes (apiserver
/// `pkg/apis/apiserver/validation/validation_encryption.go` validateKeys; 1.20 said it with other words).
pub(super) fn refuses(keys: &[Document], path: &str, lengths: &[usize]) -> Option<String> {
    if keys.is_empty() {
        return Some(format!(
            "{path}.keys: Required value: at least one keys is required"
        ));
    }
    let mut keys = keys.iter().enumerate();
    keys.find_map(|(index, key)| refuses_key(key, &format!("{path}.keys[{index}]"), lengths))
}

fn refuses_key(key: &Document, path: &str, lengths: &[usize]) -> Option<String> {
    for field in ["name", "secret"] {
        if key.text(field).is_empty() {
            return Some(format!(
                "{path}.{field}: Required value: {field} is a mandatory field for a key"
            ));
        }
    }
    let invalid = format!("{path}.secret: Invalid value: \"REDACTED\"");
    let Some(length) = decoded_length(key.text("secret")) else {
        return Some(format!("{invalid}: secrets must be base64 encoded"));
    };
    (!lengths.contains(&length)).then(|| {
        let lengths: Vec<String> = lengths.iter().map(ToString::to_string).collect();
        let lengths = lengths.join(" ");
        format!("{invalid}: secret is not of the expected length, got {length}, expected one of [{lengths}]")
    })
}

/// How many bytes a text in base64 holds; `None` if it is none. Go passes over the ends of lines (`encoding/base64`).
fn decoded_length(text: &str) -> Option<usize> {
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    let data = text.trim_end_matches('=');
    let padding = text.len() - data.len();
    let is_digit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let is_whole = text.len().is_multiple_of(4) && padding <= 2;
    (is_whole && data.chars().all(is_digit)).then(|| data.len() * 3 / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_a_name_and_a_secret_of_one_of_the_lengths() {
        for (key, words) in [
            (
                "{name: a, secret: AAEC}",
                "keys[0].secret: Invalid value: \"REDACTED\": secret is not of the expected length, got 3, expected one of [16 32]",
            ),
            (
                "{name: a, secret: '!!'}",
                "keys[0].secret: Invalid value: \"REDACTED\": secrets must be base64 encoded",
            ),
            ("{name: a, secret: AAE}", "secrets must be base64 encoded"),
            (
                "{name: a}",
                "keys[0].secret: Required value: secret is a mandatory field for a key",
            ),
            (
                "{secret: AAEC}",
                "keys[0].name: Required value: name is a mandatory field for a key",
            ),
        ] {
            let keys = [Document::parse(key.as_bytes()).unwrap()];
            let reason = refuses(&keys, "x", &[16, 32]).unwrap();
            assert!(reason.contains(words), "{key}: {reason}");
        }
        let good = Document::parse(b"{name: a, secret: AAECAwQFBgcICQoLDA0ODw==}").unwrap();
        assert_eq!(refuses(&[good], "x", &[16]), None);
    }

    #[test]
    fn base64_is_padded_and_may_be_broken_into_lines() {
        assert_eq!(decoded_length("AAEC\nAw==\n"), Some(4));
        for bad in ["A===", "AA", "AA==AA==", "A-_A"] {
            assert_eq!(decoded_length(bad), None, "{bad}");
        }
    }
}
