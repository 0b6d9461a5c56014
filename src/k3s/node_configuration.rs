//! The configuration that K3s has after its whole merge: files, then command line, over the environment.

use std::path::PathBuf;

use super::command_line::{self, Setting, Word, parse};
use super::config_file::{self, Location, Reading, locate};
use super::config_merge::{self, Key};
use super::data_dir::{DataDir, outer_reading};
use super::environment::Environment;
use super::files::{Files, Input};
use super::go_value::normalize;
use super::options::{KnownOption, NEWEST_CATALOGUED_MINOR, OptionKind, Options};
use super::secret::shown_name;
use super::yaml::YamlError;
use super::{Ending, Invocation, K3sVersion, Merge, Place, Role, SetOption, Sourced};
use crate::host::HostError;

/// From here on a server skips keys that it does not know, with a warning (K3s 4b57951fb); before, they end it.
const UNKNOWN_KEYS_ARE_SKIPPED: K3sVersion = K3sVersion::new(22, 4);

/// `disable-selinux` was taken away with 1.26; up to there it excludes `selinux`.
const NO_DISABLE_SELINUX: K3sVersion = K3sVersion::new(26, 0);

/// More than anybody's configuration becomes.
const WORDS_LIMIT_BYTES: usize = 32 << 20;

/// Why we cannot say what K3s would do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    /// A file could not be looked at.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A file is beyond what we follow.
    #[error("{}: {error}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What is too much.
        error: YamlError,
    },
    /// It lies on another machine.
    #[error("K3s reads its configuration from {0}, which k3warden does not fetch")]
    Remote(String),
    /// The keys of all files come to more words than we follow.
    #[error("the keys of {} and its drop-ins become more than {limit_bytes} bytes of command line", path.display())]
    TooLarge {
        /// The main file.
        path: PathBuf,
        /// The limit in bytes.
        limit_bytes: usize,
    },
    /// The unit starts something else than a K3s server or agent.
    #[error("the command starts no K3s server and no K3s agent")]
    NotK3s,
}

/// Something to tell the operator that K3s itself does not say, or says without the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// One sentence.
    pub text: String,
    /// The place to look at, where there is one.
    pub from: Option<Place>,
}

impl std::fmt::Display for Remark {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.from {
            Some(from) => write!(formatter, "{} ({from})", self.text),
            None => formatter.write_str(&self.text),
        }
    }
}

/// What K3s would run with at its next start.
#[derive(Debug)]
pub struct NodeConfiguration {
    /// Server or agent.
    pub role: Role,
    /// The merge itself.
    pub merge: Merge,
    /// Everything K3s reads on the way to it, in its order.
    pub inputs: Vec<Input>,
    /// The configuration file, present or not; drop-ins lie beside it. `None` if K3s looks for none.
    pub config_file: Option<PathBuf>,
    /// The state directory.
    pub data_dir: DataDir,
    /// The wrapper around the real K3s ends before that is asked. [`Merge::ends`] is about the real one alone.
    pub wrapper_ends: Option<Ending>,
    /// What K3s does not say.
    pub remarks: Vec<Remark>,
}

/// Computes what K3s of this release would run with.
///
/// # Errors
/// When a file cannot be looked at, or the command is no K3s server or agent. That K3s would *end* is no error, but in
/// [`Merge::ends`].
pub fn merge(
    files: &Files<'_>,
    invocation: &Invocation,
    version: K3sVersion,
) -> Result<NodeConfiguration, ConfigurationError> {
    let (position, role) = invocation.role().ok_or(ConfigurationError::NotK3s)?;
    let mut merging = Merging {
        version,
        role,
        options: Options::of(role, version),
        given: invocation.words.get(position + 1..).unwrap_or_default(),
        environment: &invocation.environment,
        filters: role == Role::Server && position == 0 && version >= UNKNOWN_KEYS_ARE_SKIPPED,
        inputs: Vec::new(),
        remarks: Vec::new(),
        merge: Merge::default(),
    };
    let location = locate(&invocation.words, &invocation.environment);
    let keys = merging.keys(files, location.as_ref())?;
    let outer = outer_reading(files, invocation, version)?;
    merging.inputs.extend(outer.inputs);
    let files_are_read = keys.is_ok();
    let outcome = keys.and_then(|keys| merging.run(&keys));
    merging.merge.ends = outcome.err();
    let data_dir = match (&merging.merge.ends, files_are_read) {
        (None, _) => DataDir::of_options(&merging.merge, outer.data_dir),
        (Some(_), true) => {
            let words = merging.merge.words.iter().map(String::as_str);
            DataDir::of_words(words, true, merging.environment, outer.data_dir)
        }
        (Some(_), false) => {
            let words = merging.given.iter().map(|word| word.text.as_str());
            DataDir::of_words(words, false, merging.environment, outer.data_dir)
        }
    };
    let mut inputs = merging.inputs;
    let mut seen = std::collections::BTreeSet::new();
    inputs.retain(|input| seen.insert(input.path.clone()));
    Ok(NodeConfiguration {
        role,
        merge: merging.merge,
        inputs,
        config_file: location.map(|location| location.path),
        data_dir,
        wrapper_ends: outer.ends,
        remarks: merging.remarks,
    })
}

