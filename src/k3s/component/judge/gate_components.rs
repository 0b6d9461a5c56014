//! Whose feature gates a pair is about, where it names a component (component-base `compatibility/registry.go`).

use super::Line;
use crate::k3s::component::Component;

/// Judges the releases that were asked; in the others a component is passed over.
pub(super) fn judge(line: &mut Line<'_>) {
    if line.component != Component::Apiserver {
        return;
    }
    let words = line.words("feature-gates");
    let named = words.into_iter().map(|(pair, argument)| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name).trim();
        (name, name.split_once(':').map(|(of, _)| of), argument)
    });
    let mut is_plain = None;
    for (name, of, argument) in named {
        let reason = match (line.minor(), of) {
            (31 | 36, Some(of)) if !["", "kube"].contains(&of) => {
                format!("component not registered: {of}")
            }
            (36, Some(_)) => format!("unrecognized feature gate: {name}"),
            (31, of) => {
                let plain = of.is_none_or(str::is_empty);
                if name.is_empty() || *is_plain.get_or_insert(plain) == plain {
                    continue;
                }
                "set kube feature gates with default empty prefix or kube: prefix consistently, do not mix use"
                    .to_owned()
            }
            _ => continue,
        };
        line.end(&reason, Some(argument));
        return;
    }
}

#[cfg(test)]
mod tests {
    use crate::k3s::component::tests::reason;

    /// Asked of a real 1.31.4 and 1.36.3.
    #[test]
    fn a_gate_is_of_a_component_that_there_is() {
        for (version, gates, words) in [
            ("1.31.4", "kube:AllAlpha=false", ""),
            (
                "1.31.4",
                "kube:APIServerIdentity=true,kube:AllBeta=false",
                "",
            ),
            (
                "1.31.4",
                "kube:APIServerIdentity=true,AllBeta=false",
                "prefix consistently",
            ),
            (
                "1.31.4",
                "nope:AllAlpha=false",
                "component not registered: nope",
            ),
            (
                "1.36.3",
                "kube:AllAlpha=false",
                "unrecognized feature gate: kube:AllAlpha",
            ),
            (
                "1.36.3",
                "kube:APIServerIdentity=true",
                "unrecognized feature gate: kube:APIServerIdentity",
            ),
            (
                "1.36.3",
                ":AllAlpha=false",
                "unrecognized feature gate: :AllAlpha",
            ),
            (
                "1.36.3",
                "nope:AllAlpha=false",
                "component not registered: nope",
            ),
            ("1.36.3", "AllBeta=false", ""),
            ("1.33.1", "kube:AllAlpha=false", ""),
        ] {
            let item = format!("feature-gates={gates}");
            let found = reason(version, &[("kube-apiserver-arg", &item)]);
            assert_eq!(
                found.is_empty(),
                words.is_empty(),
                "{version} {gates}: {found}"
            );
            assert!(found.contains(words), "{version} {gates}: {found}");
            if gates == "kube:AllAlpha=false" {
                let manager = reason(version, &[("kube-controller-manager-arg", &item)]);
                assert_eq!(manager, "", "{version}");
            }
        }
    }
}
