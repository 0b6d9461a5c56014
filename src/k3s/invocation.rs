//! What a unit starts: words and environment.

use std::collections::BTreeMap;

use super::command_line::Word;
use super::environment::Environment;
use super::{Place, Role};

/// The command that starts K3s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The words after the binary, the role among them.
    pub words: Vec<Word>,
    /// The variables of the unit.
    pub environment: Environment,
}

impl Invocation {
    /// A command given as such, without a unit: role, words behind it, variables.
    #[must_use]
    pub fn new(
        role: Role,
        arguments: impl IntoIterator<Item = impl Into<String>>,
        variables: &BTreeMap<String, String>,
    ) -> Self {
        let unit = match role {
            Role::Server => "k3s.service",
            Role::Agent => "k3s-agent.service",
        };
        let mut environment = Environment::default();
        for (name, value) in variables {
            environment.set(name, value, format!("{unit}.env"));
        }
        let words = std::iter::once(role.as_str().to_owned())
            .chain(arguments.into_iter().map(Into::into))
            .map(|text| Word {
                text,
                place: Place::ExecStart {
                    unit: unit.to_owned(),
                },
            })
            .collect();
        Self { words, environment }
    }

    /// Where the role stands among the words, behind options of `k3s` itself if there are any, and which it is.
    #[must_use]
    pub fn role(&self) -> Option<(usize, Role)> {
        let mut words = self.words.iter().enumerate();
        while let Some((index, word)) = words.next() {
            match word.text.as_str() {
                "--data-dir" | "-data-dir" | "-d" | "--d" => {
                    words.next();
                }
                option if option.starts_with('-') => {}
                text => return Role::from_word(text).map(|role| (index, role)),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_is_the_first_word_that_is_no_option_of_k3s_itself() {
        let role = |texts: &[&str]| {
            let mut invocation = Invocation::new(Role::Server, [""; 0], &BTreeMap::new());
            let place = invocation.words[0].place.clone();
            invocation.words = texts
                .iter()
                .map(|text| Word {
                    text: (*text).to_owned(),
                    place: place.clone(),
                })
                .collect();
            invocation.role()
        };
        assert_eq!(role(&["server"]), Some((0, Role::Server)));
        assert_eq!(
            role(&["--debug", "-d", "/x", "agent"]),
            Some((3, Role::Agent))
        );
        assert_eq!(role(&["kubectl", "server"]), None);
        assert_eq!(role(&[]), None);
    }
}