/// What a word that is no option does to those behind it. It is named only where it tells nothing: a token can have
/// slipped behind its option.
fn stray(word: &str, number: Option<usize>, ignored: usize) -> String {
    let behind = match ignored.saturating_sub(1) {
        0 => String::new(),
        count => format!(", and {count} more word(s) after it"),
    };
    let what = match number {
        _ if command_line::is_harmless(word) => format!("`{word}`"),
        Some(number) => format!("word {number} behind the role, which is no option"),
        None => "a word that is no option".to_owned(),
    };
    let mend = match word {
        "true" | "false" => format!("; write it in one word with its option, as --OPTION={word}"),
        _ => "; take it out, or write it in one word with its option, as --OPTION=VALUE".to_owned(),
    };
    format!("K3s stops reading its command line here and ignores {what}{behind}{mend}")
}

struct Merging<'a> {
    version: K3sVersion,
    role: Role,
    options: Options,
    /// The words behind the role.
    given: &'a [Word],
    environment: &'a Environment,
    /// Unknown keys are skipped.
    filters: bool,
    inputs: Vec<Input>,
    remarks: Vec<Remark>,
    merge: Merge,
}

impl Merging<'_> {
    /// The keys of all files, or the words with which K3s ends.
    fn keys(
        &mut self,
        files: &Files<'_>,
        location: Option<&Location>,
    ) -> Result<Result<Vec<Key>, Ending>, ConfigurationError> {
        let Some(location) = location else {
            return Ok(Ok(Vec::new()));
        };
        let reading = config_file::read(files, location, self.version, &mut self.inputs)?;
        Ok(match reading {
            Reading::Files(files) => {
                let keys = config_merge::merge(&files, self.version);
                // Each item of a list carries its key, so a long key makes much out of little.
                let bytes = keys.iter().map(Key::bytes).fold(0, usize::saturating_add);
                if bytes > WORDS_LIMIT_BYTES {
                    return Err(ConfigurationError::TooLarge {
                        path: location.path.clone(),
                        limit_bytes: WORDS_LIMIT_BYTES,
                    });
                }
                Ok(keys)
            }
            Reading::Nothing { because_of } => {
                self.remark_on_nothing(location, because_of);
                Ok(Vec::new())
            }
            Reading::Ends(ending) => Err(ending),
        })
    }

    fn remark_on_nothing(&mut self, location: &Location, because_of: Option<PathBuf>) {
        if let Some(path) = because_of {
            self.remarks.push(Remark {
                text: format!(
                    "{} leads nowhere, so K3s reads none of its configuration files",
                    path.display()
                ),
                from: Some(Place::File { path, line: 1 }),
            });
        } else if location.named.is_some() {
            let text = match config_file::remote_address(&location.path) {
                Some(address) => format!(
                    "K3s {} fetches no configuration: it looks for a file named {address}, finds none and reads none",
                    self.version
                ),
                None => format!("{} does not exist", location.path.display()),
            };
            self.remarks.push(Remark {
                text,
                from: location.named.clone(),
            });
        }
    }

    fn run(&mut self, keys: &[Key]) -> Result<(), Ending> {
        let mut words = self.file_words(keys);
        words.extend(self.given.iter().cloned());
        self.merge.words = std::iter::once(self.role.as_str().to_owned())
            .chain(words.iter().map(|word| word.text.clone()))
            .collect();
        let from_environment = self.settings_of_environment()?;
        let parsed = parse(&words, &self.options, self.version)?;
        if let Some(word) = parsed.ignored.first() {
            self.remarks.push(Remark {
                text: stray(&word.text, self.number(word), parsed.ignored.len()),
                from: Some(word.place.clone()),
            });
        }
        if let Some(word) = parsed.unknown {
            let flag = command_line::shown([word.text.as_str()]).concat();
            self.remarks.push(Remark {
                text: format!(
                    "whether K3s {} has an option {flag} is not known here; neither it nor the words behind it are judged",
                    self.version
                ),
                from: Some(word.place),
            });
        }
        for setting in from_environment.into_iter().chain(parsed.settings) {
            self.apply(setting);
        }
        self.remember_overrode(keys);
        self.drop_empty_items();
        self.refuse_both_selinux()
    }

    /// Which word of the command it is, counted behind the role.
    fn number(&self, word: &Word) -> Option<usize> {
        let index = self.given.iter().position(|given| given == word)?;
        index.checked_add(1)
    }

    fn drop_empty_items(&mut self) {
        for (name, option) in &mut self.merge.options {
            let empty = option.values.iter().position(|item| item.value.is_empty());
            if let Some(empty) = empty
                && option.values.len() > 1
                && command_line::drops_an_empty_item(name, self.version)
            {
                option.values.remove(empty);
            }
        }
    }

    /// The words that the files become, without those that a server skips.
    fn file_words(&mut self, keys: &[Key]) -> Vec<Word> {
        let mut kept = Vec::new();
        for key in keys {
            // K3s looks the name up without its dashes, and only up to the first `=`.
            let flag = key.flag();
            let flag = flag.split('=').next().unwrap_or_default();
            let shown = shown_name(flag);
            let known = self.options.find(flag.trim_start_matches('-')).is_some();
            for word in key.words() {
                if !known && self.version.minor > NEWEST_CATALOGUED_MINOR {
                    self.remarks.push(Remark {
                        text: format!(
                            "whether K3s {} has an option {shown} is not known here; it is left out",
                            self.version
                        ),
                        from: Some(word.place),
                    });
                    continue;
                }
                if known || !self.filters {
                    kept.push(word);
                    continue;
                }
                let warning = format!("Unknown flag {shown} found in config.yaml, skipping");
                self.remarks.push(Remark {
                    text: warning.clone(),
                    from: Some(word.place),
                });
                self.merge.warnings.push(warning);
            }
        }
        kept
    }

    fn settings_of_environment(&self) -> Result<Vec<Setting>, Ending> {
        let mut settings = Vec::new();
        for option in self.options.iter() {
            let found = option
                .environment
                .iter()
                .find_map(|name| self.environment.get(name).map(|variable| (name, variable)));
            let Some((name, variable)) = found else {
                continue;
            };
            let place = variable.place(name);
            if let Some(value) = self.value_of_variable(option, &variable.value, &place)? {
                settings.push(Setting {
                    option: option.name,
                    value,
                    named_at: place.clone(),
                    place,
                });
            }
        }
        Ok(settings)
    }

    /// An empty variable is a false bool, and no number at all (up to 1.32 a refused one).
    fn value_of_variable(
        &self,
        option: &KnownOption,
        text: &str,
        place: &Place,
    ) -> Result<Option<String>, Ending> {
        let number = matches!(option.kind, OptionKind::Integer | OptionKind::Duration);
        if text.is_empty() && number && command_line::empty_number_is_unset(self.version) {
            return Ok(None);
        }
        if text.is_empty() && option.kind == OptionKind::Bool {
            return Ok(Some("false".to_owned()));
        }
        normalize(option.kind, text).map(Some).map_err(|refused| {
            let shown = if option.secret { "{secret}" } else { text };
            Ending {
                reason: format!(
                    "could not parse \"{shown}\" as value for flag {}: {}",
                    option.name,
                    refused.words()
                ),
                from: Some(place.clone()),
            }
        })
    }

    fn apply(&mut self, setting: Setting) {
        let Some(option) = self.options.find(setting.option) else {
            return;
        };
        let list = option.kind == OptionKind::List;
        let sourced = Sourced {
            value: setting.value,
            place: setting.place,
        };
        let set = self
            .merge
            .options
            .entry(option.target().to_owned())
            .or_insert_with(|| SetOption {
                list,
                values: Vec::new(),
                overrode: Vec::new(),
            });
        if !list {
            set.overrode.append(&mut set.values);
        }
        set.values.push(sourced);
    }

    /// Values that lost already among the files.
    fn remember_overrode(&mut self, keys: &[Key]) {
        for key in keys {
            let option = self.options.find(&key.name).map(KnownOption::target);
            if let Some(set) = option.and_then(|name| self.merge.options.get_mut(name)) {
                set.overrode.extend(key.overrode.iter().cloned());
            }
        }
    }

    /// `CheckSELinuxFlags` of releases before 1.26.
    fn refuse_both_selinux(&self) -> Result<(), Ending> {
        let set = |name| self.merge.options.get(name);
        match (set("disable-selinux"), set("selinux")) {
            (Some(disable), Some(_)) if self.version < NO_DISABLE_SELINUX => Err(Ending {
                reason: "--disable-selinux is deprecated in favor of --selinux, and both are set"
                    .to_owned(),
                from: disable.values.last().map(|value| value.place.clone()),
            }),
            _ => Ok(()),
        }
    }
}
