//! The labels that a kubelet gives its node (kubernetes `cmd/kubelet/app/options/options.go` ValidateKubeletFlags).

use super::Line;
use crate::k3s::component::Argument;

/// Labels of the `kubernetes.io` namespaces that a kubelet may give itself.
const OWN_LABELS: [&str; 11] = [
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];

/// Judges what K3s's `node-label` and the operator's argument come to.
pub(super) fn judge(line: &mut Line<'_>) {
    let labels: Vec<(&str, &Argument)> = line.words("node-labels");
    for (label, argument) in labels {
        if label.trim().is_empty() {
            continue;
        }
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        let (key, value) = (key.trim(), value.trim());
        let reason = if is_reserved(key) {
            format!(
                "unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: [{key}]"
            )
        } else if !is_label_name(key) || !(value.is_empty() || is_label_part(value)) {
            format!("invalid node labels: '{label}'")
        } else {
            continue;
        };
        // K3s's own argument holds the operator's `node-label` items.
        line.end(
            &format!("failed to validate kubelet flags: {reason}"),
            Some(argument),
        );
        return;
    }
}

fn is_reserved(key: &str) -> bool {
    let Some((namespace, _)) = key.split_once('/') else {
        return false;
    };
    let within = |domain: &str| {
        namespace == domain
            || namespace
                .strip_suffix(domain)
                .is_some_and(|rest| rest.ends_with('.'))
    };
    (within("kubernetes.io") || within("k8s.io"))
        && !OWN_LABELS.contains(&key)
        && !within("kubelet.kubernetes.io")
        && !within("node.kubernetes.io")
}

pub(super) fn is_label_name(key: &str) -> bool {
    match key.split_once('/') {
        Some((namespace, name)) => {
            !namespace.is_empty() && !name.contains('/') && is_label_part(name)
        }
        None => is_label_part(key),
    }
}

pub(super) fn is_label_part(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.chars().next())
        && edge(text.chars().next_back())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_may_not_give_itself_a_role() {
        assert!(is_reserved("node-role.kubernetes.io/worker"));
        assert!(is_reserved("kubernetes.io/role"));
        assert!(!is_reserved("node.kubernetes.io/site"));
        assert!(!is_reserved("topology.kubernetes.io/zone"));
        assert!(!is_reserved("example.com/x") && !is_reserved("site"));
    }

    #[test]
    fn label_names_and_values_are_checked() {
        assert!(is_label_name("a.b/c-d_e") && is_label_name("x"));
        assert!(
            !is_label_name("")
                && !is_label_name("/x")
                && !is_label_name("a/b/c")
                && !is_label_name("-x")
        );
    }
}
