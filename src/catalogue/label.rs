//! Names in Kubernetes, which YAML and file names take as they are.

/// An RFC 1123 label, as namespaces are named.
#[must_use]
pub fn is_label(name: &str) -> bool {
    const LONGEST: usize = 63;
    name.len() <= LONGEST && is_subdomain_part(name)
}

/// Lower-case letters, digits and `-`, which neither begins nor ends it: a part of an RFC 1123 subdomain, which has no
/// length of its own.
pub(super) fn is_subdomain_part(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.bytes().all(inner) && !name.starts_with('-') && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_named_by_a_label() {
        for name in ["kube-system", "a", "0-1", &"x".repeat(63)] {
            assert!(is_label(name), "{name}");
        }
        for name in [
            "",
            "Kube",
            "kube_system",
            "a.b",
            "-a",
            "a-",
            "a b",
            &"x".repeat(64),
        ] {
            assert!(!is_label(name), "{name}");
        }
    }
}
