//! What stays in the cluster when a manifest goes: K3s deletes no object because its file is gone (K3s pkg/deploy/controller.go).

use std::path::Path;

use crate::host::{READ_LIMIT_BYTES, Root, Thing};

/// The commands that would take away the objects of one of our manifests, one a line; none for any other file.
///
/// A ServiceAccount `default` is given its token back, never deleted: pods run under it.
#[must_use]
pub fn kubectl_lines(path: &Path, content: &[u8]) -> Vec<String> {
    if !is_deployed(path) {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(content);
    text.split("\n---\n").filter_map(line_for).collect()
}

/// The same of a manifest that is still there; what cannot be read is none of ours.
#[must_use]
pub fn objects_of(root: &Root, thing: &Thing) -> Vec<String> {
    let Thing::Path(path) = thing else {
        return Vec::new();
    };
    match is_deployed(path).then(|| root.read_here(path, READ_LIMIT_BYTES)) {
        Some(Ok(Some(content))) => kubectl_lines(path, &content),
        _ => Vec::new(),
    }
}

fn is_deployed(path: &Path) -> bool {
    let directory = path.parent();
    directory.is_some_and(|directory| directory.ends_with("server/manifests"))
}

/// Our manifests are written one key a line, metadata with two blanks before its keys.
fn line_for(document: &str) -> Option<String> {
    let value = |key: &str| {
        let line = document.lines().find_map(|line| line.strip_prefix(key))?;
        Some(line.trim().trim_matches('"').to_owned())
    };
    let (kind, name) = (value("kind: ")?, value("  name: ")?);
    let namespace = value("  namespace: ").map_or_else(String::new, |name| format!(" -n {name}"));
    let kind = kind.to_lowercase();
    Some(match (kind.as_str(), name.as_str()) {
        ("serviceaccount", "default") => format!(
            "kubectl{namespace} patch serviceaccount default --type merge -p \
             '{{\"automountServiceAccountToken\":null}}'"
        ),
        _ => format!("kubectl{namespace} delete --ignore-not-found {kind} {name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::content;

    fn lines(name: &str) -> Vec<String> {
        let path = Path::new("/var/lib/rancher/k3s/server/manifests/k3warden-x.yaml");
        kubectl_lines(path, content(name).unwrap().as_bytes())
    }

    #[test]
    fn each_object_has_its_line() {
        assert_eq!(
            lines("netpol-dns"),
            ["kubectl -n kube-system delete --ignore-not-found networkpolicy k3warden-allow-dns"]
        );
        assert_eq!(lines("psp").len(), 10);
        assert!(lines("psp")[0].starts_with("kubectl delete"));
    }

    #[test]
    fn a_default_account_is_never_deleted() {
        let lines = lines("serviceaccount-default");
        assert_eq!(
            lines,
            [
                "kubectl -n default patch serviceaccount default --type merge -p '{\"automountServiceAccountToken\":null}'"
            ]
        );
    }

    #[test]
    fn other_files_leave_nothing_in_the_cluster() {
        let path = Path::new("/var/lib/rancher/k3s/server/psa.yaml");
        assert!(kubectl_lines(path, b"kind: A\n  name: b\n").is_empty());
    }
}
