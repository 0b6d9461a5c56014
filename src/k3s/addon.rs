//! What K3s's deploy controller makes of a file in `server/manifests` (K3s pkg/deploy/controller.go).

/// The endings of the files that it deploys, in lower case.
pub const MANIFEST_ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// The Addon that it takes a file for: the name up to the first dot. Of two files for one Addon each takes the other's
/// objects away.
#[must_use]
pub fn addon(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}

/// Whether it deploys a file of that name.
#[must_use]
pub fn is_deployed(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    let is_manifest = ending.is_some_and(|ending| {
        MANIFEST_ENDINGS
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    });
    is_manifest && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_json_are_deployed_unless_they_are_hidden() {
        for name in ["a.yaml", "a.b.yml", "A.JSON"] {
            assert!(is_deployed(name), "{name}");
        }
        for name in [".a.yaml", "a.yaml.skip", "yaml", "a.", ""] {
            assert!(!is_deployed(name), "{name}");
        }
        assert_eq!(addon("site.v1.yaml"), "site");
        assert_eq!(addon("site"), "site");
    }
}
