//! What a unit starts: words and environment.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;

use super::command_line::{self, Word};
use super::environment::Environment;
use super::secret::shown_name;
use super::{Ending, K3sVersion, Options, Place, Role};

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

    /// The words that set an option of K3s, those given to it as a word of their own with it; only where the value fits.
    /// `None` where K3s would refuse the command, or where one took a value that does not stand behind it.
    #[must_use]
    pub fn words_that_set(
        &self,
        option: &str,
        version: K3sVersion,
        fits: &dyn Fn(&str) -> bool,
    ) -> Option<Vec<Range<usize>>> {
        let (position, role) = self.role()?;
        let options = Options::of(role, version);
        let first = position.saturating_add(1);
        let given = self.words.get(first..).unwrap_or_default();
        // The parser moves words about and tells their places alone, so each gets its own.
        let numbered: Vec<Word> = given
            .iter()
            .enumerate()
            .map(|(index, word)| Word {
                text: word.text.clone(),
                place: Place::File {
                    path: PathBuf::new(),
                    line: first.saturating_add(index),
                },
            })
            .collect();
        let parsed = command_line::parse(&numbered, &options, version).ok()?;
        if !parsed.slips.is_empty() {
            return None;
        }
        let mut found = Vec::new();
        for setting in &parsed.settings {
            let known = options.find(setting.option)?;
            let (Place::File { line: begin, .. }, Place::File { line: last, .. }) =
                (&setting.named_at, &setting.place)
            else {
                continue;
            };
            if known.target() == option && fits(&setting.value) {
                // Options are moved to the front up to 1.32, by which the last one can get a stray word from before it.
                last.checked_sub(*begin).filter(|apart| *apart <= 1)?;
                found.push(*begin..last.saturating_add(1));
            }
        }
        Some(found)
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

/// The options of `k3s` itself, before its role (K3s pkg/cli/cmds/root.go, and what its library adds).
const OF_K3S: [&str; 8] = [
    "debug",
    "data-dir",
    "d",
    "help",
    "h",
    "version",
    "v",
    "generate-bash-completion",
];

impl Invocation {
    /// Why `k3s` ends before it comes to its role: an option stands there that only the role knows.
    #[must_use]
    pub fn ends_before_role(&self) -> Option<Ending> {
        let (position, _) = self.role()?;
        let before = self.words.iter().take(position);
        let unknown = before
            .filter(|word| word.text.starts_with('-'))
            .find_map(|word| {
                let name = word.text.trim_start_matches('-').split('=').next()?;
                (!OF_K3S.contains(&name)).then_some((word, name))
            });
        unknown.map(|(word, name)| {
            let name = shown_name(name);
            let reason =
                format!("flag provided but not defined: -{name}; it belongs behind the role");
            Ending::new(reason, Some(word.place.clone()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_an_option_are_found_in_every_form() {
        let words = [
            "--protect-kernel-defaults=false",
            "--kubelet-arg",
            "event-qps=1",
            "-kubelet-arg=--event-qps=2",
            "--kubelet-arg=v=1",
            "--protect-kernel-defaults",
            "--data-dir",
            "/x",
        ];
        let invocation = Invocation::new(Role::Server, words, &BTreeMap::new());
        for version in ["1.24.1", "1.32.2", "1.36.3"] {
            let version = version.parse().unwrap();
            let of = |option, fits: &dyn Fn(&str) -> bool| {
                invocation.words_that_set(option, version, fits).unwrap()
            };
            assert_eq!(of("protect-kernel-defaults", &|_| true), [1..2, 6..7]);
            let qps = |value: &str| value.contains("event-qps");
            assert_eq!(of("kubelet-arg", &qps), [2..4, 4..5]);
            assert_eq!(of("data-dir", &|_| true), std::slice::from_ref(&(7..9)));
            assert_eq!(of("token", &|_| true), []);
        }
    }

    #[test]
    fn an_option_that_took_a_word_from_elsewhere_is_not_found() {
        // Before 1.33 options are moved to the front, so that the last one takes the first stray word.
        let words = ["x=y", "--debug", "--kubelet-arg"];
        let invocation = Invocation::new(Role::Server, words, &BTreeMap::new());
        for version in ["1.24.1", "1.32.2"] {
            let version = version.parse().unwrap();
            let found = |option| invocation.words_that_set(option, version, &|_| true);
            assert_eq!(found("kubelet-arg"), None);
            assert_eq!(found("debug").unwrap(), std::slice::from_ref(&(2..3)));
        }
    }

    #[test]
    fn a_value_that_looks_like_its_option_belongs_to_it() {
        let words = ["--data-dir", "--data-dir=/x"];
        let invocation = Invocation::new(Role::Server, words, &BTreeMap::new());
        let version = "1.36.3".parse().unwrap();
        let found = invocation.words_that_set("data-dir", version, &|_| true);
        assert_eq!(found.unwrap(), std::slice::from_ref(&(1..3)));
    }

    #[test]
    fn an_option_of_the_role_ends_k3s_before_it() {
        let ends = |words: &[&str]| {
            let mut invocation = Invocation::new(Role::Server, words.to_vec(), &BTreeMap::new());
            invocation.words.remove(0);
            invocation.ends_before_role().map(|ending| ending.reason)
        };
        assert_eq!(
            ends(&[
                "--debug",
                "-d",
                "/x",
                "--data-dir=/y",
                "server",
                "--tls-san=a"
            ]),
            None
        );
        let said = ends(&["--tls-san=a", "server"]).unwrap_or_default();
        assert!(
            said.starts_with("flag provided but not defined: -tls-san"),
            "{said}"
        );
    }

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
