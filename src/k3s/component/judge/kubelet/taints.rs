//! The taints that a node registers with (kubernetes `pkg/util/taints/taints.go` parseTaint).

use super::Line;
use super::labels::{is_label_name, is_label_part};

pub(super) fn judge(line: &mut Line<'_>) {
    let flag = "register-with-taints";
    let Some(argument) = line.given(flag) else {
        return;
    };
    // One that ends in `-` takes a taint away, which later minors let pass here.
    let mut taints = argument
        .value
        .split(',')
        .filter(|taint| !taint.ends_with('-'));
    if let Some(why) = taints.find_map(refuses) {
        let reason = format!(
            "failed to parse kubelet flag: invalid argument {:?} for \"--{flag}\" flag: {why}",
            argument.value
        );
        line.end(&reason, Some(argument));
    }
}

fn refuses(taint: &str) -> Option<String> {
    let invalid = || Some(format!("invalid taint spec: {taint}"));
    let Some((pair, effect)) = taint.split_once(':') else {
        return invalid();
    };
    if effect.contains(':') {
        return invalid();
    }
    if !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect) {
        return Some(format!(
            "invalid taint effect: {effect}, unsupported taint effect"
        ));
    }
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    let is_good = is_label_name(key) && (value.is_empty() || is_label_part(value));
    if is_good { None } else { invalid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taint_has_a_name_and_an_effect() {
        for good in [
            "a=b:NoSchedule",
            "a:NoExecute",
            "a=:PreferNoSchedule",
            "x.y/a=b:NoSchedule",
        ] {
            assert_eq!(refuses(good), None, "{good}");
        }
        for bad in [
            "a=b:Nope",
            "a=b",
            "a",
            "a=b=c:NoSchedule",
            "=b:NoSchedule",
            "a:b:NoSchedule",
        ] {
            assert!(refuses(bad).is_some(), "{bad}");
        }
    }
}
