//! The taints that a node registers with (kubernetes `pkg/util/taints/taints.go` ParseTaints, `pkg/kubelet/apis/config/validation`).

use std::collections::BTreeSet;

use super::labels::{is_label_name, is_label_part};
use super::{KubeletSettings, Line, end_at};
use crate::k3s::Ending;
use crate::k3s::component::Node;
use crate::k3s::component::document::Document;
use crate::k3s::component::kubelet::reads_dropins;
use crate::k3s::component::options::Options;

const FLAG: &str = "register-with-taints";
const FIELD: &str = "registerWithTaints";
const OPTION: &str = "node-taint";

pub(super) fn judge(line: &mut Line<'_>, settings: &KubeletSettings) {
    if let Some(argument) = line.given(FLAG) {
        let taints = argument.value.split(',');
        if let Some(why) = refuses(taints) {
            let reason = format!(
                "failed to parse kubelet flag: invalid argument {:?} for \"--{FLAG}\" flag: {why}",
                argument.value
            );
            line.end(&reason, Some(argument));
        }
        return;
    }
    let Some((taints, place)) = settings.of_files(FIELD) else {
        return;
    };
    if let Some(taint) = taints.items().iter().find(|taint| !is_taint(taint)) {
        let of = |key: &str| taint.text(key);
        let reason = format!(
            "{}: invalid taint: {{{} {} {}}}",
            super::INVALID.trim_end_matches(": invalid configuration"),
            of("key"),
            of("value"),
            of("effect")
        );
        end_at(line, &reason, place);
    }
}

/// K3s's own reading of `node-taint`, since it gives them to the kubelet in a file: item by item, so that one with a comma is
/// none (K3s `pkg/daemons/agent/agent.go`).
pub(in super::super) fn of_option(options: Options<'_>, node: &Node) -> Option<Ending> {
    if !reads_dropins(node.version) {
        return None;
    }
    let items = options.items(OPTION);
    let all = items.iter().map(|item| item.value.as_str());
    let why = refuses(all)?;
    // The first item with which those before it are refused.
    let guilty = (1..=items.len()).find(|count| {
        let items = items.iter().take(*count);
        refuses(items.map(|item| item.value.as_str())).is_some()
    });
    let place = guilty.and_then(|count| items.get(count.saturating_sub(1)));
    let reason = format!(
        "failed to start kubelet: prepare default configuration drop-in: failed to parse node taints: {why}"
    );
    Some(Ending::of_k3s(reason, place.map(|item| &item.place)))
}

/// Why a list of taints would not be taken.
fn refuses<'a>(taints: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut seen = BTreeSet::new();
    for taint in taints {
        // Such a one takes a taint away, which is let pass and does nothing.
        if let Some(removed) = taint.strip_suffix('-') {
            if let Err(why) = Taint::parse(removed) {
                return Some(why);
            }
            continue;
        }
        let parsed = match Taint::parse(taint) {
            Ok(parsed) => parsed,
            Err(why) => return Some(why),
        };
        if parsed.effect.is_empty() {
            return Some(format!("invalid taint spec: {taint}"));
        }
        if !seen.insert((parsed.effect, parsed.key)) {
            return Some(format!(
                "duplicated taints with the same key and effect: {taint}"
            ));
        }
    }
    None
}

struct Taint<'a> {
    key: &'a str,
    effect: &'a str,
}

impl<'a> Taint<'a> {
    fn parse(text: &'a str) -> Result<Self, String> {
        let invalid = || format!("invalid taint spec: {text}");
        let (pair, effect) = match text.split_once(':') {
            None => (text, None),
            Some((pair, effect)) => (pair, Some(effect)),
        };
        let (key, value) = match (effect, pair.split_once('=')) {
            (Some(effect), _) if effect.contains(':') => return Err(invalid()),
            (Some(effect), _) if !is_effect(effect) => {
                return Err(format!(
                    "invalid taint effect: {effect}, unsupported taint effect"
                ));
            }
            (Some(_), Some((key, value))) => (key, value),
            (_, _) => (pair, ""),
        };
        let is_good = is_label_name(key) && (value.is_empty() || is_label_part(value));
        let effect = effect.unwrap_or_default();
        if is_good {
            Ok(Self { key, effect })
        } else {
            Err(invalid())
        }
    }
}

