//! What a component tells of itself in metrics.

use super::Line;

/// Old metrics can be had for one minor more (component-base `metrics/options.go`).
pub(super) fn hidden_metrics(line: &mut Line<'_>) {
    let before = format!("1.{}", line.minor().saturating_sub(1));
    if let Some(argument) = line.given("show-hidden-metrics-for-version")
        && argument.value != before
    {
        let reason = format!(
            "--show-hidden-metrics-for-version must be omitted or have the value '{before}'. Only the previous minor version is allowed"
        );
        line.end(&reason, Some(argument));
    }
}

/// A label is named as METRIC,LABEL (component-base `metrics/options.go`, in 1.36 `metrics/api/v1/config.go`; 1.24, 1.31 and 1.36
/// agree). Several pairs in one word, which are read as CSV, and a name that is empty are left alone.
pub(super) fn metric_labels(line: &mut Line<'_>) {
    if line.minor() < 24 {
        return;
    }
    for argument in line.flags.effective(line.arguments, "allow-metric-labels") {
        let pair = argument.value.trim_matches('"');
        let Some((name, values)) = pair.split_once('=') else {
            continue;
        };
        if !name.is_empty() && !values.contains('=') && !is_metric_label(name) {
            let reason = format!(
                "metrics.allowListMapping: Invalid value: {name:?}: must have keys with format `metricName,labelName`"
            );
            line.end(&reason, Some(argument));
            return;
        }
    }
}

fn is_metric_label(name: &str) -> bool {
    let is_word = |word: &str, colon: bool| {
        let is_letter = |letter: char| {
            letter.is_ascii_alphabetic() || letter == '_' || (colon && letter == ':')
        };
        word.starts_with(is_letter)
            && word
                .chars()
                .all(|letter| is_letter(letter) || letter.is_ascii_digit())
    };
    name.split_once(',')
        .is_some_and(|(metric, label)| is_word(metric, true) && is_word(label, false))
}

#[cfg(test)]
mod tests {
    use crate::k3s::component::tests::reason;

    /// Asked of a real 1.24.4, 1.31.4 and 1.36.3.
    #[test]
    fn labels_of_metrics_are_named_with_their_metric() {
        for version in ["1.24.4", "1.31.4", "1.36.3"] {
            for bad in ["a=b", "a,1b=c", "a b,c=d"] {
                let item = format!("allow-metric-labels={bad}");
                let found = reason(version, &[("kube-apiserver-arg", &item)]);
                assert!(found.contains("metric"), "{version} {bad}: {found}");
            }
            for good in [
                "a,b=c",
                "a:b,c=d,e",
                "\"a,b=c\"",
                "=b",
                "\"a,b=c\",\"d,e=f\"",
            ] {
                let item = format!("allow-metric-labels={good}");
                let found = reason(version, &[("kube-apiserver-arg", &item)]);
                assert_eq!(found, "", "{version} {good}");
            }
        }
        let manager = [("kube-controller-manager-arg", "allow-metric-labels=a=b")];
        assert!(reason("1.36.3", &manager).contains("metricName"));
    }
}
