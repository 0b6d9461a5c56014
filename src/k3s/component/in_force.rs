//! The value of one flag that a component would run with, whatever way it comes.

use std::collections::BTreeMap;

use super::flags::Flags;
use super::judge::stands_for;
use super::{Argument, Component, Components, Start};
use crate::host::HostError;
use crate::k3s::{K3sVersion, Place};

const FEATURE_GATES: &str = "feature-gates";

/// What a flag would come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InForce {
    /// The component does not run on this node.
    NotRunning,
    /// The component of this release knows no such flag.
    NoSuchFlag,
    /// The files that may give it cannot be looked at, and why.
    Unseen(HostError),
    /// Nothing gives it; the component's own default counts.
    Absent,
    /// One value.
    One {
        /// The value.
        value: String,
        /// What gave it.
        place: Place,
    },
    /// A list that was given without an element.
    Emptied {
        /// What gave it.
        place: Place,
    },
    /// The united elements of a list.
    List {
        /// Each element and what gave it.
        elements: Vec<(String, Place)>,
    },
}

impl Start {
    /// The value of a component's flag after all merges. The kubelet's files count as much as its flags.
    #[must_use]
    pub fn in_force(&self, component: Component, flag: &str, version: K3sVersion) -> InForce {
        let line = self.components.line(component);
        if line.is_empty() {
            return InForce::NotRunning;
        }
        let flags = Flags::of(component, version.minor);
        let Some(kind) = flags.kind(flag) else {
            return InForce::NoSuchFlag;
        };
        if let Some(decided) = self.decided_by_file(component, flag) {
            return decided.clone();
        }
        if component == Component::Kubelet
            && let Some(decided) = self.by_kubelet_files(flag)
        {
            return decided;
        }
        if kind.unites() {
            let words = flags.words(line, flag);
            if words.is_empty() {
                let Some(argument) = flags.last(line, flag) else {
                    return InForce::Absent;
                };
                let place = argument.place.clone();
                // Without a mode and without a file everybody may do everything (kubernetes pkg/kubeapiserver/options/authorization.go,
                // since the file's release; before, it is an end).
                return match (component, flag, version.minor) {
                    (Component::Apiserver, "authorization-mode", 29..) => InForce::List {
                        elements: vec![("AlwaysAllow".to_owned(), place)],
                    },
                    _ => InForce::Emptied { place },
                };
            }
            let elements = words
                .into_iter()
                .map(|(word, argument)| (word.to_owned(), argument.place.clone()))
                .collect();
            return InForce::List { elements };
        }
        match flags.last(line, flag) {
            None => InForce::Absent,
            Some(argument) => InForce::One {
                value: argument.value.clone(),
                place: argument.place.clone(),
            },
        }
    }

    /// What a file of the operator's says in the place of a flag.
    #[must_use]
    pub fn decided_by_file(&self, component: Component, flag: &str) -> Option<&InForce> {
        let mut decided = self.by_files.iter();
        let found = decided.find(|((of, name), _)| *of == component && *name == flag);
        found.map(|(_, decided)| decided)
    }

    /// What the kubelet's files and flags come to together; `None` where the flags alone decide.
    fn by_kubelet_files(&self, flag: &str) -> Option<InForce> {
        if let Some(error) = &self.kubelet_unseen {
            return Some(InForce::Unseen(error.clone()));
        }
        let settings = self.kubelet.as_ref()?;
        if let Some(setting) = settings.of_flag(flag) {
            return Some(match (setting.value.is_empty(), &setting.place) {
                (true, Place::Default) => InForce::Absent,
                // Given empty on purpose or by mistake: `client-ca-file=` turns certificates off.
                (_, place) => InForce::One {
                    value: setting.value.clone(),
                    place: place.clone(),
                },
            });
        }
        if flag != FEATURE_GATES || settings.gates.is_empty() {
            return None;
        }
        let gates = settings.gates.iter();
        let elements = gates
            .map(|(gate, setting)| (format!("{gate}={}", setting.value), setting.place.clone()))
            .collect();
        Some(InForce::List { elements })
    }

    /// What a file stands for in the place of a flag, where the running apiserver was given that file too. It reads both files
    /// anew when they change (apiserver `pkg/server/options/{authentication,authorization}`), so what they say counts at once.
    #[must_use]
    pub fn in_force_by_the_same_file(
        &self,
        component: Component,
        words: &[String],
        flag: &str,
    ) -> Option<InForce> {
        let named_by = match (component, flag) {
            (Component::Apiserver, "anonymous-auth") => "authentication-config",
            (Component::Apiserver, "authorization-mode") => "authorization-config",
            _ => return None,
        };
        let next = self.components.values(component, named_by).last()?;
        let prefix = format!("--{named_by}=");
        let runs_with = words
            .iter()
            .filter_map(|word| word.strip_prefix(&prefix))
            .next_back()?;
        let decided = self.decided_by_file(component, flag)?;
        (runs_with == next.value).then(|| decided.clone())
    }
}

/// Whether a component that runs was given a file which it read at its start in the place of a flag. What stood in it then K3s
/// does not log.
#[must_use]
pub fn left_to_a_file(component: Component, words: &[String], flag: &str) -> bool {
    let names_one = |word: &String| word.starts_with("--config=") && word != "--config=";
    stands_for(component, flag) && words.iter().any(names_one)
}

/// The value of a flag on a command line that K3s logged.
#[must_use]
pub fn in_force_on_line(
    component: Component,
    words: &[String],
    flag: &str,
    version: K3sVersion,
) -> InForce {
    let line = words.iter().filter_map(|word| {
        let (name, value) = word.strip_prefix("--")?.split_once('=')?;
        Some(Argument {
            flag: name.to_owned(),
            value: value.to_owned(),
            place: Place::Default,
            overrode: Vec::new(),
        })
    });
    let mut components = Components::default();
    components.lines.insert(component, line.collect());
    let logged = Start {
        components,
        kubelet: None,
        kubelet_unseen: None,
        encryption: None,
        encryption_withdrawn: None,
        by_files: BTreeMap::new(),
        endings: Vec::new(),
        hidden_endings: Vec::new(),
        swallowed: Vec::new(),
        warnings: Vec::new(),
    };
    logged.in_force(component, flag, version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stands_for_a_flag_of_the_running_apiserver_that_was_given_it_too() {
        let decided = InForce::One {
            value: "false".to_owned(),
            place: Place::Default,
        };
        let argument = Argument {
            flag: "authentication-config".to_owned(),
            value: "/etc/a.yaml".to_owned(),
            place: Place::Default,
            overrode: Vec::new(),
        };
        let mut start = Start::default();
        let lines = &mut start.components.lines;
        lines.insert(Component::Apiserver, vec![argument]);
        let key = (Component::Apiserver, "anonymous-auth");
        start.by_files.insert(key, decided.clone());
        let ran_with = |word: &str, flag: &str| {
            start.in_force_by_the_same_file(Component::Apiserver, &[word.to_owned()], flag)
        };
        let same = "--authentication-config=/etc/a.yaml";
        assert_eq!(ran_with(same, "anonymous-auth"), Some(decided));
        assert_eq!(ran_with(same, "profiling"), None);
        assert_eq!(
            ran_with("--authentication-config=/etc/b.yaml", "anonymous-auth"),
            None
        );
        assert_eq!(ran_with("--profiling=false", "anonymous-auth"), None);
    }
}