fn is_effect(text: &str) -> bool {
    ["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&text)
}

/// Whether the kubelet's validation takes a taint of a file, where the effect may be missing.
fn is_taint(taint: &Document) -> bool {
    let (value, effect) = (taint.text("value"), taint.text("effect"));
    is_label_name(taint.text("key"))
        && (value.is_empty() || is_label_part(value))
        && (effect.is_empty() || is_effect(effect))
        && taint
            .get("timeAdded")
            .is_none_or(|time| *time == Document::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::Role;
    use crate::k3s::component::tests::{with, with_files};

    #[test]
    fn a_taint_has_a_name_and_an_effect() {
        let refuses = |text: &str| refuses(text.split(','));
        for good in [
            "a=b:NoSchedule",
            "a:NoExecute",
            "a=:PreferNoSchedule",
            "x.y/a=b:NoSchedule",
            "a=b:NoSchedule,a=b:NoExecute",
            "a-",
            "a=b:NoSchedule-",
        ] {
            assert_eq!(refuses(good), None, "{good}");
        }
        for bad in [
            "",
            "a=b:Nope",
            "a=b",
            "a",
            "a=b=c:NoSchedule",
            "=b:NoSchedule",
            "a:b:NoSchedule",
            "a=b:Nope-",
            "a=b:NoSchedule,a=c:NoSchedule",
        ] {
            assert!(refuses(bad).is_some(), "{bad}");
        }
    }

    #[test]
    fn node_taint_is_read_item_by_item_since_k3s_writes_a_file() {
        let ends = |version: &str, items: &[&str]| {
            let start = with(vec![(OPTION, items.to_vec())], version, Role::Agent);
            let first = start.endings.into_iter().next();
            first.map(|ending| ending.reason).unwrap_or_default()
        };
        for version in ["1.24.4", "1.31.4", "1.36.3"] {
            assert_eq!(ends(version, &["a=b:NoSchedule", "c:NoExecute"]), "");
            assert_ne!(ends(version, &["a=b"]), "", "{version}");
            assert_ne!(ends(version, &["a=b:NoSchedule", "a=c:NoSchedule"]), "");
        }
        let joined = &["a=b:NoSchedule,c:NoExecute"];
        assert_eq!(ends("1.31.4", joined), "");
        let said = ends("1.36.3", joined);
        assert!(
            said.ends_with(
                "failed to parse node taints: invalid taint spec: a=b:NoSchedule,c:NoExecute"
            ),
            "{said}"
        );
        assert_eq!(ends("1.31.4", &[""]), "");
        assert_ne!(ends("1.36.3", &[""]), "");
    }

    #[test]
    fn a_taint_of_a_file_may_do_without_an_effect() {
        let path = "/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/50-a.conf";
        let head = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
        let ends = |taint: &str| {
            let text = format!("{head}registerWithTaints: [{taint}]\n");
            let start = with_files(vec![], &[(path, &text)], "1.36.3", Role::Agent);
            let first = start.endings.into_iter().next();
            first.map(|ending| ending.reason).unwrap_or_default()
        };
        assert_eq!(ends("{key: a, value: b, effect: NoSchedule}"), "");
        assert_eq!(ends("{key: a}"), "");
        for bad in [
            "{key: a, effect: Nope}",
            "{value: b, effect: NoSchedule}",
            "{key: a, timeAdded: \"2026-01-01T00:00:00Z\"}",
            "{key: a, value: 1}",
        ] {
            assert!(
                ends(bad).starts_with("kubelet exited: "),
                "{bad}: {}",
                ends(bad)
            );
        }
    }
}
