//! Names in Kubernetes, which YAML and file names take as they are (apimachinery `pkg/util/validation/validation.go`).

/// The most characters of a label.
const LONGEST_LABEL: usize = 63;
/// The most characters of a subdomain.
const LONGEST_SUBDOMAIN: usize = 253;

/// An RFC 1123 label, as namespaces are named (IsDNS1123Label).
#[must_use]
pub fn is_label(name: &str) -> bool {
    name.len() <= LONGEST_LABEL && is_subdomain_part(name)
}

/// An RFC 1123 subdomain, as most objects are named; its parts may be longer than a label (IsDNS1123Subdomain).
#[must_use]
pub fn is_subdomain(name: &str) -> bool {
    name.len() <= LONGEST_SUBDOMAIN && name.split('.').all(is_subdomain_part)
}

/// Why a name is no subdomain, in Kubernetes' words.
pub(super) const NO_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character";

/// Lower-case letters, digits and `-`, which neither begins nor ends it: a part of an RFC 1123 subdomain, which has no
/// length of its own.
#[must_use]
pub fn is_subdomain_part(name: &str) -> bool {
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

    #[test]
    fn a_subdomain_is_made_of_small_letters_digits_and_hyphens_between_dots() {
        let long_part = "x".repeat(64);
        for good in ["a", "a.b-c", "1.2", "rbac.authorization.k8s.io", &long_part] {
            assert!(is_subdomain(good), "{good}");
        }
        let too_long = vec!["x".repeat(63); 4].join(".");
        for bad in ["", "a_b", "a.", ".a", "A", "a/b", "-a", "a-.b", &too_long] {
            assert!(!is_subdomain(bad), "{bad}");
        }
    }
}
