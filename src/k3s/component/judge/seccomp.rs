//! The kubelet's seccomp default, which up to 1.26 needs the gate SeccompDefault (`cmd/kubelet/app/options/options.go`
//! ValidateKubeletFlags, `cmd/kubelet/app/server.go` RunKubelet).

use super::Process;
use super::gate_needs::{self, Given};
use crate::k3s::Ending;
use crate::k3s::component::document::Document;
use crate::k3s::component::{Component, KubeletSettings};
use crate::k3s::go_value::boolean;

const GATE: &str = "SeccompDefault";
/// The flag and the gate came together.
const FIRST_MINOR: u16 = 22;
/// From here on the gate is on unless it is turned off.
const ON_SINCE_MINOR: u16 = 25;
/// From here on the gate is locked and nobody asks.
const LOCKED_SINCE_MINOR: u16 = 27;

/// Why the kubelet ends over a seccomp default whose gate is off.
pub(super) fn without_gate(
    process: Process<'_>,
    settings: Option<&KubeletSettings>,
) -> Option<Ending> {
    let minor = process.node.version.minor;
    if !(FIRST_MINOR..LOCKED_SINCE_MINOR).contains(&minor) || !process.starts(Component::Kubelet) {
        return None;
    }
    let mut given = gate_needs::given(process, settings)?;
    let is_off = |given: &[Given]| {
        let default = if minor >= ON_SINCE_MINOR { "on" } else { "off" };
        gate_needs::is_on(given, GATE, default) == Some(false)
    };
    let needs =
        |what: &str| format!("the {GATE} feature gate must be enabled in order to use the {what}");
    let field = settings.and_then(|settings| settings.of_files("seccompDefault"));
    if let Some((Document::Bool(true), place)) = field
        && is_off(&given)
    {
        let reason = format!(
            "failed to run Kubelet: {}",
            needs("SeccompDefault configuration")
        );
        return Some(Ending::of(Component::Kubelet, &reason, Some(place)));
    }
    // The flag is judged before the kubelet reads its files.
    given.retain(|one| !one.is_of_kubelet_files());
    let line = process.line(Component::Kubelet);
    let flag = line.last("seccomp-default")?;
    let ends = boolean(&flag.value) == Some(true) && is_off(&given);
    let reason = format!(
        "failed to validate kubelet flags: {}",
        needs("--seccomp-default flag")
    );
    ends.then(|| line.ending(&reason, Some(flag)))
}

#[cfg(test)]
mod tests {
    use crate::k3s::Role;
    use crate::k3s::component::tests::{with, with_files};

    const FLAG: &str = "seccomp-default=true";
    const OFF: &str = "feature-gates=SeccompDefault=false";
    const ON: &str = "feature-gates=SeccompDefault=true";

    #[test]
    fn a_seccomp_default_needs_its_gate_until_that_is_locked() {
        for (version, items, ends) in [
            ("1.22.5", &[FLAG][..], true),
            ("1.24.17", &[FLAG], true),
            ("1.24.17", &["seccomp-default=false"], false),
            ("1.24.17", &[FLAG, ON], false),
            ("1.24.17", &[FLAG, "feature-gates=AllAlpha=true"], false),
            ("1.25.16", &[FLAG], false),
            ("1.25.16", &[FLAG, OFF], true),
            ("1.26.4", &[OFF, FLAG], true),
            ("1.26.4", &[OFF], false),
            ("1.26.4", &[FLAG, ON], false),
            ("1.29.5", &[FLAG], false),
        ] {
            for role in [Role::Server, Role::Agent] {
                let start = with(vec![("kubelet-arg", items.to_vec())], version, role);
                let words = "failed to validate kubelet flags: the SeccompDefault feature gate must be enabled";
                let found = start.endings.iter().any(|one| one.reason.contains(words));
                assert_eq!(found, ends, "{version} {items:?}: {:?}", start.endings);
                assert_eq!(!start.endings.is_empty(), ends, "{version} {items:?}");
            }
        }
    }

    /// One process has one set of gates.
    #[test]
    fn the_gate_of_another_component_counts_for_the_kubelet() {
        for (gate, ends) in [(ON, false), (OFF, true)] {
            let options = vec![
                ("kube-apiserver-arg", vec![gate]),
                ("kubelet-arg", vec![FLAG]),
            ];
            let start = with(options, "1.24.17", Role::Server);
            assert_eq!(!start.endings.is_empty(), ends, "{gate}");
        }
    }

    /// A flag is judged before the files are read, a field after.
    #[test]
    fn a_gate_of_the_kubelet_s_file_counts_for_the_file_only() {
        let head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
        let off = format!("{head}featureGates: {{SeccompDefault: false}}\n");
        let both = format!("{off}seccompDefault: true\n");
        for (items, file, ends) in [
            (&["config=/etc/k.yaml", FLAG][..], &off, false),
            (&["config=/etc/k.yaml"], &both, true),
        ] {
            let options = vec![("kubelet-arg", items.to_vec())];
            let file = [("/etc/k.yaml", file.as_str())];
            let start = with_files(options, &file, "1.26.4", Role::Agent);
            assert_eq!(!start.endings.is_empty(), ends, "{:?}", start.endings);
        }
    }
}
