//! `config=` and `config-dir=` in the operator's kubelet list (K3s `pkg/daemons/agent/agent.go` extractConfigArgs).

use crate::k3s::Sourced;

/// The operator's list after K3s has taken the configuration files out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::k3s::component) struct Extracted {
    /// What goes on to the command line.
    pub(in crate::k3s::component) items: Vec<Sourced>,
    /// The last `config=`, copied to `10-cli-config.conf`.
    pub(in crate::k3s::component) file: Option<Sourced>,
    /// The last `config-dir=`, copied to `20-cli-config-dir`.
    pub(in crate::k3s::component) directory: Option<Sourced>,
    /// An item without `=` and the next one, which K3s takes for its value and loses.
    pub(in crate::k3s::component) swallowed: Vec<(Sourced, Sourced)>,
    /// `config` or `config-dir` without a value: K3s ends.
    pub(in crate::k3s::component) empty: Option<Sourced>,
}

/// Takes `config=` and `config-dir=` out of the list, with K3s's mistake about items without `=`.
pub(in crate::k3s::component) fn extract(list: &[Sourced]) -> Extracted {
    let mut extracted = Extracted::default();
    let mut rest = list.iter();
    while let Some(item) = rest.next() {
        let text = item.value.strip_prefix("--").unwrap_or(&item.value);
        let (key, value) = if let Some((key, value)) = text.split_once('=') {
            (key, value)
        } else {
            let next = rest.next();
            if let Some(next) = next {
                extracted.swallowed.push((item.clone(), next.clone()));
            }
            (text, next.map_or("", |next| next.value.as_str()))
        };
        let target = match key {
            "config" => &mut extracted.file,
            "config-dir" => &mut extracted.directory,
            _ => {
                extracted.items.push(item.clone());
                continue;
            }
        };
        if value.is_empty() {
            extracted.empty.get_or_insert_with(|| item.clone());
        }
        *target = Some(Sourced {
            value: value.to_owned(),
            place: item.place.clone(),
        });
    }
    extracted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::k3s::Place;

    fn list(texts: &[&str]) -> Vec<Sourced> {
        let sourced = |text: &&str| Sourced {
            value: (*text).to_owned(),
            place: Place::Default,
        };
        texts.iter().map(sourced).collect()
    }

    #[test]
    fn a_bare_item_swallows_the_next_one() {
        let extracted = extract(&list(&["seccomp-default", "event-qps=7", "max-pods=5"]));
        assert_eq!(extracted.items, list(&["seccomp-default", "max-pods=5"]));
        assert_eq!(extracted.swallowed.len(), 1);
    }

    #[test]
    fn configuration_files_are_taken_out_and_the_last_counts() {
        let extracted = extract(&list(&[
            "config=/a",
            "--config=/b",
            "config-dir",
            "/c",
            "v=2",
        ]));
        assert_eq!(extracted.items, list(&["v=2"]));
        assert_eq!(extracted.file.unwrap().value, "/b");
        assert_eq!(extracted.directory.unwrap().value, "/c");
    }

    #[test]
    fn a_configuration_without_a_value_is_seen() {
        assert!(extract(&list(&["config="])).empty.is_some());
        assert!(extract(&list(&["config"])).empty.is_some());
        assert!(extract(&list(&["config=/a"])).empty.is_none());
    }
}
